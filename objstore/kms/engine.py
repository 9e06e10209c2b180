"""What a key management engine does, and how its keys are named.

An engine keeps keys that never leave it and gives *wrapping keys* sealed under them. The objects' data keys are sealed
under wrapping keys, by us, so an engine sees no data, no data key and no encryption context, and is asked once for a
bucket key that serves many objects.
https://docs.aws.amazon.com/kms/latest/developerguide/kms-cryptography.html#enveloping
"""

from __future__ import annotations

import re
from typing import Final, Protocol

from objstore.kms.errors import KeyNotFound

DEFAULT: Final = "alias/aws/s3"
"""What clients call the key that is used when they name none."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,254}")
# With region and account as AWS has it, or without as MinIO has it.
_ARN = re.compile(r"arn:[a-z-]+:kms:(?:[^:]*:[^:]*:)?(?:key/)?(.+)")


class Engine(Protocol):
    """Keys under names. Raises KeyNotFound, KeyDisabled, KeyUnusable, KmsDenied, KmsUnavailable."""

    @property
    def name(self) -> str:
        """How records name the engine; never changes."""
        ...

    @property
    def default_key(self) -> str:
        """The key for whoever names none."""
        ...

    async def generate(self, key: str) -> tuple[bytes, bytes]:
        """A fresh wrapping key of 32 bytes: plain, and sealed under the newest version of `key`."""
        ...

    async def decrypt(self, key: str, sealed: bytes) -> bytes:
        """A wrapping key that `generate` gave, plain."""
        ...

    async def rewrap(self, key: str, sealed: bytes) -> bytes:
        """The same wrapping key, sealed under the newest version of `key`; as it is, if that sealed it."""
        ...


def key_name(text: str | None, engine: Engine) -> str:
    """The engine's name of the key that a client names by name, alias or ARN. Raises KeyNotFound."""
    if not text:
        return engine.default_key
    arn = _ARN.fullmatch(text)
    name = arn[1] if arn else text
    if name == DEFAULT:
        return engine.default_key
    if not valid_name(name):
        raise KeyNotFound(f"Invalid keyId '{text}'")
    return name


def valid_name(name: str) -> bool:
    """Whether a key may have this name: letters, digits and `_ . / : -`, at most 255."""
    return _NAME.fullmatch(name) is not None and not name.startswith("arn:")
