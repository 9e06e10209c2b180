"""What the clients write: bytes that a name and a size give, found again by their ETag, in pieces as they were sent."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Value:
    """Bytes that were, or may have been, written: one piece, or the parts of an upload."""

    name: str
    sizes: tuple[int, ...]
    parts: bool = False

    def pieces(self) -> list[bytes]:
        return [random.Random(f"{self.name}/{n}").randbytes(size) for n, size in enumerate(self.sizes)]

    def data(self) -> bytes:
        return b"".join(self.pieces())


class Values:
    """All values of a run by ETag."""

    def __init__(self) -> None:
        self._known: dict[str, Value] = {}

    def new(self, name: str, sizes: Sequence[int], parts: bool = False) -> tuple[str, list[bytes]]:
        """A value's ETag and its pieces."""
        value = Value(name, tuple(sizes), parts)
        pieces = value.pieces()
        digests = [hashlib.md5(piece, usedforsecurity=False).digest() for piece in pieces]
        etag = digests[0].hex()
        if parts:
            etag = f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(pieces)}"
        self._known[etag] = value
        return etag, pieces

    def differs(self, etag: str, data: bytes, start: int = 0, *, whole: bool = True) -> str | None:
        """What is wrong with bytes that came under this ETag, `start` being their place; None when nothing is."""
        value = self._known.get(etag)
        if value is None:
            return f"nobody ever wrote anything with the ETag {etag}"
        size = sum(value.sizes)
        if whole and len(data) != size:
            return f"{len(data)} bytes came of {size} of {value.name}"
        if data != value.data()[start : start + len(data)]:
            return f"other bytes than those of {value.name} (from {start}, {len(data)} of {size})"
        return None

    def size(self, etag: str) -> int | None:
        value = self._known.get(etag)
        return None if value is None else sum(value.sizes)
