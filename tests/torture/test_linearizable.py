"""The checker finds what is wrong in histories that are known to be, and nothing in those that are good."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.torture.history import Keys, judge
from tests.torture.linearizable import check
from tests.torture.model import ENABLED, MARKER, NULL, SUSPENDED, UNKNOWN, Entry, Listed, Op, State, empty, step

EMPTY = empty(2)


def put(begin: int, end: int | None, content: str, key: int = 0, **more: Any) -> Op:
    answer = more.pop("answer", UNKNOWN if end is None else "ok")
    return Op("put", begin, end, answer, key=key, content=content, **more)


def see(begin: int, end: int, *contents: str | None) -> Op:
    return Op("see", begin, end, seen=dict(enumerate(contents)))


def good(*history: Op, versioned: bool = False, initial: State = EMPTY) -> bool:
    return check(history, empty(2, ENABLED) if versioned else initial, step).good


GOOD = {
    "one after another": [put(1, 2, "a"), see(3, 4, "a"), put(5, 6, "b"), see(7, 8, "b")],
    "the read overlaps both writes": [put(1, 10, "a"), put(2, 9, "b"), see(3, 4, "b"), see(5, 6, "a")],
    "an unknown write is seen late": [put(1, 2, "a"), put(3, None, "b"), see(5, 6, "a"), see(7, 8, "b")],
    "an unknown write never was": [put(1, 2, "a"), put(3, None, "b"), see(5, 6, "a"), see(50, 60, "a")],
    "only one is the first": [
        put(1, 9, "a", if_absent=True),
        put(2, 8, "b", if_absent=True, answer="PreconditionFailed"),
    ],
    "an unknown write explains a refusal": [
        put(1, None, "a", if_absent=True),
        put(2, 3, "b", if_absent=True, answer="PreconditionFailed"),
    ],
    "a copy shares": [put(1, 2, "a"), Op("copy", 3, 4, key=1, source=0, content="a"), see(5, 6, "a", "a")],
    "a rename moves": [put(1, 2, "a"), Op("rename", 3, 4, key=1, source=0), see(5, 6, None, "a")],
    "a delete": [put(1, 2, "a"), Op("delete", 3, 4), see(5, 6, None)],
}
BAD = {
    "a lost write": [put(1, 2, "a"), see(3, 4, None)],
    "a stale read": [put(1, 2, "a"), put(3, 4, "b"), see(5, 6, "a")],
    "time goes back between two reads": [put(1, 2, "a"), put(3, 20, "b"), see(4, 5, "b"), see(6, 7, "a")],
    "from nowhere": [see(1, 2, "a")],
    "seen before it was written": [see(1, 2, "a"), put(3, 4, "a")],
    "deleted and back": [put(1, 2, "a"), Op("delete", 3, 4), see(5, 6, "a")],
    "both were the first": [put(1, 9, "a", if_absent=True), put(2, 8, "b", if_absent=True)],
    "refused for nothing": [put(1, 2, "a", if_absent=True, answer="PreconditionFailed")],
    "a replaced write was matched": [put(1, 2, "a"), put(3, 4, "b"), put(5, 6, "c", if_match="a")],
    "an unknown write came and went": [put(1, None, "a"), see(2, 3, "a"), see(4, 5, None)],
    "a rename left its source": [put(1, 2, "a"), Op("rename", 3, 4, key=1, source=0), see(5, 6, "a", "a")],
    "a rename seen half": [put(1, 2, "a"), Op("rename", 3, 9, key=1, source=0), see(4, 5, None, None)],
    "a listing that mixes two moments": [put(1, 2, "a"), put(3, 4, "b", 1), see(5, 6, None, "b")],
    "a copy of what was replaced": [put(1, 2, "a"), put(3, 4, "b"), Op("copy", 5, 6, key=1, source=0, content="a")],
    "an answer that is not one of S3's": [put(1, 2, "a", answer="AccessDenied")],
}


@pytest.mark.parametrize("history", GOOD.values(), ids=GOOD.keys())
def test_good_histories(history: list[Op]) -> None:
    assert good(*history)


@pytest.mark.parametrize("history", BAD.values(), ids=BAD.keys())
def test_bad_histories(history: list[Op]) -> None:
    assert not good(*history)


def test_versions() -> None:
    first, second = Entry("a", "1"), Entry("b", "2")
    writes = [put(1, 2, "a", version="1"), put(3, 4, "b", version="2")]
    whole = Op("see versions", 5, 6, seen={0: Listed((second, first), (), second)})
    lacking = Op("see versions", 5, 6, seen={0: Listed((second,), (), second)})
    wrong_way = Op("see versions", 5, 6, seen={0: Listed((first, second), (), first)})
    assert good(*writes, whole, versioned=True)
    assert not good(*writes, lacking, versioned=True)
    assert not good(*writes, wrong_way, versioned=True)
    deleted = [*writes, Op("delete version", 7, 8, version="2"), see(9, 10, "a")]
    assert good(*deleted, versioned=True)
    marked = [*writes, Op("delete", 7, 8, version="3"), see(9, 10, None)]
    hidden = Op("see versions", 11, 12, seen={0: Listed((second, first), (Entry(MARKER, "3"),), Entry(MARKER, "3"))})
    assert good(*marked, hidden, versioned=True)
    assert not good(*marked, whole.__class__(**(vars(whole) | {"begin": 11, "end": 12})), versioned=True)


def test_versioning_that_is_switched() -> None:
    def switch(begin: int, state: str) -> Op:
        return Op("switch", begin, begin + 1, content=state)

    def shows(begin: int, versions: list[Entry], markers: list[Entry], latest: Entry) -> Op:
        seen = Listed(tuple(versions), tuple(markers), latest)
        return Op("see versions", begin, begin + 1, seen={0: seen})

    first, second, third = Entry("a", NULL), Entry("b", "2"), Entry("c", NULL)
    enabled = [put(1, 2, "a"), switch(3, ENABLED), put(5, 6, "b", version="2")]
    assert good(*enabled, shows(7, [second, first], [], second))
    suspended = [*enabled, switch(7, SUSPENDED), put(9, 10, "c", version=NULL)]
    assert good(*suspended, shows(11, [third, second], [], third))
    assert not good(*suspended, shows(11, [third, second, first], [], third))
    assert not good(*enabled, switch(7, SUSPENDED), put(9, 10, "c", version="3"))
    marker = Entry(MARKER, NULL)
    deleted = [*suspended, Op("delete", 11, 12, version=NULL)]
    assert good(*deleted, shows(13, [second], [marker], marker))
    assert good(*deleted, Op("delete version", 13, 14, version=NULL), see(15, 16, "b"))
    assert not good(*deleted, see(13, 14, "b"))


def test_buckets_that_come_and_go() -> None:
    create, delete = Op("create bucket", 1, 2, key=2), Op("delete bucket", 5, 6)
    assert good(create, put(3, 4, "a"), Op("delete bucket", 5, 6, "BucketNotEmpty"), initial=None)
    assert good(create, delete, put(7, 8, "a", answer="NoSuchBucket"), initial=None)
    assert not good(create, put(3, 4, "a"), delete, initial=None)
    assert not good(create, put(3, 4, "a", answer="NoSuchBucket"), initial=None)
    assert not good(create, delete, put(7, 8, "a"), initial=None)


@given(st.randoms(use_true_random=False))
def test_what_a_real_register_does_is_good_and_one_changed_answer_is_told(chance: random.Random) -> None:
    """Operations take effect at a moment of their own between call and answer, on a real dictionary."""
    moments = sorted(chance.sample(range(1, 1000), 3 * 12))
    plan = []
    for number in range(12):
        begin, at, end = sorted(chance.sample(moments, 3))
        for moment in (begin, at, end):
            moments.remove(moment)
        plan.append((at, begin, end, number))
    now: str | None = None
    history = []
    for _, begin, end, number in sorted(plan):
        if chance.random() < 0.5:
            now = f"v{number}"
            history.append(put(begin, end, now))
        else:
            history.append(see(begin, end, now))
    assert good(*history)
    last = max(op.end or 0 for op in history)
    assert good(*history, see(last + 1, last + 2, now))
    assert not good(*history, see(last + 1, last + 2, "never written"))


def test_what_is_told_of_a_bad_history_names_the_culprit() -> None:
    keys = Keys("bucket", "f/", 2, False, EMPTY)
    keys.history = [put(1_000_000, 2_000_000, "aaa"), see(3_000_000, 4_000_000, None)]
    told = judge(keys)
    assert told is not None and "bucket/f/*" in told
    assert ">> 3.0..4.0 see" in told and "aaa" in told


def test_many_unknown_writes_of_which_nothing_was_seen_do_not_matter() -> None:
    keys = Keys("bucket", "f/", 2, False, EMPTY)
    keys.history = [put(n, None, f"lost{n}") for n in range(1, 200)] + [put(300, 301, "a"), see(302, 303, "a")]
    assert judge(keys) is None
