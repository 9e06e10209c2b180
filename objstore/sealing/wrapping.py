"""A key sealed under another key: AES-256-GCM, salted, committing, bound to a context.

    format (1 byte) | salt (16) | commitment (16) | ciphertext (32) and tag (16)

The key that encrypts is derived from the wrapping key and the salt, so one wrapping key may seal any number of keys.
The commitment, derived from the same, tells a wrong key from altered bytes, and keeps anybody from making a value that
opens under two keys. Of the wrapping key it is a salted verifier and tells nothing else.
"""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from objstore.sealing.errors import SealBroken, WrongKey

_FORMAT = b"\x01"
_SALT = 16
_COMMITMENT = 16
_HEAD = 1 + _SALT + _COMMITMENT
_NONCE = bytes(12)  # of a key that is used once


def wrap(key: bytes, under: bytes, context: bytes) -> bytes:
    """`key` sealed under another; 49 bytes longer."""
    salt = os.urandom(_SALT)
    commitment, cipher = _derive(under, salt)
    return _FORMAT + salt + commitment + cipher.encrypt(_NONCE, key, context)


def unwrap(wrapped: bytes, under: bytes, context: bytes) -> bytes:
    """The key. Raises WrongKey when `under` is another, SealBroken when bytes or context are."""
    if wrapped[:1] != _FORMAT or len(wrapped) < _HEAD:
        raise SealBroken("a wrapped key has an unknown format: was it written by a newer version?")
    commitment, cipher = _derive(under, wrapped[1 : 1 + _SALT])
    if not hmac.compare_digest(commitment, wrapped[1 + _SALT : _HEAD]):
        raise WrongKey("the key is not the one that sealed")
    try:
        return cipher.decrypt(_NONCE, wrapped[_HEAD:], context)
    except InvalidTag:
        raise SealBroken("a wrapped key does not open: it was altered, or belongs to another context") from None


def _derive(under: bytes, salt: bytes) -> tuple[bytes, AESGCM]:
    commitment = hmac.digest(under, b"objstore wrapping: commitment" + salt, "sha256")[:_COMMITMENT]
    return commitment, AESGCM(hmac.digest(under, b"objstore wrapping: key" + salt, "sha256"))
