"""The first 4096 bytes of every shard file: which blob, which shard, and how it was coded.

    0   8  magic "ECSHARD\\n"
    8   2  format version, little-endian
    10 16  blob id
    26  1  shard index
    27  7  layout, as `Layout.pack` writes it
    34     zeros
    4080 16  xxh3_128 of the 4080 bytes before

A whole page, so that frames begin aligned and a torn write of the first of them cannot take the header with it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from xxhash import xxh3_128_digest

from erasure.codecs import Buffer
from erasure.errors import HeaderCorrupt, HeaderTooNew, LayoutInvalid
from erasure.frames import check_blob_id
from erasure.layout import HASH, PACKED_LAYOUT, Layout

SHARD_HEADER = 4096
"""Bytes of the header; the first frame of a shard file may begin here."""

MAGIC = b"ECSHARD\n"
VERSION = 1

_FIELDS = struct.Struct(f"<8sH16sB{PACKED_LAYOUT}s")
_BODY = SHARD_HEADER - HASH


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """What the header of a shard file says: the blob it belongs to, its place in the stripe, and the layout."""

    blob_id: bytes
    index: int
    layout: Layout


def pack_header(blob_id: bytes, index: int, layout: Layout) -> bytes:
    """The 4096 bytes to write at the start of the file of shard `index` of the blob."""
    check_blob_id(blob_id)
    if not 0 <= index < layout.width:
        raise ValueError(f"a {layout} layout has no shard {index}")
    body = _FIELDS.pack(MAGIC, VERSION, blob_id, index, layout.pack()).ljust(_BODY, b"\0")
    return body + xxh3_128_digest(body)


def unpack_header(buf: Buffer) -> ShardHeader:
    """Read back what `pack_header` wrote; `buf` may be longer. Raises HeaderCorrupt, HeaderTooNew."""
    view = memoryview(buf).cast("B")
    if len(view) < SHARD_HEADER:
        raise HeaderCorrupt(f"a shard header has {SHARD_HEADER} bytes, not {len(view)}")
    magic, version, blob_id, index, packed = _FIELDS.unpack_from(view)
    if magic != MAGIC:
        raise HeaderCorrupt(f"not a shard file: it begins with {magic!r}")
    if view[_BODY:SHARD_HEADER] != xxh3_128_digest(view[:_BODY]):
        raise HeaderCorrupt("the checksum of the shard header does not match")
    if version > VERSION:
        raise HeaderTooNew(f"the shard header has format {version}, this version reads up to {VERSION}")
    try:
        layout = Layout.unpack(packed)
    except LayoutInvalid as error:
        raise HeaderCorrupt(f"the shard header's layout is invalid: {error}") from error
    if index >= layout.width:
        raise HeaderCorrupt(f"the shard header names shard {index} of a {layout} layout")
    return ShardHeader(blob_id, index, layout)
