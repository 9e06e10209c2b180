"""A ranged read gives what slicing the bytes gives, and touches only the stripes and shards it needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import erasure
from erasure import Layout
from tests.erasure.strategies import Append, append, appends, some_shards


@st.composite
def ranges(draw: st.DrawFn) -> tuple[Append, int, int]:
    written = draw(appends())
    start, end = sorted((draw(st.integers(0, written.size)), draw(st.integers(0, written.size))))
    return written, start, end - start


@given(ranges(), st.data())
def test_a_range_equals_the_slice(given_range: tuple[Append, int, int], draw: st.DataObject) -> None:
    written, start, length = given_range
    plan = erasure.plan(written.layout, written.size, start, length)
    assert written.read(plan, some_shards(draw, written.layout)) == written.data[start : start + length]


@given(ranges())
def test_the_planned_data_shards_suffice(given_range: tuple[Append, int, int]) -> None:
    written, start, length = given_range
    plan = erasure.plan(written.layout, written.size, start, length)
    assert written.read(plan, plan.shards) == written.data[start : start + length]


@given(ranges(), st.integers(1, 3))
def test_steps_join_to_the_range(given_range: tuple[Append, int, int], stripes: int) -> None:
    written, start, length = given_range
    plans = list(erasure.steps(written.layout, written.size, start, length, stripes))
    read = b"".join(written.read(plan, range(written.layout.data)) for plan in plans)
    assert read == written.data[start : start + length]
    assert all(plan.count <= stripes for plan in plans)


@given(ranges())
def test_a_plan_reads_no_stripe_too_many(given_range: tuple[Append, int, int]) -> None:
    written, start, length = given_range
    block = written.layout.block_size
    plan = erasure.plan(written.layout, written.size, start, length)
    touched = {at // block for at in range(start, start + length)}
    assert set(range(plan.first, plan.first + plan.count)) == touched


def test_a_short_read_of_a_large_block_needs_one_shard() -> None:
    plan = erasure.plan(Layout(4, 2), 10 << 20, (3 << 20) + 300_000, 4096)
    assert (plan.first, plan.count, plan.skip, plan.take) == (3, 1, 300_000, 4096)
    assert (plan.offset, plan.length) == (3 * (16 + (1 << 18)), 16 + (1 << 18))
    assert plan.shards == range(1, 2)


def test_healthy_reads_copy_nothing() -> None:
    written = append(Layout(2, 1, 64, "zfec"), bytes(200))
    plan = erasure.plan(written.layout, 200, 10, 180)
    payloads = {
        index: erasure.verify(written.layout, written.blob, index, 4096, written.files[index], 200, 0, 4)
        for index in (0, 1)
    }
    views = erasure.decode(written.layout, plan, payloads)
    assert all(view.obj in written.files[:2] for view in views)


def test_an_empty_range_needs_nothing() -> None:
    plan = erasure.plan(Layout(2, 1), 100, 100, 0)
    assert (plan.count, plan.length, plan.shards) == (0, 0, range(0))
    assert erasure.decode(Layout(2, 1), plan, {}) == []


@pytest.mark.parametrize(("start", "length"), [(-1, 5), (0, 101), (101, 0), (50, 51), (5, -1)])
def test_a_range_outside_the_append_is_refused(start: int, length: int) -> None:
    with pytest.raises(ValueError, match="not inside"):
        erasure.plan(Layout(2, 1), 100, start, length)
    with pytest.raises(ValueError, match="cannot be read"):
        list(erasure.steps(Layout(2, 1), 100, start, length, 1))
