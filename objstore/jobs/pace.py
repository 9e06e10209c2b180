"""Working for a share of the time, in slices, while clients are there: who wants the drives waits for a slice at most.

budget = Budget(0.25, clients=...)  # one for all that goes on beside requests
pace = Pace(budget)                 # one for each job
for step in steps:
    work(step)
    await pace()                    # rests where a slice is over, and while another job owes a rest

However many jobs there are, together they work for no more than their share: each slice of work is followed by a rest
in which none of them begins a step. Where no client is there, nobody rests, and a rest that has begun ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

SLICE = 0.01
"""Seconds of work without a rest."""
LOOK = 0.1
"""Seconds of a rest behind which it is asked again whether clients are there."""


class Budget:
    """`share` of the time, up to 1, is for the work of all jobs while `clients` says that some are there. `told` is
    called of each rest; `sleep` and `clock` are for tests."""

    def __init__(
        self,
        share: float,
        *,
        clients: Callable[[], bool] = lambda: True,
        told: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._clients = clients
        self._told = told
        self._factor = 1 / share - 1
        self._sleep = sleep
        self._rest_until = clock()

    def owe(self, worked: float) -> None:
        """So many seconds were worked: a rest follows, behind those that are owed already, if clients are there."""
        if self._factor and self._clients():
            self._rest_until = max(self._rest_until, self.clock()) + worked * self._factor
            self._told()

    async def rest(self) -> None:
        """Wait until no rest is owed by anybody, or no client is there."""
        while (left := self._rest_until - self.clock()) > 0:
            if not self._clients():
                self._rest_until = self.clock()
                return
            await self._sleep(min(left, LOOK))


class Pace:
    """One job's; what it is awaited behind is a step. The first one begins now."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._worked = 0.0
        self._since = budget.clock()

    def begin(self) -> None:
        """A step begins now: there was nothing to do since the last one."""
        self._since = self._budget.clock()

    @contextlib.asynccontextmanager
    async def holding(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        """Hold a lock. Waiting for it is no work."""
        self._stop()
        async with lock:
            self.begin()
            yield

    async def __call__(self) -> None:
        """A step is done."""
        self._stop()
        if self._worked >= SLICE:
            self._budget.owe(self._worked)
            self._worked = 0.0
        await self._budget.rest()
        self.begin()

    def _stop(self) -> None:
        self._worked += self._budget.clock() - self._since


def unpaced() -> Pace:
    """The pace of work that never rests."""
    return Pace(Budget(1.0))
