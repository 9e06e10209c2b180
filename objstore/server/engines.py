"""The key management engines that the settings name, joined into what seals and opens objects' data keys."""

from __future__ import annotations

from pathlib import Path

from objstore.kms import keyfile
from objstore.kms.engine import Engine
from objstore.kms.envelopes import Envelopes
from objstore.kms.keyfile import KeyFileError
from objstore.kms.keyring import Keyring
from objstore.kms.vault import Vault, VaultSettings
from objstore.server.settings import Kms, SettingsError


def check(settings: Kms) -> None:
    """Look at the files that the settings name before anything is started. Raises SettingsError."""
    if settings.key_file:
        _key_file(settings.key_file)
    if settings.vault is not None:
        _vault(settings.vault)


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
