"""Work takes its share of the time, a slice at a time, however many jobs there are."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable

import pytest

from objstore.jobs.pace import LOOK, SLICE, Budget, Pace


class World:
    """A clock that moves when all tasks sleep, to the first that wakes; and when who worked."""

    def __init__(self, share: float) -> None:
        self.now = 0.0
        self.rests: list[float] = []
        self.worked: list[tuple[float, float]] = []
        self._order = itertools.count()
        self._sleeping: list[tuple[float, int, asyncio.Event]] = []
        self.budget = Budget(share, sleep=self._rest, clock=lambda: self.now)

    async def _rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        await self.sleep(seconds)

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        heapq.heappush(self._sleeping, (self.now + seconds, next(self._order), woken))
        await woken.wait()

    async def work(self, seconds: float) -> None:
        began = self.now
        await self.sleep(seconds)
        self.worked.append((began, self.now))

    async def play(self, *tasks: Awaitable[None]) -> None:
        """Until all are done."""
        running = asyncio.gather(*tasks)
        while not running.done():
            for _ in range(10):  # whoever can go on does
                await asyncio.sleep(0)
            if self._sleeping:
                self.now, _, woken = heapq.heappop(self._sleeping)
                woken.set()
        await running

    def busy(self) -> float:
        """For how long anybody worked."""
        total = end = 0.0
        for began, ended in sorted(self.worked):
            total += max(0.0, ended - max(began, end))
            end = max(end, ended)
        return total


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.8, 1.0])
def test_work_takes_its_share(share: float) -> None:
    world = World(share)

    async def job() -> None:
        pace = Pace(world.budget)
        for step in range(300):
            await world.work(0.2 * SLICE if step % 50 else 1.3 * SLICE)
            await pace()
        assert world.busy() / world.now == pytest.approx(share, rel=0.1)
        await world.sleep(100.0)  # nothing was to be done
        before = len(world.rests)
        pace.begin()
        await pace()
        assert len(world.rests) == before

    asyncio.run(world.play(job()))
    assert max(world.rests, default=0.0) <= 2.3 * SLICE * (1 / share - 1) + 1e-9
    assert bool(world.rests) == (share < 1)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_jobs_share_it(share: float) -> None:
    """Two that take short steps, and one that takes longer ones than a slice."""
    world = World(share)

    async def job(step: float) -> None:
        pace = Pace(world.budget)
        for _ in range(int(6 / step)):
            await world.work(step)
            await pace()

    asyncio.run(world.play(job(0.35 * SLICE), job(0.55 * SLICE), job(2 * SLICE)))
    assert share / 2 <= world.busy() / world.now <= share * 1.05


def test_who_waits_for_a_lock_does_not_work() -> None:
    world, lock = World(0.5), asyncio.Lock()

    async def holder() -> None:
        async with lock:
            await world.sleep(50.0)

    async def job() -> None:
        await world.sleep(0.001)
        pace = Pace(world.budget)
        for _ in range(5):
            await world.work(0.6 * SLICE)
            async with pace.holding(lock):
                await world.work(0.6 * SLICE)
            await pace()

    asyncio.run(world.play(holder(), job()))
    assert sum(world.rests) == pytest.approx(6 * SLICE)


def test_nobody_rests_where_no_client_is() -> None:
    """Clients are there from 100 s to 200 s; what was worked before owes nothing, and a rest ends when they go."""
    told: list[float] = []
    world = World(0.001)
    budget = Budget(
        0.001,
        clients=lambda: 100.0 <= world.now < 200.0,
        told=lambda: told.append(world.now),
        sleep=world._rest,
        clock=lambda: world.now,
    )

    async def job() -> None:
        pace = Pace(budget)
        while world.now < 300.0:
            await world.work(2 * SLICE)
            await pace()

    asyncio.run(world.play(job(), job()))
    assert sum(ended < 100.0 for _, ended in world.worked) == pytest.approx(100.0 / SLICE, rel=0.01)
    assert 4 <= sum(100.0 <= ended < 200.0 for _, ended in world.worked) == len(told) <= 100.0 * 0.001 / SLICE + 2
    assert sum(began >= 200.0 + LOOK for began, _ in world.worked) == pytest.approx(100.0 / SLICE, rel=0.01)
    assert max(world.rests) <= LOOK
