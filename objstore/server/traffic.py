"""Whether clients are being served, by any worker, as every process of a server sees it.

Each worker has a slot of shared memory with two counters, of requests that began and of those that ended, and is the
only one that writes there: so counting takes no lock and no system call. What began and has not ended runs, for as long
as it takes. The server's own pages (health, metrics, administration) are not counted: nobody who asks for them waits
for the drives, and a monitor asks for ever.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable

LINGER = 1.0
"""Seconds for which a client counts as there behind its last request."""
_COUNTER = 8  # bytes: written and read as a whole


class Slot:
    """The requests of one worker, which alone may change it."""

    def __init__(self, counters: memoryview) -> None:
        self._counters = counters

    def clear(self) -> None:
        """Nothing runs: whoever had the slot before has died."""
        self._counters[1] = self._counters[0]

    def begin(self) -> None:
        """A request begins."""
        self._counters[0] += 1

    def end(self) -> None:
        """A request has ended."""
        self._counters[1] += 1


class Traffic:
    """The slots of all workers; made before these are forked."""

    def __init__(self, workers: int) -> None:
        self._counters = memoryview(mmap.mmap(-1, 2 * workers * _COUNTER)).cast("Q")
        self._workers = workers

    def slot(self, worker: int) -> Slot:
        """That of the worker of this number."""
        return Slot(self._counters[2 * worker : 2 * worker + 2])

    def begun(self) -> int:
        """How many requests have begun."""
        return sum(self._counters[0 : 2 * self._workers : 2])

    def running(self) -> bool:
        """Whether any request has begun and not ended."""
        counters = self._counters.tolist()
        return counters[0::2] != counters[1::2]


class Clients:
    """Asked whether clients are there: a request runs, or one did in the last second, or since this was asked last."""

    def __init__(self, traffic: Traffic, clock: Callable[[], float] = time.monotonic) -> None:
        self._traffic, self._clock = traffic, clock
        self._begun = traffic.begun()
        self._until = clock()

    def __call__(self) -> bool:
        now, begun = self._clock(), self._traffic.begun()
        if begun != self._begun or self._traffic.running():
            self._begun, self._until = begun, now + LINGER
        return now < self._until
