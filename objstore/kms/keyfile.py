"""The built-in key management with its keys in a file, kept apart from the drives and from the master key.

    default = "team-key"

    [keys]
    team-key = ["BASE64 OF 32 BYTES", "BASE64 OF A NEWER VERSION"]

The last version of a key seals, all of them open. The file is read at the start; keys are made by editing it
(`openssl rand -base64 32`) and starting again. A version that opens something must never be removed.
"""

from __future__ import annotations

import base64
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from objstore.kms.engine import DEFAULT, valid_name
from objstore.kms.keyring import Key, Keyring, KeyVersion

ENGINE: Final = "file"
_KEY_BYTES = 32


class KeyFileError(Exception):
    """The file cannot be used; the message says why, and holds no key."""


class _Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: dict[str, list[str]]
    default: str = DEFAULT


def load(path: Path) -> Keyring:
    """The engine over the file. Raises KeyFileError."""
    try:
        contents = msgspec.convert(tomllib.loads(path.read_text()), _Contents)
    except OSError as error:
        raise KeyFileError(f"key file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise KeyFileError(f"key file {path}: {type(error).__name__}: not a table `keys` of lists of keys") from None
    keys = {name: _key(path, name, versions) for name, versions in contents.keys.items()}
    if contents.default != DEFAULT and contents.default not in keys:
        raise KeyFileError(f"key file {path}: the default key {contents.default!r} is not among the keys")
    return Keyring(ENGINE, contents.default, keys.get, lambda _, version: version.sealed)


def _key(path: Path, name: str, versions: list[str]) -> Key:
    if not valid_name(name):
        raise KeyFileError(f"key file {path}: {name!r} cannot be a key's name: use letters, digits and _ . / : -")
    if not versions:
        raise KeyFileError(f"key file {path}: key {name!r} has no version")
    return Key(
        name, 0, True, tuple(KeyVersion(at, 0, _secret(path, name, at, text)) for at, text in enumerate(versions, 1))
    )


def _secret(path: Path, name: str, number: int, text: str) -> bytes:
    try:
        secret = base64.b64decode(text, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise KeyFileError(f"key file {path}: version {number} of key {name!r} is not base64 of {_KEY_BYTES} bytes")
    return secret
