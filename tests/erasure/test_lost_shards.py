"""Any `data` of the shards give the bytes back, and the lost shards too."""

import math
import random
from itertools import combinations, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

import erasure
from erasure import Layout, TooFewShards
from tests.erasure.strategies import CODECS, Append, append, appends, some_shards


def every_choice(width: int, count: int, limit: int = 1000) -> list[tuple[int, ...]]:
    """All choices of `count` shards; where there are too many, the first, the last and a fixed sample."""
    if math.comb(width, count) <= limit:
        return list(combinations(range(width), count))
    chance = random.Random(width * 100 + count)
    sample = [tuple(sorted(chance.sample(range(width), count))) for _ in range(limit)]
    return [*islice(combinations(range(width), count), 2), tuple(range(width - count, width)), *sample]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("data", range(1, 17))
def test_every_layout_offered_survives_every_loss_it_promises(data: int, codec: str) -> None:
    for parity in range(9):
        layout = Layout(data, parity, block_size=data * 5, codec=codec)
        coder = erasure.codec(codec, data, parity)
        block = random.Random(parity).randbytes(data * 5)
        pieces = [memoryview(block)[at : at + 5] for at in range(0, len(block), 5)]
        shards = [bytes(piece) for piece in (*pieces, *coder.parity(memoryview(block), pieces))]
        assert len(shards) == layout.width
        for kept in every_choice(layout.width, data):
            lost = [index for index in range(layout.width) if index not in kept]
            made = coder.rebuild({index: shards[index] for index in kept}, lost)
            assert {index: bytes(made[index]) for index in lost} == {index: shards[index] for index in lost}


@given(appends(), st.data())
def test_any_data_many_shards_give_the_bytes_back(written: Append, draw: st.DataObject) -> None:
    plan = erasure.plan(written.layout, written.size, 0, written.size)
    assert written.read(plan, some_shards(draw, written.layout)) == written.data


@given(appends(), st.data())
def test_reconstructed_shards_equal_the_encoded_ones(written: Append, draw: st.DataObject) -> None:
    layout = written.layout
    kept = some_shards(draw, layout)
    wanted = draw.draw(st.sets(st.integers(0, layout.width - 1)))
    given_frames = {index: written.files[index] for index in kept}
    made = erasure.reconstruct(layout, written.blob, written.offset, written.size, given_frames, wanted)
    assert {index: b"".join(made[index]) for index in made} == {index: written.files[index] for index in wanted}


@given(appends(), st.data())
def test_reconstruction_in_steps_gives_the_same_frames(written: Append, draw: st.DataObject) -> None:
    layout, size = written.layout, written.size
    kept, stripes = some_shards(draw, layout), draw.draw(st.integers(1, 3))
    made = dict.fromkeys(range(layout.width), b"")
    for plan in erasure.steps(layout, size, 0, size, stripes):
        frames = {index: written.files[index][plan.offset : plan.offset + plan.length] for index in kept}
        step = erasure.reconstruct(
            layout, written.blob, written.offset, size, frames, made, first=plan.first, count=plan.count
        )
        made = {index: made[index] + b"".join(step[index]) for index in made}
    assert list(made.values()) == written.files


@given(appends(), st.data())
def test_encoding_in_steps_gives_the_same_frames(written: Append, draw: st.DataObject) -> None:
    layout, step = written.layout, draw.draw(st.integers(1, 3)) * written.layout.block_size
    offset, files = written.offset, [b"" for _ in range(layout.width)]
    for start in range(0, written.size, step):
        data = bytearray(written.data[start : start + step])
        shards = erasure.encode(layout, written.blob, offset, data)
        files = [file + b"".join(buffers) for file, buffers in zip(files, shards, strict=True)]
        offset += layout.framed(len(data))
    assert files == written.files


@given(appends(min_size=1))
def test_fewer_shards_than_data_are_refused(written: Append) -> None:
    layout, size = written.layout, written.size
    kept = range(layout.width)[layout.parity + 1 :]
    with pytest.raises(TooFewShards) as caught:
        frames = {index: written.files[index] for index in kept}
        erasure.reconstruct(layout, written.blob, written.offset, size, frames, [0])
    assert (caught.value.have, caught.value.need) == (layout.data - 1, layout.data)
    plan = erasure.plan(layout, size, 0, size)
    if 0 not in kept:
        with pytest.raises(TooFewShards) as caught:
            written.read(plan, kept)
        assert (caught.value.have, caught.value.need) == (layout.data - 1, layout.data)


@pytest.mark.parametrize("codec", CODECS)
def test_large_blocks_with_an_uneven_tail_survive_too(codec: str) -> None:
    for layout in (Layout(2, 2, codec=codec), Layout(3, 2, codec=codec), Layout(1, 2, codec=codec)):
        written = append(layout, random.Random(7).randbytes((1 << 20) + 54_321))
        plan = erasure.plan(layout, written.size, 0, written.size)
        assert written.read(plan, range(layout.parity, layout.width)) == written.data


def test_only_the_tail_is_padded() -> None:
    """A block of 10 bytes over 4 shards is 3 + 3 + 3 + 1, and the last payload ends with two zeros."""
    payloads = [bytes(buffers[1]) for buffers in erasure.encode(Layout(4, 0, 10), bytes(16), 0, b"0123456789")]
    assert payloads == [b"012", b"345", b"678", b"9\0\0"]


def test_encoding_copies_no_data_that_needs_no_padding() -> None:
    source = bytes(4000)
    shards = erasure.encode(Layout(4, 2, 4000), bytes(16), 0, source)
    assert all(memoryview(buffers[1]).obj is source for buffers in shards[:4])


def test_replicas_are_the_bytes_themselves() -> None:
    shards = erasure.encode(Layout(1, 2, 8), bytes(16), 0, b"replicas")
    assert [bytes(buffers[1]) for buffers in shards] == [b"replicas"] * 3
