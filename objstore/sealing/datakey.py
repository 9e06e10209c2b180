"""The data key of one object: it wraps the keys of its streams, hides its checksums, and vouches for the whole."""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from objstore.sealing.errors import SealBroken

KEY_BYTES = 32
_NONCE = 12
_PROOF = 16


class DataKey:
    """Never shown in a repr, an error or a log. Each use has a key of its own, derived from it."""

    __slots__ = ("secret",)

    def __init__(self, secret: bytes) -> None:
        assert len(secret) == KEY_BYTES, "a data key has 32 bytes"
        self.secret = secret

    @classmethod
    def new(cls) -> DataKey:
        return cls(os.urandom(KEY_BYTES))

    def __repr__(self) -> str:
        return "DataKey()"

    def new_stream(self) -> tuple[bytes, bytes]:
        """A fresh key for one stream, and how it is stored: wrapped (RFC 3394)."""
        key = os.urandom(KEY_BYTES)
        return key, aes_key_wrap(self._derived(b"streams"), key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key of a stream. Raises SealBroken."""
        try:
            return aes_key_unwrap(self._derived(b"streams"), wrapped)
        except InvalidUnwrap:
            raise SealBroken("the key of a stream does not unwrap: it was altered or is not of this object") from None

    def hide(self, text: str) -> str:
        """A short text about the plaintext, such as its checksum, sealed; the same text gives the same result."""
        nonce = hmac.digest(self._derived(b"nonces"), text.encode(), "sha256")[:_NONCE]
        return b64encode(nonce + AESGCM(self._derived(b"hidden")).encrypt(nonce, text.encode(), None)).decode()

    def reveal(self, hidden: str) -> str:
        """What was hidden. Raises SealBroken."""
        try:
            raw = b64decode(hidden, validate=True)
            return AESGCM(self._derived(b"hidden")).decrypt(raw[:_NONCE], raw[_NONCE:], None).decode()
        except (InvalidTag, ValueError):
            raise SealBroken("a hidden value does not open: it was altered or is not of this object") from None

    def mask(self, text: str) -> str:
        """32 hex digits in place of a text, which they tell nothing of; the same for the same text."""
        return hmac.digest(self._derived(b"masks"), text.encode(), "sha256")[:16].hex()

    def proof(self, described: bytes) -> bytes:
        """What only the holder of the key can compute of a description."""
        return hmac.digest(self._derived(b"proof"), described, "sha256")[:_PROOF]

    def _derived(self, purpose: bytes) -> bytes:
        return hmac.digest(self.secret, b"objstore data key: " + purpose, "sha256")
