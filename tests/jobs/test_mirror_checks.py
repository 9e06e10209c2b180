"""When the catalog's mirrors are compared again."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from objstore.jobs import mirror_checks
from objstore.jobs.mirror_checks import PERIOD_US, compare, due
from objstore.store.store import now_us
from tests.jobs.house import House, play


@pytest.mark.parametrize(("seconds", "rest_us"), [(1, PERIOD_US), (3_600, 100 * 3_600_000_000)], ids=["soon", "long"])
def test_the_next_comparison_is_a_day_later_or_so_that_most_of_the_time_is_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, rest_us: int
) -> None:
    passed = [0]

    def slowly(_: object) -> dict[str, list[str]]:
        passed[0] += seconds
        return {}

    monkeypatch.setattr(mirror_checks, "wrong_now", slowly)
    monkeypatch.setattr(mirror_checks, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0]))

    async def scene(house: House) -> None:
        now = now_us()
        assert house.catalog.read(lambda tx: due(tx, now)), "at once, where there was none"
        assert await compare(house.catalog, now) == {}
        assert not house.catalog.read(lambda tx: due(tx, now + rest_us - 1))
        assert house.catalog.read(lambda tx: due(tx, now + rest_us + 100 * 60_000_000))

    play(tmp_path, scene)
