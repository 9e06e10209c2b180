"""The arithmetic of striping: how many bytes of an append land where.

An *append* is a run of logical bytes written in one piece. It is cut into *blocks* of `block_size` bytes (the last
may be shorter); a block becomes a *stripe*: `data` shard blocks of equal length, the tail padded with zeros, and
`parity` more that are computed. Each shard block is stored as a *frame*, a 16-byte hash and the payload, and the
frames of one shard follow one another in its shard file without gaps.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from erasure.errors import LayoutInvalid

HASH = 16
"""Bytes of the hash in front of every payload."""

MAX_DATA = 16
MAX_PARITY = 8
MAX_BLOCK = 1 << 30

CODECS = {"isal": 1, "zfec": 2}
"""Codec names and the numbers that stand for them on disk, for ever."""

_NAMES = {number: name for name, number in CODECS.items()}
_PACKED = struct.Struct("<BBBI")


@dataclass(frozen=True, slots=True)
class Layout:
    """How bytes are spread: `data` + `parity` shards, blocks of `block_size` bytes, coded by `codec`.

    Any `data` of the shards give the bytes back. `data` is 1 to 16, `parity` 0 to 8; with one data shard the parity
    shards are copies (replication), with no parity the bytes are only striped and hashed.
    """

    data: int
    parity: int
    block_size: int = 1 << 20
    codec: str = "isal"

    def __post_init__(self) -> None:
        if not 1 <= self.data <= MAX_DATA:
            raise LayoutInvalid(f"data shards must be 1 to {MAX_DATA}, not {self.data}")
        if not 0 <= self.parity <= MAX_PARITY:
            raise LayoutInvalid(f"parity shards must be 0 to {MAX_PARITY}, not {self.parity}")
        if not 1 <= self.block_size <= MAX_BLOCK:
            raise LayoutInvalid(f"block size must be 1 to {MAX_BLOCK} bytes, not {self.block_size}")
        if self.codec not in CODECS:
            raise LayoutInvalid(f"codec must be one of {', '.join(CODECS)}, not {self.codec!r}")

    def __str__(self) -> str:
        return f"{self.data}+{self.parity}"

    @property
    def width(self) -> int:
        """Number of shards."""
        return self.data + self.parity

    def stripes(self, size: int) -> int:
        """Number of stripes of an append of `size` bytes."""
        return -(-size // self.block_size)

    def block_len(self, size: int, stripe: int) -> int:
        """Logical bytes in stripe number `stripe` of an append of `size` bytes."""
        return min(self.block_size, size - stripe * self.block_size)

    def shard_block(self, block_len: int) -> int:
        """Payload bytes that each shard holds of a block of `block_len` bytes."""
        return -(-block_len // self.data)

    def frame(self, block_len: int) -> int:
        """Bytes of one frame, hash and payload, of a block of `block_len` bytes."""
        return HASH + -(-block_len // self.data)

    def framed(self, size: int) -> int:
        """Bytes that each shard file needs for an append of `size` logical bytes; nothing is aligned."""
        whole, rest = divmod(size, self.block_size)
        return whole * self.frame(self.block_size) + (self.frame(rest) if rest else 0)

    def pack(self) -> bytes:
        """The layout as 7 bytes, for headers and records."""
        return _PACKED.pack(self.data, self.parity, CODECS[self.codec], self.block_size)

    @classmethod
    def unpack(cls, packed: bytes | bytearray | memoryview) -> Self:
        """The layout that `pack` wrote. Raises LayoutInvalid."""
        try:
            data, parity, number, block_size = _PACKED.unpack(packed)
        except struct.error as error:
            raise LayoutInvalid(f"a packed layout has {_PACKED.size} bytes, not {len(packed)}") from error
        if number not in _NAMES:
            raise LayoutInvalid(f"codec number {number} is not known to this version")
        return cls(data, parity, block_size, _NAMES[number])


PACKED_LAYOUT = _PACKED.size
