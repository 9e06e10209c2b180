"""Layout arithmetic agrees with what coding produces; layouts outside what is offered do not exist."""

import pytest
from hypothesis import given

import erasure
from erasure import HASH, Layout, LayoutInvalid
from tests.erasure.strategies import Append, appends, layouts


@given(appends())
def test_framed_is_the_length_of_every_shard(written: Append) -> None:
    layout = written.layout
    assert {len(file) for file in written.files} == {layout.framed(written.size)}
    frames = [layout.frame(layout.block_len(written.size, at)) for at in range(layout.stripes(written.size))]
    assert sum(frames) == layout.framed(written.size)


@given(layouts)
def test_a_packed_layout_reads_back(layout: Layout) -> None:
    assert Layout.unpack(layout.pack()) == layout
    assert Layout.unpack(memoryview(layout.pack())) == layout


def test_known_numbers() -> None:
    layout = Layout(4, 2)
    assert (layout.width, str(layout), layout.block_size) == (6, "4+2", 1 << 20)
    assert (layout.stripes(0), layout.stripes(1), layout.stripes(1 << 20), layout.stripes((1 << 20) + 1)) == (
        0,
        1,
        1,
        2,
    )
    assert (layout.shard_block(1 << 20), layout.shard_block(5), layout.frame(5)) == (1 << 18, 2, HASH + 2)
    assert layout.framed((3 << 20) + 5) == 3 * (HASH + (1 << 18)) + HASH + 2


@pytest.mark.parametrize(
    "values",
    [(0, 1), (17, 1), (2, -1), (2, 9), (2, 1, 0), (2, 1, (1 << 30) + 1), (2, 1, 64, "isa_l_rs_vand"), (2, 1, 64, "")],
)
def test_a_layout_that_is_not_offered_is_refused(values: tuple) -> None:
    with pytest.raises(LayoutInvalid):
        Layout(*values)


@pytest.mark.parametrize("packed", [b"", bytes(6), bytes(8), b"\x02\x01\x63\0\0\x10\0", b"\0\0\x01\0\0\x10\0"])
def test_bytes_that_are_no_layout_are_refused(packed: bytes) -> None:
    with pytest.raises(LayoutInvalid):
        Layout.unpack(packed)
    assert issubclass(LayoutInvalid, erasure.ErasureError)
