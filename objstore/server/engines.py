"""The key management engines that the settings name, joined into what seals and opens objects' data keys."""

from __future__ import annotations

from pathlib import Path

from objstore.kms import keyfile
from objstore.kms.engine import Engine
from objstore.kms.envelopes import Envelopes
from objstore.kms.keyfile import KeyFileError
from objstore.kms.keyring import Keyring
from objstore.kms.vault import Vault, VaultSettings
from objstore.server.secret_files import Exposed, require_private
from objstore.server.settings import Kms, SettingsError


def check(settings: Kms) -> None:
    """Look at the files that the settings name before anything is started. Raises SettingsError."""
    if settings.key_file:
        _key_file(settings.key_file)
        _require_private(settings.key_file, "kms.key_file")
    if settings.vault is not None:
        _vault(settings.vault)
        for name in ("token_file", "role_id_file", "secret_id_file"):
            if (path := getattr(settings.vault, name)) is not None and Path(path).exists():
                _require_private(path, f"kms.vault.{name}")


def assembled(settings: Kms, keyring: Keyring) -> tuple[Envelopes, Vault | None]:
    """What the settings describe, and the Vault client, if any, to be closed at the end. Raises SettingsError.

    Every engine that is described opens what it once sealed; `engine` is the one for new objects.
    """
    engines: dict[str, Engine] = {keyring.name: keyring}
    if settings.key_file:
        engines[keyfile.ENGINE] = _key_file(settings.key_file)
    vault = _vault(settings.vault) if settings.vault is not None else None
    if vault is not None:
        engines[vault.name] = vault
    return Envelopes(keyring, engines[settings.engine], engines.values()), vault


def _require_private(path: str, what: str) -> None:
    try:
        require_private(Path(path), what)
    except Exposed as error:
        raise SettingsError(str(error)) from None


def _key_file(path: str) -> Keyring:
    try:
        return keyfile.load(Path(path))
    except KeyFileError as error:
        raise SettingsError(f"kms.key_file: {error}") from None


def _vault(settings: VaultSettings) -> Vault:
    try:
        return Vault(settings)
    except OSError as error:
        raise SettingsError(f"kms.vault.ca_file: {error.strerror or error}") from None
