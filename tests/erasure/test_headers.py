"""The header of a shard file says whose it is, and no damaged or foreign page passes for one."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

import erasure
from erasure import SHARD_HEADER, HeaderCorrupt, HeaderTooNew, Layout, ShardHeader
from tests.erasure.strategies import blob_ids, layouts


def sealed(**fields: object) -> bytes:
    """A header with fields of one's own and a right checksum."""
    values = {"magic": b"ECSHARD\n", "version": 1, "blob": bytes(16), "index": 0, "layout": Layout(2, 1).pack()}
    values |= fields
    body = struct.pack("<8sH16sB7s", *values.values()).ljust(SHARD_HEADER - 16, b"\0")
    return body + xxh3_128_digest(body)


@given(layouts, blob_ids, st.data())
def test_a_header_reads_back(layout: Layout, blob: bytes, draw: st.DataObject) -> None:
    index = draw.draw(st.integers(0, layout.width - 1))
    packed = erasure.pack_header(blob, index, layout)
    assert len(packed) == SHARD_HEADER
    assert erasure.unpack_header(packed) == ShardHeader(blob, index, layout)
    assert erasure.unpack_header(bytearray(packed) + b"frames") == ShardHeader(blob, index, layout)


@given(st.integers(0, SHARD_HEADER * 8 - 1))
def test_any_flipped_bit_of_a_header_is_noticed(bit: int) -> None:
    packed = bytearray(erasure.pack_header(bytes(16), 1, Layout(4, 2)))
    packed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(HeaderCorrupt):
        erasure.unpack_header(packed)


@pytest.mark.parametrize("size", [0, 1, 34, SHARD_HEADER - 1])
def test_a_short_header_is_corrupt(size: int) -> None:
    with pytest.raises(HeaderCorrupt, match="4096 bytes"):
        erasure.unpack_header(erasure.pack_header(bytes(16), 0, Layout(1, 1))[:size])


def test_a_hole_is_no_header() -> None:
    with pytest.raises(HeaderCorrupt, match="not a shard file"):
        erasure.unpack_header(bytes(SHARD_HEADER))


def test_a_header_of_a_later_format_is_not_taken_for_damage() -> None:
    with pytest.raises(HeaderTooNew, match="format 2"):
        erasure.unpack_header(sealed(version=2))
    assert not issubclass(HeaderTooNew, HeaderCorrupt)


@pytest.mark.parametrize(
    ("field", "value"), [("index", 3), ("layout", b"\x02\x01\x09\0\0\x10\0"), ("layout", bytes(7))]
)
def test_a_header_that_contradicts_itself_is_corrupt(field: str, value: object) -> None:
    assert erasure.unpack_header(sealed()).layout == Layout(2, 1)
    with pytest.raises(HeaderCorrupt):
        erasure.unpack_header(sealed(**{field: value}))


def test_a_header_for_a_shard_outside_the_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="no shard 3"):
        erasure.pack_header(bytes(16), 3, Layout(2, 1))
