"""Any read that returns bytes has verified them: damage and misplaced bytes are noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import erasure
from erasure import Buffer, Layout, ShardCorrupt
from tests.erasure.strategies import Append, append, appends


def verify_all(
    written: Append, index: int, frames: Buffer, blob: bytes | None = None, offset: int | None = None
) -> None:
    """Verify a whole shard's frames, as those of this shard or of another place."""
    blob = written.blob if blob is None else blob
    offset = written.offset if offset is None else offset
    stripes = written.layout.stripes(written.size)
    erasure.verify(written.layout, blob, index, offset, frames, written.size, 0, stripes)


@given(appends(min_size=1), st.data())
def test_any_flipped_bit_is_noticed_and_its_frame_named(written: Append, draw: st.DataObject) -> None:
    layout = written.layout
    index = draw.draw(st.integers(0, layout.width - 1))
    frames = bytearray(written.files[index])
    bit = draw.draw(st.integers(0, len(frames) * 8 - 1))
    frames[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ShardCorrupt) as caught:
        verify_all(written, index, frames)
    frame = layout.frame(layout.block_size)
    assert (caught.value.index, caught.value.offset) == (index, written.offset + bit // 8 // frame * frame)


@pytest.mark.parametrize("payload", [1, 17, 100, 200, 300, 1100])
def test_every_single_bit_of_a_frame_counts(payload: int) -> None:
    """Every length class of the hash function (its code differs at 16, 128, 240 and 1024 bytes)."""
    written = append(Layout(1, 0, payload), bytes(payload))
    frames = bytearray(written.files[0])
    for bit in range(len(frames) * 8):
        frames[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ShardCorrupt):
            verify_all(written, 0, frames)
        frames[bit // 8] ^= 1 << bit % 8
    verify_all(written, 0, frames)


@given(appends(min_size=1), st.data())
def test_a_shard_cut_short_is_noticed(written: Append, draw: st.DataObject) -> None:
    frames = written.files[0]
    with pytest.raises(ShardCorrupt, match="bytes where a frame of"):
        verify_all(written, 0, frames[: draw.draw(st.integers(0, len(frames) - 1))])


@given(appends(min_size=1, min_parity=1))
def test_good_frames_of_another_place_do_not_pass(written: Append) -> None:
    frames = written.files[0]
    other = bytes(byte ^ 1 for byte in written.blob)
    with pytest.raises(ShardCorrupt):
        verify_all(written, 0, frames, blob=other)
    with pytest.raises(ShardCorrupt):
        verify_all(written, 1, frames)
    with pytest.raises(ShardCorrupt):
        verify_all(written, 0, frames, offset=written.offset + 4096)
    verify_all(written, 0, frames)


def test_two_frames_of_equal_bytes_cannot_be_swapped() -> None:
    written = append(Layout(1, 0, 8), b"same----same----")
    frames = written.files[0]
    with pytest.raises(ShardCorrupt) as caught:
        verify_all(written, 0, frames[24:] + frames[:24])
    assert caught.value.offset == written.offset


def test_a_zeroed_hole_does_not_pass() -> None:
    """What a punched or never written range of a file reads as."""
    written = append(Layout(2, 1, 64), bytes(64))
    with pytest.raises(ShardCorrupt):
        verify_all(written, 0, bytes(len(written.files[0])))


@given(appends(min_size=1, min_parity=1), st.data())
def test_reconstruction_refuses_a_damaged_source(written: Append, draw: st.DataObject) -> None:
    layout = written.layout
    bad = draw.draw(st.integers(0, layout.data - 1))
    frames = {index: bytearray(written.files[index]) for index in range(layout.data)}
    frames[bad][draw.draw(st.integers(0, len(frames[bad]) - 1))] ^= 0x10
    with pytest.raises(ShardCorrupt) as caught:
        erasure.reconstruct(layout, written.blob, written.offset, written.size, frames, [layout.data])
    assert caught.value.index == bad


def test_a_longer_buffer_than_needed_is_accepted() -> None:
    written = append(Layout(2, 1, 64), b"x" * 100)
    verify_all(written, 0, written.files[0] + b"the next append")


def test_stripes_outside_the_append_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="stripes 1 to 3"):
        erasure.verify(Layout(2, 1, 64), bytes(16), 0, 0, b"", 128, 1, 2)


@pytest.mark.parametrize("blob", [b"", bytes(15), bytes(17)])
def test_a_blob_id_of_another_length_is_refused(blob: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        erasure.encode(Layout(1, 0), blob, 0, b"x")
    with pytest.raises(ValueError, match="16 bytes"):
        erasure.verify(Layout(1, 0), blob, 0, 0, bytes(17), 1, 0, 1)
    with pytest.raises(ValueError, match="16 bytes"):
        erasure.pack_header(blob, 0, Layout(1, 0))
