"""Records: typed structs as MessagePack behind a checksum.

A column named `record` holds `xxh3_64(body) + body`, eight bytes big-endian and the MessagePack of a msgspec Struct.
The checksum is looked at on every read, so a mirror with a flipped bit is noticed and another mirror is asked instead.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from xxhash import xxh3_64_digest

from objstore.catalog.errors import CorruptRecord

T = TypeVar("T")

_CHECKSUM = 8
_encode = msgspec.msgpack.Encoder().encode
_decoders: dict[type[Any], msgspec.msgpack.Decoder[Any]] = {}


def pack(value: Any) -> bytes:
    """The stored form of `value` (a msgspec Struct, or anything msgspec encodes)."""
    body = _encode(value)
    return xxh3_64_digest(body) + body


def unpack(record: bytes, kind: type[T]) -> T:
    """The value that `pack` stored, checked against `kind`. Raises CorruptRecord."""
    body = record[_CHECKSUM:]
    if xxh3_64_digest(body) != record[:_CHECKSUM]:
        raise CorruptRecord(f"checksum of a {kind.__name__} record of {len(record)} bytes does not match")
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        value: T = decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise CorruptRecord(f"not a {kind.__name__} record: {error}") from error
    return value
