"""Secrets of access keys, sealed so that the store itself can keep them until COSI asks for them again.

COSI may ask any number of times for the same access, and is to be given the same credentials; a store tells the secret
of a key only once. The key of the seal is derived from the driver's own credentials: whoever has those could make keys
anyway.
"""

from __future__ import annotations

import base64
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from objstore.client import Connection

_INFO: Final = b"objstore cosi: secrets of access keys"
_NONCE: Final = 12


def seal(connection: Connection, user: str, key: str, secret: str) -> str:
    """A secret that only the driver can read, bound to its user and key; about 100 characters."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = _cipher(connection).encrypt(nonce, secret.encode(), _context(user, key))
    return base64.b64encode(nonce + sealed).decode()


def unseal(connection: Connection, user: str, key: str, sealed: str) -> str | None:
    """The secret; None where the seal is another's: the driver's credentials have changed since."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        return _cipher(connection).decrypt(raw[:_NONCE], raw[_NONCE:], _context(user, key)).decode()
    except (ValueError, InvalidTag):
        return None


def _cipher(connection: Connection) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=_INFO).derive(connection.secret_key.encode()))


def _context(user: str, key: str) -> bytes:
    return f"{user}:{key}".encode()
