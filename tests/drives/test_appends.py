"""A batch of appends puts every byte in its place, however it is cut into writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from objstore.drives.appends import ALIGNMENT, Append, runs
from objstore.drives.shardfiles import IOV_MAX, write_vectors
from objstore.drives.system import System
from tests.drives.faults import FaultySystem


def append(offset: int, *buffers: Any) -> Append:
    return Append(None, None, 1.0, (b"b" * 16, 0, False), offset, buffers)


@st.composite
def neighbours(draw: st.DrawFn) -> list[Append]:
    """Appends as an open blob makes them: each at the next boundary, some left out, in any order."""
    offset, made = ALIGNMENT, []
    for number, sizes in enumerate(draw(st.lists(st.lists(st.integers(0, 9000), max_size=4), max_size=12))):
        if draw(st.booleans()):
            made.append(append(offset, *(bytes([number + 1]) * size for size in sizes)))
        offset += -(-sum(sizes) // ALIGNMENT) * ALIGNMENT
    return draw(st.permutations(made))


@given(neighbours())
def test_runs_put_every_append_in_its_place_and_only_zeros_between(appends: list[Append]) -> None:
    wanted, found = bytearray(1 << 20), bytearray(1 << 20)
    for one in appends:
        data = b"".join(one.buffers)
        wanted[one.offset : one.offset + len(data)] = data
    for offset, buffers in runs(appends):
        data = b"".join(buffers)
        found[offset : offset + len(data)] = data
    assert found == wanted


def test_neighbours_are_one_write_and_strangers_are_not() -> None:
    one, two, three = append(4096, b"a" * 5000), append(12288, b"b"), append(20480, b"c")
    assert [offset for offset, _ in runs([two, one])] == [4096]
    assert [offset for offset, _ in runs([three, one, two])] == [4096, 20480]


def test_a_gap_before_an_unaligned_append_is_not_touched() -> None:
    assert [offset for offset, _ in runs([append(4096, b"a" * 10), append(4200, b"b")])] == [4096, 4200]


@given(
    st.lists(st.binary(max_size=50), min_size=1, max_size=40),
    st.lists(st.integers(1, 60), min_size=1, max_size=10),
)
def test_short_writes_are_continued(buffers: list[bytes], steps: list[int]) -> None:
    written, turn = bytearray(4000), [0]

    class Short(System):
        @staticmethod
        def pwritev(fd: int, some: Any, offset: int) -> int:  # type: ignore[override]
            data = b"".join(bytes(view) for view in some)[: steps[turn[0] % len(steps)]]
            turn[0] += 1
            written[offset : offset + len(data)] = data
            return len(data)

    assert write_vectors(Short(), 0, 7, buffers) == len(b"".join(buffers))
    assert written[7 : 7 + len(b"".join(buffers))] == b"".join(buffers)


def test_more_buffers_than_the_kernel_takes_at_once(tmp_path: Path) -> None:
    system = FaultySystem()
    buffers = [bytes([number % 251]) * 3 for number in range(2 * IOV_MAX + 5)]
    with (tmp_path / "file").open("w+b") as file:
        assert write_vectors(system, file.fileno(), 0, buffers) == 3 * len(buffers)
        assert os.pread(file.fileno(), 10**5, 0) == b"".join(buffers)
    assert system.calls["pwritev"] == 3


def test_any_kind_of_buffer_is_written(tmp_path: Path) -> None:
    import array

    numbers = memoryview(array.array("I", [1, 2, 3]))
    with (tmp_path / "file").open("w+b") as file:
        assert write_vectors(System(), file.fileno(), 0, [numbers, bytearray(b"x"), b"y"]) == 14
        assert os.pread(file.fileno(), 100, 0) == numbers.tobytes() + b"xy"
