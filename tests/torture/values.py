"""What the clients write: bytes that a name and a size give, found again by their ETag, in pieces as they were sent."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import NamedTuple


class Fresh(NamedTuple):
    """Bytes that nobody had before."""

    name: str
    size: int

    def data(self) -> bytes:
        return random.Random(self.name).randbytes(self.size)


class Cut(NamedTuple):
    """A range of a value."""

    value: Value
    start: int
    size: int

    def data(self) -> bytes:
        return self.value.data()[self.start : self.start + self.size]


class Value(NamedTuple):
    """Bytes that were, or may have been, written: in one piece, as parts of an upload, or one behind the other."""

    pieces: tuple[Fresh | Cut, ...]

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)

    def data(self) -> bytes:
        return b"".join(piece.data() for piece in self.pieces)

    def __str__(self) -> str:
        return " + ".join(one.name if isinstance(one, Fresh) else f"a cut of {one.value}" for one in self.pieces)


UNTOLD = "?"
"""Before the MD5 of a value whose ETag is not known."""


class Values:
    """All values of a run by ETag."""

    def __init__(self) -> None:
        self._known: dict[str, Value] = {}
        self._etags: dict[str, str] = {}

    def learn(self, etag: str, md5: str) -> None:
        """What has this ETag is the value of that MD5."""
        if etag not in self._known and md5 in self._known:
            self._known[etag] = self._known[md5]
            self._etags[UNTOLD + md5] = etag

    def etag(self, content: str) -> str:
        """The ETag of what was written without an answer, once it is known."""
        return self._etags.get(content, content)

    def new(self, name: str, size: int) -> tuple[str, bytes]:
        """The ETag and the bytes of a value that is put in one piece."""
        value = Value((Fresh(name, size),))
        data = value.data()
        etag = _md5(data).hex()
        self._known[etag] = value
        return etag, data

    def parts(self, pieces: Sequence[Fresh | Cut], etags: Sequence[str]) -> str:
        """The ETag of a value that is uploaded in parts, of which each has its own: that of a copied part is no MD5."""
        etag = f"{_md5(b''.join(map(bytes.fromhex, etags))).hex()}-{len(etags)}"
        self._known[etag] = Value(tuple(pieces))
        return etag

    def appended(self, old: str, name: str, size: int) -> tuple[str, bytes]:
        """The ETag of the value `old` with so many bytes behind it, and these."""
        value, piece = self._known[old], Fresh(name, size)
        digest, _, parts = old.partition("-")
        count = int(parts) if parts else int(value.size > 0)
        data = piece.data()
        etag = f"{_md5(bytes.fromhex(digest) + _md5(data)).hex()}-{count + 1}"
        self._known[etag] = Value((*value.pieces, piece))
        return etag, data

    def cut(self, etag: str, start: int, size: int) -> Cut:
        """A range of a known value."""
        return Cut(self._known[etag], start, size)

    def differs(self, etag: str, data: bytes, start: int = 0, *, whole: bool = True) -> str | None:
        """What is wrong with bytes that came under this ETag, `start` being their place; None when nothing is."""
        value = self._known.get(etag)
        if value is None:
            return f"nobody ever wrote anything with the ETag {etag}"
        if whole and len(data) != value.size:
            return f"{len(data)} bytes came of {value.size} of {value}"
        if data != value.data()[start : start + len(data)]:
            return f"other bytes than those of {value} (from {start}, {len(data)} of {value.size})"
        return None

    def size(self, etag: str) -> int | None:
        value = self._known.get(etag)
        return None if value is None else value.size


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
