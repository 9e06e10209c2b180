"""Erasure-coded, bitrot-hashed shards: bytes in, shards out, and back from any `data` of them. Pure: no I/O.

A blob is spread over `data + parity` shard files. Each starts with a 4096-byte header that says which blob, shard and
layout it is; then come frames, a 16-byte seeded hash and a payload. Here one append of 10 bytes goes into a 2+1
layout with tiny blocks of 4 bytes, and is read back after a shard was lost:

    >>> import erasure
    >>> layout = erasure.Layout(data=2, parity=1, block_size=4, codec="zfec")
    >>> blob = bytes(range(16))
    >>> header = erasure.pack_header(blob, 0, layout)
    >>> erasure.unpack_header(header) == erasure.ShardHeader(blob, 0, layout)
    True
    >>> offset = erasure.SHARD_HEADER
    >>> files = [b"".join(buffers) for buffers in erasure.encode(layout, blob, offset, b"ten bytes!")]
    >>> [len(file) for file in files] == [layout.framed(10)] * 3
    True

To read bytes 5 to 9, plan which frames hold them, read those of enough shards, verify, decode:

    >>> plan = erasure.plan(layout, 10, 5, 4)
    >>> payloads = {}
    >>> for index in (1, 2):  # shard 0 is lost
    ...     read = files[index][plan.offset : plan.offset + plan.length]
    ...     payloads[index] = erasure.verify(layout, blob, index, offset, read, 10, plan.first, plan.count)
    >>> b"".join(erasure.decode(layout, plan, payloads))
    b'ytes'

A lost shard is made again, byte for byte, and damage is noticed:

    >>> made = erasure.reconstruct(layout, blob, offset, 10, {1: files[1], 2: files[2]}, [0])
    >>> b"".join(made[0]) == files[0]
    True
    >>> erasure.verify(layout, blob, 1, offset, files[0], 10, 0, 3)
    Traceback (most recent call last):
    erasure.errors.ShardCorrupt: shard 1 is corrupt at offset 4096: hash does not match
"""

from erasure.codecs import Buffer, Codec, codec, default_codec
from erasure.errors import (
    CodecUnavailable,
    ErasureError,
    HeaderCorrupt,
    HeaderTooNew,
    LayoutInvalid,
    ShardCorrupt,
    TooFewShards,
)
from erasure.frames import BLOB_ID, verify
from erasure.header import SHARD_HEADER, ShardHeader, pack_header, unpack_header
from erasure.layout import HASH, Layout
from erasure.ranges import Plan, plan, steps
from erasure.stripes import decode, encode, reconstruct

__all__ = [
    "BLOB_ID",
    "HASH",
    "SHARD_HEADER",
    "Buffer",
    "Codec",
    "CodecUnavailable",
    "ErasureError",
    "HeaderCorrupt",
    "HeaderTooNew",
    "Layout",
    "LayoutInvalid",
    "Plan",
    "ShardCorrupt",
    "ShardHeader",
    "TooFewShards",
    "codec",
    "decode",
    "default_codec",
    "encode",
    "pack_header",
    "plan",
    "reconstruct",
    "steps",
    "unpack_header",
    "verify",
]
