"""Every error this library raises on purpose, in one tree under `ErasureError`.

Wrong arguments of the caller (a blob id of the wrong length, a range outside the append) raise `ValueError`: they are
mistakes in a program, not states of a disk.
"""

from __future__ import annotations


class ErasureError(Exception):
    """Anything that went wrong with shards, headers, layouts or codecs."""


class LayoutInvalid(ErasureError, ValueError):
    """A layout whose numbers are outside what is offered, or a packed layout that does not parse."""


class CodecUnavailable(ErasureError):
    """A layout names a codec whose library is not installed here, so its blobs cannot be coded on this machine."""


class ShardCorrupt(ErasureError):
    """A frame's hash does not match its bytes, or the frame is cut short.

    `index` is the shard within the stripe, `offset` the position of the bad frame in the shard file.
    """

    def __init__(self, index: int, offset: int, reason: str = "hash does not match") -> None:
        super().__init__(f"shard {index} is corrupt at offset {offset}: {reason}")
        self.index = index
        self.offset = offset
        self.reason = reason


class HeaderCorrupt(ErasureError):
    """The first 4096 bytes of a shard file are not a shard header, or were damaged."""


class HeaderTooNew(ErasureError):
    """An intact header of a format that a later version of this library writes: refuse the file, do not repair it."""


class TooFewShards(ErasureError):
    """Fewer than `need` shards are at hand, so the bytes cannot be computed from what was given."""

    def __init__(self, have: int, need: int) -> None:
        super().__init__(f"{have} shards given, {need} needed")
        self.have = have
        self.need = need
