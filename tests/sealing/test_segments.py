"""Sealed segments: what was altered, moved, repeated, left out or cut does not open; any range opens by itself."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objstore.sealing import CHUNK, SEGMENT, DataKey, SealBroken, Stream, Unsealer, plan, sealed_size
from objstore.sealing.segments import SegmentCipher

KEY = DataKey(bytes(range(32)))
EDGES = [0, 1, 15, 16, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK + 7]
SIZES = st.one_of(st.sampled_from(EDGES), st.integers(0, 4 * CHUNK))


def content(size: int, salt: int = 0) -> bytes:
    return bytes((at * 7 + at // 251 + salt) % 256 for at in range(1024)) * (size // 1024 + 1)


def sealed(plaintext: bytes) -> tuple[Stream, bytes]:
    """A stream and its sealed bytes, sealed in two steps where it is long."""
    key, wrapped = KEY.new_stream()
    cipher = SegmentCipher(key)
    head = len(plaintext) // CHUNK // 2 * CHUNK
    head -= CHUNK if head and head == len(plaintext) else 0
    first = cipher.seal(0, plaintext[:head], last=False)
    return Stream(wrapped, len(plaintext)), bytes(first + cipher.seal(head // CHUNK, plaintext[head:], last=True))


def opened(streams: list[Stream], data: bytes, start: int, length: int, pieces: list[int]) -> bytes:
    """The range, its sealed bytes fed in pieces of the given lengths over and over."""
    wanted = plan(streams, start, length)
    unsealer, out, at = Unsealer(KEY, wanted), [b""], wanted.start
    end = wanted.start + wanted.length
    while at < end:
        for piece in pieces:
            out += unsealer.feed([data[at : min(at + piece, end)]])
            at += piece
    assert unsealer.done
    return b"".join(out)


@settings(max_examples=80)
@given(st.lists(SIZES, min_size=1, max_size=4), st.data())
def test_any_range_equals_the_plaintext_slice(sizes: list[int], data: st.DataObject) -> None:
    plain = [content(size, salt)[:size] for salt, size in enumerate(sizes)]
    made = [sealed(one) for one in plain]
    streams, together, whole = [s for s, _ in made], b"".join(b for _, b in made), b"".join(plain)
    assert len(together) == sum(sealed_size(size) for size in sizes)
    start = data.draw(st.one_of(st.just(0), st.integers(0, len(whole))))
    length = data.draw(st.one_of(st.just(len(whole) - start), st.integers(0, len(whole) - start)))
    pieces = data.draw(st.lists(st.integers(1, 3 * SEGMENT), min_size=1, max_size=5).filter(lambda p: max(p) > 900))
    assert opened(streams, together, start, length, pieces) == whole[start : start + length]


@settings(max_examples=60)
@given(st.integers(0, 3 * CHUNK), st.data())
def test_a_range_reads_the_segments_it_touches_and_no_more(start: int, data: st.DataObject) -> None:
    stream = Stream(b"", 4 * CHUNK)
    length = data.draw(st.integers(1, CHUNK))
    wanted = plan([stream], start, length)
    assert wanted.start == start // CHUNK * SEGMENT
    assert wanted.length == ((start + length - 1) // CHUNK - start // CHUNK + 1) * SEGMENT


def test_every_flipped_bit_is_noticed() -> None:
    stream, data = sealed(content(40)[:40])
    for bit in range(8 * len(data)):
        altered = bytearray(data)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            opened([stream], bytes(altered), 0, 40, [SEGMENT])


@settings(max_examples=60)
@given(st.sampled_from([CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7]), st.data())
def test_a_flipped_bit_of_a_long_stream_is_noticed_where_it_is(size: int, data: st.DataObject) -> None:
    plain = content(size)[:size]
    stream, good = sealed(plain)
    at = data.draw(st.integers(0, len(good) - 1))
    altered = bytearray(good)
    altered[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        opened([stream], bytes(altered), 0, size, [SEGMENT])
    before = at // SEGMENT * CHUNK  # what lies in the segments before is good, and comes out
    assert opened([stream], bytes(altered), 0, before, [SEGMENT]) == plain[:before]


@settings(max_examples=60)
@given(st.sampled_from([1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7]), st.data())
def test_a_stream_that_was_cut_does_not_open(size: int, data: st.DataObject) -> None:
    """Whoever cuts the bytes and the length that the record tells has not the segment that is the last."""
    stream, good = sealed(content(size)[:size])
    shorter = (
        data.draw(st.one_of(st.integers(1, size - 1), st.sampled_from(range(CHUNK, size, CHUNK))))
        if size > CHUNK
        else 1
    )
    if shorter == size:
        return
    told = Stream(stream.key, shorter)
    with pytest.raises(SealBroken):
        opened([told], good[: sealed_size(shorter)], 0, shorter, [SEGMENT])


def test_segments_in_another_order_or_repeated_do_not_open() -> None:
    size = 4 * CHUNK
    stream, good = sealed(content(size)[:size])
    parts = [good[at : at + SEGMENT] for at in range(0, len(good), SEGMENT)]
    for one, other in [*pairwise(range(4)), (0, 3), (3, 0), (1, 1), (2, 0)]:
        mixed = list(parts)
        mixed[one], mixed[other] = parts[other], parts[one]
        if one == other:
            mixed[one] = parts[one - 1]
        with pytest.raises(SealBroken):
            opened([stream], b"".join(mixed), 0, size, [SEGMENT])


def test_a_segment_of_another_stream_or_object_does_not_open() -> None:
    size = 2 * CHUNK
    plain = content(size)[:size]
    (stream, good), (_, twin) = sealed(plain), sealed(plain)
    with pytest.raises(SealBroken):
        opened([stream], twin[:SEGMENT] + good[SEGMENT:], 0, size, [SEGMENT])
    wanted = plan([stream], 0, size)
    with pytest.raises(SealBroken):
        Unsealer(DataKey.new(), wanted)


def test_equal_plaintexts_have_nothing_in_common() -> None:
    size = 2 * CHUNK
    (_, one), (_, two) = sealed(bytes(size)), sealed(bytes(size))
    assert one[:SEGMENT] != two[:SEGMENT]
    assert one[: SEGMENT - 16] != one[SEGMENT : 2 * SEGMENT - 16]
