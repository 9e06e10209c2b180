"""Bitrot frames: a hash in front of every payload, seeded with the place where the frame belongs.

A frame is `xxh3_128(payload, seed) + payload` and the seed is `xxh3_64(blob id, shard index, offset in the shard
file)`. A frame that a confused disk or file system returns from another place, another shard or another blob
therefore fails like one with a flipped bit. The hash finds accidents; it is not a signature against an adversary who
can write to the disk.
"""

from __future__ import annotations

import struct

from xxhash import xxh3_64_intdigest, xxh3_128_digest

from erasure.codecs import Buffer
from erasure.errors import ShardCorrupt
from erasure.layout import HASH, Layout

BLOB_ID = 16
"""Bytes of a blob id."""

_PLACE = struct.Struct("<16sBQ")


def frame_hash(payload: Buffer, blob_id: bytes, index: int, offset: int) -> bytes:
    """The 16 bytes in front of `payload` in the frame at `offset` of shard `index` of the blob."""
    return xxh3_128_digest(payload, xxh3_64_intdigest(_PLACE.pack(blob_id, index, offset)))


def check_blob_id(blob_id: bytes) -> None:
    """Refuse a blob id that `struct` would silently pad or cut."""
    if len(blob_id) != BLOB_ID:
        raise ValueError(f"a blob id has {BLOB_ID} bytes, not {len(blob_id)}")


def verify(
    layout: Layout, blob_id: bytes, index: int, offset: int, buf: Buffer, size: int, first: int, count: int
) -> list[memoryview]:
    """Check the frames of stripes `first` to `first + count` of one shard and return their payloads, uncopied.

    `offset` is where the frames of the whole append (of `size` logical bytes) begin in the shard file; `buf` begins
    with the frame of stripe `first`, as a read at `offset + plan.offset` gives it, and may be longer than needed.
    Raises ShardCorrupt with the position of the first frame that does not match or is cut short.
    """
    check_blob_id(blob_id)
    if not 0 <= first <= first + count <= layout.stripes(size):
        raise ValueError(f"stripes {first} to {first + count} are not inside an append of {size} bytes")
    view = memoryview(buf).cast("B")
    at = offset + first * layout.frame(layout.block_size)
    position = 0
    payloads = []
    for stripe in range(first, first + count):
        start = position + HASH
        end = start + layout.shard_block(layout.block_len(size, stripe))
        payload = view[start:end]
        if end > len(view):
            raise ShardCorrupt(index, at, f"{len(view) - position} bytes where a frame of {end - position} should be")
        if view[position:start] != frame_hash(payload, blob_id, index, at):
            raise ShardCorrupt(index, at)
        payloads.append(payload)
        at += end - position
        position = end
    return payloads
