"""Which snapshots of the catalog are kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from objstore.store.catalog_snapshots import Schedule, expired

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
BEGIN = 20_000 * DAY


def kept(times: list[int], schedule: Schedule) -> list[int]:
    gone = expired(times, schedule)
    return [one for one in sorted(times) if one not in gone]


def test_the_newest_of_each_hour_and_day() -> None:
    times = [BEGIN + number * 20 * MINUTE for number in range(5 * 24 * 3)]
    found = kept(times, Schedule(1_200, 3, 2))
    last = BEGIN + 5 * DAY
    assert found == [last - DAY - 20 * MINUTE, *(last - back * HOUR - 20 * MINUTE for back in (2, 1, 0))]


def test_without_anything_to_keep_the_newest_is_kept() -> None:
    assert kept([BEGIN, BEGIN + 1, BEGIN + 2], Schedule(1, 0, 0)) == [BEGIN + 2]
    assert kept([], Schedule(1, 0, 0)) == []


@given(st.sets(st.integers(0, 40 * DAY)), st.integers(0, 30), st.integers(0, 10))
def test_what_is_kept_stays_kept_until_newer_ones_push_it_out(times: set[int], hourly: int, daily: int) -> None:
    schedule = Schedule(1, hourly, daily)
    found = kept(list(times), schedule)
    assert kept(found, schedule) == found
    assert not times or max(times) in found
    assert len(found) <= hourly + daily + 1
    for period, number in ((HOUR, hourly), (DAY, daily)):
        latest = sorted({one // period for one in times}, reverse=True)[:number]
        assert {max(one for one in times if one // period == each) for each in latest} <= set(found)
