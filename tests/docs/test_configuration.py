"""The sample configuration is true: it loads, it names every setting, and what it shows as a default is the default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from objstore.iam.federation.ldap_settings import LdapSettings
from objstore.iam.users import UserEntry
from objstore.kms.vault import VaultSettings
from objstore.server.settings import Kms, Limits, Settings, load

SAMPLE = Path(__file__).parents[2] / "config" / "objstore.toml"
NOTHING: dict[str, str] = {}

# Shown as an example, there being nothing by default.
_EXAMPLES = ("users", "storage_classes", "targets", "kms")


def everything_set(folder: Path) -> Path:
    """The sample with every commented setting made."""
    path = folder / "everything.toml"
    path.write_text(re.sub(r"(?m)^#(?=\S)", "", SAMPLE.read_text()))
    return path


def test_the_sample_loads_as_it_is() -> None:
    settings = load({}, [], SAMPLE, NOTHING)
    assert settings.drives == tuple(f"/mnt/disk{number}" for number in (1, 2, 3, 4))
    assert settings == Settings(drives=settings.drives)


def test_every_commented_setting_is_accepted_when_it_is_made(tmp_path: Path) -> None:
    settings = load({}, [], everything_set(tmp_path), NOTHING)
    assert settings.tls_cert and settings.tls_key and settings.root_user and settings.root_password
    assert [user.name for user in settings.users] == ["alice"]


@pytest.mark.parametrize("kind", [Settings, Limits, UserEntry, LdapSettings, Kms, VaultSettings])
def test_every_setting_is_mentioned(kind: type[msgspec.Struct]) -> None:
    text = SAMPLE.read_text()
    for field in msgspec.structs.fields(kind):
        written = re.search(rf"(?m)^#? ?(\[+)?(kms\.)?{field.name}(\]+$| = )", text)
        assert written, f"{field.name} is missing"


@pytest.mark.parametrize("kind", [Settings, Limits])
def test_what_is_shown_is_the_default(kind: type[msgspec.Struct], tmp_path: Path) -> None:
    settings = load({}, [], everything_set(tmp_path), NOTHING)
    shown: Any = settings if kind is Settings else settings.limits
    for field in msgspec.structs.fields(kind):
        if field.required or field.default is None or field.name in _EXAMPLES:
            continue
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        assert getattr(shown, field.name) == default, field.name
