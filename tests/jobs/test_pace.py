"""Work takes its share of the time, a slice at a time."""

from __future__ import annotations

import asyncio

import pytest

from objstore.jobs.pace import SLICE, Pace


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.8, 1.0])
def test_work_takes_its_share(share: float) -> None:
    now, rests, worked = 0.0, [], 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        rests.append(seconds)
        now += seconds

    async def work() -> None:
        nonlocal now, worked
        pace = Pace(share, sleep=sleep, clock=lambda: now)
        pace.begin()
        for step in range(300):
            took = 0.004 if step % 50 else 1.3 * SLICE
            now, worked = now + took, worked + took
            await pace()
        assert worked / now == pytest.approx(share, rel=0.1)
        now += 100.0  # nothing was done
        before = len(rests)
        pace.begin()
        await pace()
        assert len(rests) == before

    asyncio.run(work())
    assert max(rests, default=0.0) <= 2.3 * SLICE * (1 / share - 1) + 1e-9
    assert bool(rests) == (share < 1)
