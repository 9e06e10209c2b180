"""The self-describing record in front of every append.

If every mirror of the catalog were lost, the drives still tell what they hold: each append begins, in every shard
file, with this record: magic (4 bytes), length of the body (4), xxh3_64 of the body (8), the body in MessagePack,
zeros up to a multiple of 64 bytes. The hash is seeded with blob and offset, so that a record which a confused disk
gives from another place is none. A blob of its own reserves one page for it and fills the page in when the ETag is
known.
"""

import struct

import msgspec
import xxhash

from erasure import Buffer
from objstore.blobs.errors import RecordCorrupt

MAGIC = b"ObRc"
PAGE = 4096
_HEAD = struct.Struct(">4sIQ")
_PAD = 64


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What an append is: enough to list the object again without a catalog. `size` in bytes, `checksum` may be empty.

    `stored` is how many bytes the append holds (-1: not told), `at` where in the object they stand. `origin` names the
    place (`place_of`) at which bytes that were moved here were written. `about` is whatever else the rooms above want
    to find again.
    """

    bucket: str
    key: bytes
    version: str
    size: int
    etag: str
    checksum: str = ""
    stored: int = -1
    at: int = 0
    origin: bytes = b""
    about: bytes = b""


_PLACE = struct.Struct(">16sQ")


def place_of(blob: bytes, offset: int) -> bytes:
    """A place as `Record.origin` has it."""
    return _PLACE.pack(blob, offset)


def place_in(origin: bytes) -> tuple[bytes, int]:
    """The blob and offset that `place_of` packed."""
    blob, offset = _PLACE.unpack(origin)
    return blob, offset


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)


def fits(record: Record) -> bool:
    """Whether the record fits in a page."""
    return _HEAD.size + len(_encoder.encode(record)) <= PAGE


def pack_record(record: Record) -> bytes:
    """The record as it stands on the drives once it is `placed`: a multiple of 64 bytes, never more than a page."""
    body = _encoder.encode(record)
    size = _HEAD.size + len(body)
    assert size <= PAGE, "a record fits in the page that a blob of its own reserves for it"
    return _HEAD.pack(MAGIC, len(body), 0) + body + bytes(-size % _PAD)


def placed(packed: bytes, blob: bytes, offset: int) -> bytes:
    """A packed record with the hash that it has at this place."""
    magic, length, _ = _HEAD.unpack_from(packed)
    body = packed[_HEAD.size : _HEAD.size + length]
    return _HEAD.pack(magic, length, _hash(body, blob, offset)) + packed[_HEAD.size :]


def _hash(body: Buffer, blob: bytes, offset: int) -> int:
    return xxhash.xxh3_64_intdigest(body, xxhash.xxh3_64_intdigest(_PLACE.pack(blob, offset)))


def unpack_record(buffer: Buffer, blob: bytes, offset: int) -> Record:
    """The record at the start of `buffer`, which was read at this place; raises RecordCorrupt."""
    view = memoryview(buffer)
    if len(view) < _HEAD.size:
        raise RecordCorrupt("shorter than a record")
    magic, length, digest = _HEAD.unpack_from(view)
    body = view[_HEAD.size : _HEAD.size + length]
    if magic != MAGIC or len(body) != length or _hash(body, blob, offset) != digest:
        raise RecordCorrupt("not a record, or of another place, or its checksum differs")
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise RecordCorrupt(f"a record of another shape: {error}") from error
