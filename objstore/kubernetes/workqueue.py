"""Keys that wait to be reconciled: each by one task at a time, again after failures, later when asked.

As client-go's work queues: a key that comes again while it waits is one key; one that comes while it is being worked on
is worked on once more afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from objstore.kubernetes.kinds import Key

FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 60.0

_log = logging.getLogger(__name__)


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubling, up to a minute, with a fifth of it by chance."""
    wait = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures - 1, 16))
    return wait * random.uniform(0.8, 1.0)


class Workqueue:
    """One controller's keys. `work` is given one at a time and says when to be given it again."""

    def __init__(self, name: str, work: Callable[[Key], Awaitable[float | None]], workers: int) -> None:
        self._name, self._work, self._workers = name, work, workers
        self._waiting: dict[Key, None] = {}  # in order
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._some = asyncio.Event()

    def add(self, key: Key) -> None:
        """Have it worked on as soon as a task is free."""
        self._untime(key)
        if key in self._running:
            self._again.add(key)
        else:
            self._waiting.setdefault(key)
            self._some.set()

    def __len__(self) -> int:
        """How many wait or are worked on now; not those that wait for their time."""
        return len(self._waiting) + len(self._running)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(self._workers):
                    tasks.create_task(self._take())
        finally:
            for timer in self._timers.values():
                timer.cancel()

    async def _take(self) -> None:
        while True:
            while not self._waiting:
                self._some.clear()
                await self._some.wait()
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._running.add(key)
            try:
                after = await self._work(key)
                self._failures.pop(key, None)
            except Exception as error:
                failures = self._failures[key] = self._failures.get(key, 0) + 1
                after = backoff(failures)
                _log.warning("%s %s: %s; again in %.0f s", self._name, key, _told(error), after)
            finally:
                self._running.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif after is not None:
                self._untime(key)
                self._timers[key] = asyncio.get_running_loop().call_later(after, self.add, key)

    def _untime(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()


def _told(error: Exception) -> str:
    """An error in one line: its message where it is one of those foreseen, which have one."""
    return f"{type(error).__name__}: {error}"
