"""Object lock as rules: what was promised to stay stays, whatever is asked for and whoever asks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from objstore.store import locks
from objstore.store.errors import ObjectLocked
from objstore.store.locks import COMPLIANCE, GOVERNANCE, ObjectLock
from objstore.store.types import Version
from tests.store.fakes import OWNER

ROOM = Path(locks.__file__).parent

steps = st.lists(
    st.tuples(
        st.sampled_from([GOVERNANCE, COMPLIANCE, "", "hold", "release"]),
        st.integers(1, 50),  # how long it is to last from now
        st.booleans(),  # whether governance is bypassed
        st.integers(0, 10),  # how much time goes by before
    ),
    max_size=12,
)


def removable(version: Version, now: int, *, bypass: bool) -> bool:
    try:
        locks.check_removal(version, now, bypass=bypass)
    except ObjectLocked:
        return False
    return True


@given(steps)
def test_no_sequence_of_wishes_shortens_what_was_promised(wishes: list[tuple[str, int, bool, int]]) -> None:
    version = Version("v", 1, False, False, "", 1, 0, OWNER)
    now = promised = 0
    held = False
    for wish, length, bypass, pause in wishes:
        now += pause
        if wish in ("hold", "release"):
            held = wish == "hold"
            version = locks.with_legal_hold(version, held)
        else:
            before, until = version, now + length if wish else 0
            try:
                version = locks.with_retention(version, wish, until, now, bypass=bypass)
            except ObjectLocked:
                continue
            if wish == COMPLIANCE:
                promised = max(promised, until)
            if not bypass and not removable(locks.with_legal_hold(before, False), now, bypass=False):
                assert before.lock is not None and (before.lock.mode, True) == (wish, until >= before.lock.until_us)
        assert removable(version, now, bypass=True) == (promised <= now and not held)
        assert removable(version, 10**9, bypass=False) == (not held)


@pytest.mark.parametrize(
    ("start", "lock", "end"),
    [
        ("2026-11-24T08:00:00", ObjectLock(GOVERNANCE, days=10), "2026-12-04T08:00:00"),
        ("2026-11-24T08:00:00", ObjectLock(GOVERNANCE, years=2), "2028-11-24T08:00:00"),
        ("2028-02-29T12:00:00", ObjectLock(GOVERNANCE, years=1), "2029-03-01T12:00:00"),
        ("2028-02-29T12:00:00", ObjectLock(GOVERNANCE, years=4), "2032-02-29T12:00:00"),
    ],
)
def test_a_default_lasts_as_long_as_the_calendar_says(start: str, lock: ObjectLock, end: str) -> None:
    def us(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000

    assert lock.until_us(us(start) + 7) == us(end) + 7


def test_versions_are_deleted_in_one_module_alone() -> None:
    """Where the lock is asked, so that nothing that deletes can forget to."""
    for path in ROOM.parent.rglob("*.py"):
        deletes = re.findall(r"DELETE FROM (?:objects|versions)\b", path.read_text())
        assert not deletes or path == ROOM / "versions.py", path
