"""What rules make of versions, judged by the plan alone: which are due, which later, and never one too early."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.store.lifecycle.planning import Standing, earliest, expiration_of, plan
from objstore.store.lifecycle.rules import DAY, Lifecycle
from objstore.store.types import Owner, Upload, Version

MICROS = int(DAY) * 1_000_000
NOON = MICROS * 20_000 + MICROS // 2
ME = Owner("me")


def rules(*given: dict[str, Any], day: float = DAY, **more: Any) -> Lifecycle:
    listed = [{"Status": "Enabled", "ID": str(number), "Prefix": "", **one} for number, one in enumerate(given)]
    return msgspec.convert({"Rules": listed, "Day": day, **more}, Lifecycle)


def version(at: int = NOON, *, marker: bool = False, size: int = 1 << 20, **more: Any) -> Version:
    return Version(f"{at:032x}", at, False, marker, "", size, at, ME, **more)


def standing(*versions: Version) -> list[Standing]:
    """Versions of a key, newest first, as they stand."""
    found: list[Standing] = []
    for index, one in enumerate(versions):
        since = versions[index - 1].modified_us if index else None
        found.append(Standing(one, since, max(0, index - 1), alone=len(versions) == 1))
    return found


def test_days_round_up_to_the_next_midnight() -> None:
    lifecycle = rules({"Expiration": {"Days": 3}})
    due = (20_000 + 4) * MICROS
    assert expiration_of(lifecycle, "a", version()) == (due, "0")
    assert plan(lifecycle, "a", standing(version()), [], due - 1).next_us == due
    assert plan(lifecycle, "a", standing(version()), [], due).expire == [version()]
    at_midnight = version(20_000 * MICROS)
    assert expiration_of(lifecycle, "a", at_midnight) == ((20_000 + 3) * MICROS, "0")


def test_a_short_day_is_not_rounded_and_clients_are_told_real_ones() -> None:
    lifecycle = rules({"Expiration": {"Days": 3}}, day=10.0)
    assert plan(lifecycle, "a", standing(version()), [], NOON).next_us == NOON + 30_000_000
    told = expiration_of(lifecycle, "a", version())
    assert told is not None and told[0] == (20_000 + 4) * MICROS


@pytest.mark.parametrize(
    ("given", "key", "size", "tags", "covered"),
    [
        ({"Filter": {"Prefix": "logs/"}, "Prefix": None}, "logs/a", 1, {}, True),
        ({"Filter": {"Prefix": "logs/"}, "Prefix": None}, "log", 1, {}, False),
        ({"Prefix": "a"}, "ab", 1, {}, True),
        ({"Filter": {"Tag": {"Key": "k", "Value": "v"}}, "Prefix": None}, "a", 1, {"k": "v", "x": "y"}, True),
        ({"Filter": {"Tag": {"Key": "k", "Value": "v"}}, "Prefix": None}, "a", 1, {"k": "w"}, False),
        ({"Filter": {"ObjectSizeGreaterThan": 10}, "Prefix": None}, "a", 10, {}, False),
        ({"Filter": {"ObjectSizeGreaterThan": 10}, "Prefix": None}, "a", 11, {}, True),
        ({"Filter": {"ObjectSizeLessThan": 10}, "Prefix": None}, "a", 10, {}, False),
        ({"Filter": {"And": {"Prefix": "a", "ObjectSizeLessThan": 10}}, "Prefix": None}, "ab", 9, {}, True),
        ({"Filter": {"And": {"Prefix": "a", "ObjectSizeLessThan": 10}}, "Prefix": None}, "b", 9, {}, False),
        ({"Status": "Disabled"}, "a", 1, {}, False),
        ({"Filter": {"Prefix": "a", "ObjectSizeLessThan": 10}, "Prefix": None}, "ab", 9, {}, True),
        (
            {"Filter": {"Prefix": "a", "And": {"Tags": [{"Key": "k", "Value": "v"}]}}, "Prefix": None},
            "ab",
            9,
            {},
            False,
        ),
    ],
)
def test_filters(given: dict[str, Any], key: str, size: int, tags: dict[str, str], covered: bool) -> None:
    lifecycle = rules({"Expiration": {"Days": 1}, **given})
    one = version(size=size, tags=tags)
    assert bool(plan(lifecycle, key, standing(one), [], NOON + 3 * MICROS).expire) is covered


def test_noncurrent_versions_age_from_when_they_were_replaced_and_the_newest_are_kept() -> None:
    lifecycle = rules({"NoncurrentVersionExpiration": {"NoncurrentDays": 2, "NewerNoncurrentVersions": 2}}, day=1.0)
    versions = [version(NOON + number * 1_000_000) for number in (9, 5, 4, 3, 2)]
    planned = plan(lifecycle, "a", standing(*versions), [], NOON + 6_000_000)
    assert planned.remove == versions[3:]  # 5 and 4 are the two newest noncurrent ones
    planned = plan(lifecycle, "a", standing(*versions[2:]), [], NOON + 5_900_000)
    assert planned.remove == [] and planned.next_us is None


def test_a_marker_goes_when_it_is_alone() -> None:
    lifecycle = rules({"Expiration": {"ExpiredObjectDeleteMarker": True}})
    marker = version(NOON, marker=True)
    later = NOON + MICROS
    assert plan(lifecycle, "a", standing(marker), [], later).remove == [marker]
    assert plan(lifecycle, "a", standing(marker, version(NOON - 5)), [], later).remove == []
    by_days = rules({"Expiration": {"Days": 1}})
    assert plan(by_days, "a", standing(marker), [], NOON + 2 * MICROS).remove == [marker]
    assert plan(by_days, "a", standing(marker, version(NOON - 5)), [], NOON + 2 * MICROS).remove == []


def test_deleting_goes_before_moving_and_the_last_class_due_wins() -> None:
    changes = [{"Days": 1, "StorageClass": "STANDARD_IA"}, {"Days": 3, "StorageClass": "ONEZONE_IA"}]
    lifecycle = rules({"Transitions": changes}, {"Expiration": {"Days": 9}})
    one = version()
    assert plan(lifecycle, "a", standing(one), [], NOON + 2 * MICROS).move == [(one, "STANDARD_IA")]
    assert plan(lifecycle, "a", standing(one), [], NOON + 5 * MICROS).move == [(one, "ONEZONE_IA")]
    done = version(storage_class="ONEZONE_IA")
    assert plan(lifecycle, "a", standing(done), [], NOON + 5 * MICROS).move == []
    gone = plan(lifecycle, "a", standing(one), [], NOON + 10 * MICROS)
    assert (gone.move, gone.expire) == ([], [one])


def test_small_objects_keep_their_class_unless_the_bucket_says_otherwise() -> None:
    change = {"Transitions": [{"Days": 0, "StorageClass": "STANDARD_IA"}]}
    small = version(size=100)
    assert plan(rules(change), "a", standing(small), [], NOON + MICROS).move == []
    sized = {**change, "Prefix": None, "Filter": {"ObjectSizeGreaterThan": 1}}
    assert plan(rules(sized), "a", standing(small), [], NOON + MICROS).move
    varies = rules(change, TransitionDefaultMinimumObjectSize="varies_by_storage_class")
    assert plan(varies, "a", standing(small), [], NOON + MICROS).move


def test_uploads_are_aborted_and_dates_are_dates() -> None:
    lifecycle = rules({"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    upload = Upload("0" * 32, "a", NOON, ME, ME)
    assert plan(lifecycle, "a", [], [upload], NOON).next_us == 20_002 * MICROS
    assert plan(lifecycle, "a", [], [upload], 20_002 * MICROS).abort == [upload]
    dated = rules({"Expiration": {"Date": datetime(2020, 1, 1, tzinfo=UTC)}})
    assert plan(dated, "a", standing(version()), [], NOON).expire == [version()]


_days = st.integers(1, 5)
_actions = st.fixed_dictionaries(
    {},
    optional={
        "Expiration": st.one_of(st.fixed_dictionaries({"Days": _days}), st.just({"ExpiredObjectDeleteMarker": True})),
        "NoncurrentVersionExpiration": st.fixed_dictionaries(
            {"NoncurrentDays": _days}, optional={"NewerNoncurrentVersions": st.integers(1, 3)}
        ),
        "Transitions": st.lists(
            st.fixed_dictionaries({"Days": _days, "StorageClass": st.sampled_from(["X", "Y"])}), max_size=2
        ),
    },
)


@given(
    st.lists(_actions, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=5, unique_by=lambda pair: pair[0]),
    st.sampled_from([DAY, 1.0]),
)
def test_a_plan_is_done_at_its_time_and_what_is_written_is_looked_at_in_time(
    given: list[dict[str, Any]], history: list[tuple[int, bool]], day: float
) -> None:
    """Nothing new is due before `next_us`; and `earliest`, told at each write, is never later than the first action."""
    lifecycle = rules(*given, day=day)
    unit = int(day * 1_000_000)
    newest_first = [version(NOON + at * unit, marker=marker) for at, marker in sorted(history, reverse=True)]
    stand = standing(*newest_first)
    now = newest_first[0].modified_us
    planned = plan(lifecycle, "a", stand, [], now)
    if planned.next_us is not None:
        before = plan(lifecycle, "a", stand, [], planned.next_us - 1)
        assert (before.expire, before.remove, before.move) == (planned.expire, planned.remove, planned.move)
    reminders = [
        due
        for index, one in enumerate(newest_first)
        if (due := earliest(lifecycle, "a", one.modified_us, alone=index == len(newest_first) - 1)) is not None
    ]
    never = plan(lifecycle, "a", stand, [], now + 100 * MICROS * 100)
    if never.expire or never.remove or never.move:
        first = min(t for t in _moments(lifecycle, stand) if _acts(lifecycle, stand, t))
        assert any(due <= max(first, now) for due in reminders)


def _moments(lifecycle: Lifecycle, stand: list[Standing]) -> list[int]:
    bases = [one.version.modified_us for one in stand]
    return [lifecycle.after(base, days) for base in bases for days in range(7)]


def _acts(lifecycle: Lifecycle, stand: list[Standing], now: int) -> bool:
    planned = plan(lifecycle, "a", stand, [], now)
    return bool(planned.expire or planned.remove or planned.move)
