"""Command line over environment over configuration file over defaults; what cannot be meant is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from objstore.server.settings import SettingsError, load
from tests.faults.cluster import command

FILE = """
address = "127.0.0.1:9001"
region = "eu-file-1"
workers = 3
drives = ["/mnt/file{1...4}"]

[limits]
idle_seconds = 5.0
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "objstore.toml"
    path.write_text(FILE)
    return path


def test_precedence(config: Path) -> None:
    environment = {"OBJSTORE_REGION": "eu-env-1", "OBJSTORE_ADDRESS": "127.0.0.1:9002"}
    settings = load({"address": "127.0.0.1:9003"}, [], config, environment)
    assert (settings.address, settings.region, settings.workers) == ("127.0.0.1:9003", "eu-env-1", 3)
    assert settings.limits.idle_seconds == 5.0
    assert settings.drives == ("/mnt/file1", "/mnt/file2", "/mnt/file3", "/mnt/file4")
    assert load({}, ["/mnt/other"], config, {}).drives == ("/mnt/other",)
    plain = load({}, ["/d"], None, {})
    assert (plain.address, plain.durability) == ("127.0.0.1:9000", "strict")


def test_ellipses(tmp_path: Path) -> None:
    def drives(*patterns: str) -> tuple[str, ...]:
        return load({}, patterns, None, {}).drives

    assert drives("/mnt/disk{1...8}") == tuple(f"/mnt/disk{n}" for n in range(1, 9))
    assert drives("/d{01...03}") == ("/d01", "/d02", "/d03")
    assert drives("/n{1...2}/d{1...2}") == ("/n1/d1", "/n1/d2", "/n2/d1", "/n2/d2")
    assert drives("/a", "/b{1...2}") == ("/a", "/b1", "/b2")


def test_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("admin\n")
    (tmp_path / "password").write_text("from a file\n")
    environment = {
        "OBJSTORE_ROOT_USER_FILE": str(tmp_path / "user"),
        "OBJSTORE_ROOT_PASSWORD_FILE": str(tmp_path / "password"),
    }
    settings = load({}, ["/d"], None, environment)
    assert (settings.root_user, settings.root_password) == ("admin", "from a file")


@pytest.mark.parametrize(
    ("arguments", "drives", "environment", "named"),
    [
        ({}, [], {}, "drive"),
        ({}, ["/d", "/d"], {}, "twice"),
        ({}, ["/d{3...1}"], {}, "{3...1}"),
        ({}, ["/d{x...y}"], {}, "{x...y}"),
        ({"workers": 0}, ["/d"], {}, "workers"),
        ({"parity": 3}, ["/d{1...4}"], {}, "parity"),
        ({"durability": "maybe"}, ["/d"], {}, "durability"),
        ({"address": "nowhere"}, ["/d"], {}, "address"),
        ({"address": "127.0.0.1:99999"}, ["/d"], {}, "address"),
        ({"tls_cert": "c.pem"}, ["/d"], {}, "tls-key"),
        ({}, ["/d"], {"OBJSTORE_ROOT_USER": "admin"}, "OBJSTORE_ROOT_PASSWORD"),
        ({}, ["/d"], {"OBJSTORE_ROOT_USER": "admin", "OBJSTORE_ROOT_PASSWORD": "short"}, "OBJSTORE_ROOT_PASSWORD"),
        ({}, ["/d"], {"OBJSTORE_ROOT_USER_FILE": "/none/such"}, "OBJSTORE_ROOT_USER_FILE"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    arguments: dict[str, Any], drives: list[str], environment: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(arguments, drives, None, environment)
    assert named.lower() in str(caught.value).lower()


@pytest.mark.parametrize("text", ["addres = 1", "[limits]\nidle = 1", "not toml", 'workers = "three"'])
def test_a_configuration_file_with_a_mistake_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(SettingsError):
        load({}, ["/d"], path, {})


def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    done = command("server", "--config", str(tmp_path / "none.toml"), str(tmp_path / "d"))
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "none.toml" in done.stderr
    assert not (tmp_path / "d").exists()
