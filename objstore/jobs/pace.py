"""Working for a share of the time, in slices: whoever else wants the drives waits for a slice at most.

pace = Pace(0.5)
for step in steps:
    work(step)
    await pace()      # rests where a slice is over
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

SLICE = 0.05
"""Seconds of work without a rest."""


class Pace:
    """`share` of the time, up to 1, is for work; `sleep` and `clock` are for tests."""

    def __init__(
        self,
        share: float,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._factor = 1 / share - 1
        self._sleep = sleep
        self._clock = clock
        self._since: float | None = None

    def begin(self) -> None:
        """Work begins now: what was before was no work."""
        self._since = self._clock()

    async def __call__(self) -> None:
        """A step is done."""
        now = self._clock()
        worked = 0.0 if self._since is None else now - self._since
        if self._since is None:
            self._since = now
        elif worked >= SLICE and self._factor:
            await self._sleep(worked * self._factor)
            self._since = self._clock()
