"""What a rule may have done is told from what must not be."""

from __future__ import annotations

from typing import Any

from tests.torture.aging import CURRENT, MARKERS, NONCURRENT, NONE, Key, Made
from tests.torture.model import MARKER

DAY = 1_500_000


def key(prefix: str, *made: Made) -> Key:
    return Key(f"{prefix}0", list(made))


def made(version: str, at: int, content: str = "a", **more: Any) -> Made:
    return Made(version, content, at, at + 10, **more)


def rows(*versions: str) -> list[tuple[str, str]]:
    return [(one.lstrip("-"), MARKER if one.startswith("-") else "a") for one in versions]


def test_what_has_no_rule_or_is_not_due_is_there() -> None:
    both = made("2", DAY), made("1", 0)
    assert key(NONE, *both).see(rows("2", "1"), 9 * DAY) is None
    assert key(NONE, *both).see(rows("2"), 9 * DAY)
    assert key(NONCURRENT, *both).see(rows("2"), 2 * DAY - 1)
    assert key(NONCURRENT, *both).see(rows("2"), 2 * DAY) is None
    assert key(NONCURRENT, *both).see(rows("1"), 9 * DAY), "the current one is gone"
    assert key(MARKERS, *both).see(rows("2"), 9 * DAY)
    assert key(CURRENT, made("1", 0)).see(rows(), 2 * DAY - 1)
    assert key(CURRENT, made("1", 0)).see(rows(), 2 * DAY) is None


def test_what_is_locked_is_there() -> None:
    for lock in ({"until": 9 * DAY}, {"held": True}):
        assert key(NONCURRENT, made("2", DAY), made("1", 0, **lock)).see(rows("2"), 5 * DAY)
    assert key(NONCURRENT, made("2", DAY), made("1", 0, until=4 * DAY)).see(rows("2"), 5 * DAY) is None


def test_markers_of_what_expired() -> None:
    one = key(CURRENT, made("1", 0))
    assert one.see(rows("-2", "1"), DAY) is None
    assert [(it.version, it.low) for it in one.made] == [("2", DAY), ("1", 0)]
    assert one.see(rows("-2"), 2 * DAY) is None
    assert one.see(rows(), 2 * DAY) is None
    assert key(CURRENT, made("1", 0)).see(rows("-2", "1"), DAY - 1)
    assert key(CURRENT, made("3", DAY // 2), made("1", 0)).see(rows("3", "-2", "1"), DAY), "it was replaced before"
    assert key(NONCURRENT, made("1", 0)).see(rows("-2", "1"), 9 * DAY)


def test_a_marker_goes_when_it_is_alone() -> None:
    marker = made("2", 0, MARKER)
    assert key(MARKERS, marker).see(rows(), 1) is None
    assert key(MARKERS, marker, made("1", 0)).see(rows("1"), 9 * DAY)
    assert key(MARKERS, made("3", 1), marker).see(rows("3"), 9 * DAY)
    assert key(MARKERS, made("3", 1), made("2", 0, MARKER, alone=True)).see(rows("3"), 9 * DAY) is None


def test_a_marker_above_one_that_went_may_have_been_alone() -> None:
    for first, good in ((made("1", 0, MARKER), True), (made("1", 0), False)):
        one = key(MARKERS)
        for it in (first, made("2", 1, MARKER), made("3", 2)):
            one.add(it)
        assert (one.see(rows("3"), 3) is None) == good


def test_nothing_comes_back_or_changes() -> None:
    one = key(NONCURRENT, made("2", DAY), made("1", 0))
    assert one.see(rows("2"), 2 * DAY) is None
    assert one.see(rows("2", "1"), 3 * DAY)
    assert key(NONE, made("1", 0)).see([("1", "b")], 1)
    assert key(NONE, made("1", 0)).see(rows("2", "1"), 1)


def test_what_is_deleted_beside_a_rule_is_not_sure() -> None:
    one = key(NONCURRENT, made("3", 0), made("2", 0), made("1", 0))
    one.delete(0, DAY - 1)
    assert one.sure and [it.version for it in one.made] == ["2", "1"]
    one.delete(0, DAY)
    assert not one.sure
    expired = key(CURRENT, made("1", 0))
    expired.delete(0, DAY)
    assert not expired.sure
