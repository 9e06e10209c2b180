"""The catalog as the rooms above use it: `await write(function)`, `read(function)`.

One thread of each process commits. Functions that arrive while a commit runs, or while another process holds the commit
lock, wait together and go into the next one: under load a commit carries many, and its fsyncs are shared by all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from objstore.catalog.engine import Engine
from objstore.catalog.errors import CatalogError, ReadOnly
from objstore.catalog.readers import Readers
from objstore.catalog.shared import Shared
from objstore.catalog.transaction import Transaction
from objstore.drives.pool import Pool

T = TypeVar("T")
MOST_IN_A_COMMIT = 256
WAL_PASSIVE, WAL_TRUNCATE = 4 << 20, 64 << 20
_log = logging.getLogger(__name__)


class CatalogStatus(msgspec.Struct, frozen=True):
    """Where the catalog stands; `read_only` says why nothing can be written, None when all is well."""

    epoch: int
    members: tuple[str, ...]
    leader: str | None
    read_only: str | None


class _Waiting:
    __slots__ = ("function", "future", "loop")

    def __init__(self, function: Callable[[Transaction], Any]) -> None:
        self.function = function
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()


class Catalog:
    """The catalog of one process; see `attach`."""

    def __init__(self, pool: Pool, shared: Shared, *, strict: bool) -> None:
        self._pool = pool
        self._shared = shared
        self._engine = Engine(pool, shared, strict=strict)
        self._upkeep = Engine(pool, shared, strict=strict)
        self._readers = Readers(pool, shared, self._suspected)
        self._suspects: set[str] = set()
        self._queue: deque[_Waiting] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._commit_forever, name="catalog", daemon=True)
        self._thread.start()

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """Run a transaction function and publish what it wrote; its result, or its exception with nothing published.

        Raises ReadOnly without a write quorum. The function may run more than once.
        """
        waiting = _Waiting(function)
        with self._wake:
            if self._closed:
                raise CatalogError("the catalog is closed")
            self._queue.append(waiting)
            self._wake.notify()
        result: T = await waiting.future
        return result

    def read(self, function: Callable[[Transaction], T]) -> T:
        """Run a function that only reads, on the calling thread. See `Readers.read`."""
        return self._readers.read(function)

    def status(self) -> CatalogStatus:
        """Who holds mirrors now, and whether writes are taken."""
        ballot = self._shared.ballot()
        online, needed = len(self._pool.online()), self._pool.write_quorum
        reason = None
        if online < needed:
            reason = f"{online} of {len(self._pool.drives)} drives online, {needed} are needed to write"
        leader = ballot.members[0] if ballot.members else None
        return CatalogStatus(ballot.epoch, ballot.members, leader, reason)

    async def maintain(self) -> None:
        """Recruit mirrors that are missing, move write-ahead logs into their files. Run now and then by one process."""
        await asyncio.to_thread(self._maintain)

    def _maintain(self) -> None:
        try:
            self._upkeep.refresh()
            if len(self._pool.online()) >= self._pool.write_quorum:
                self._upkeep.look(self._suspects)
                self._upkeep.recruit(min(self._pool.parity + 1, len(self._pool.drives)))
            for mirror in self._upkeep.mirrors:
                if (length := mirror.wal_bytes()) > WAL_PASSIVE:
                    with self._shared.locked() if length > WAL_TRUNCATE else contextlib.nullcontext():
                        mirror.checkpoint(truncate=length > WAL_TRUNCATE)
        except CatalogError as error:
            _log.warning("upkeep of the catalog: %s", error)

    def _suspected(self, drive: str) -> None:
        self._suspects.add(drive)

    def close(self) -> None:
        """Commit what waits and end the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(30)
        self._engine.close()
        self._upkeep.close()

    def _commit_forever(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._closed:
                    self._wake.wait()
                if not self._queue:
                    return
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_IN_A_COMMIT))]
            try:
                outcomes = self._engine.commit([waiting.function for waiting in batch])
            except Exception as error:
                if not isinstance(error, CatalogError):
                    _log.exception("a commit failed")
                outcomes = [(None, error)] * len(batch)
            _deliver(batch, outcomes)


def _deliver(batch: list[_Waiting], outcomes: list[tuple[Any, BaseException | None]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any, BaseException | None]]] = {}
    for waiting, (result, error) in zip(batch, outcomes, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting.future, result, error))
    for loop, settled in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
    for future, result, error in settled:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(ReadOnly(error.reason, error.missing) if isinstance(error, ReadOnly) else error)


def attach(pool: Pool, runtime: Path, *, strict: bool = True) -> Catalog:
    """The catalog for a worker or the jobs process, after `start` has run in the supervisor."""
    return Catalog(pool, Shared(runtime), strict=strict)
