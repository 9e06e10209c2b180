"""Several digests of one stream of bytes, computed side by side.

`Digests` is what the wire hands to whoever moves the bytes: it is told every buffer once and answers with the ETag's
MD5, the payload's SHA-256 and the checksum that the client named. Every hash here (OpenSSL's, xxhash's, the CRT's)
releases the interpreter's lock while it works on a large buffer, so `update` may run in a worker thread beside the
event loop. One stream must be updated by one thread at a time. A small buffer is given in slices too short for that: to
hand the lock to other threads and wait for it again would cost more than the hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

import xxhash
from awscrt import checksums as crt

Buffer: TypeAlias = bytes | bytearray | memoryview

_SMALL: Final = 16 << 10
"""Bytes of a buffer up to which the interpreter's lock is kept."""
_SLICE: Final = 2047
"""Bytes that `hashlib` takes without letting go of it."""


class Hasher(Protocol):
    """What every hash offers: take bytes, give the digest so far."""

    def update(self, data: Buffer, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A running CRC, `size` bytes wide; the digest is big-endian, as AWS writes it."""

    __slots__ = ("_compute", "_size", "_value")

    def __init__(self, compute: Callable[[Any, int], int], size: int) -> None:
        self._compute = compute
        self._size = size
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = self._compute(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


_NEW: Mapping[str, Callable[[], Hasher]] = {
    "CRC32": lambda: _Crc(crt.crc32, 4),
    "CRC32C": lambda: _Crc(crt.crc32c, 4),
    "CRC64NVME": lambda: _Crc(crt.crc64nvme, 8),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "XXHASH64": xxhash.xxh64,
    "XXHASH3": xxhash.xxh3_64,
    "XXHASH128": xxhash.xxh3_128,
}


class Digests:
    """The digests of one stream by algorithm name (as in the S3 model: `MD5`, `SHA256`, `CRC64NVME`, ...)."""

    __slots__ = ("_hashers", "_updates", "length")

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashers = {name: _NEW[name]() for name in algorithms}
        self._updates = tuple(hasher.update for hasher in self._hashers.values())
        self.length = 0

    def __contains__(self, name: str) -> bool:
        return name in self._hashers

    def update(self, data: Buffer) -> None:
        """Takes the next bytes of the stream."""
        size = len(data)
        self.length += size
        slices: Sequence[Buffer] = (data,)
        if _SLICE < size <= _SMALL:
            view = memoryview(data)
            slices = [view[start : start + _SLICE] for start in range(0, size, _SLICE)]
        for update in self._updates:
            for piece in slices:
                update(piece)

    def digest(self, name: str) -> bytes:
        """The digest so far, big-endian; KeyError when the algorithm was not asked for."""
        return self._hashers[name].digest()

    def hex(self, name: str) -> str:
        """The digest in lower-case hexadecimal, as ETags and `x-amz-content-sha256` write it."""
        return self.digest(name).hex()

    def base64(self, name: str) -> str:
        """The digest in base64, as checksum headers and Content-MD5 write it."""
        return base64.b64encode(self.digest(name)).decode("ascii")

    def results(self) -> dict[str, bytes]:
        """Every digest by algorithm name."""
        return {name: hasher.digest() for name, hasher in self._hashers.items()}
