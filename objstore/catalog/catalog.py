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
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from objstore.catalog import ballots, engine, views
from objstore.catalog.engine import Outcome
from objstore.catalog.errors import CatalogError, CatalogFull, MirrorFailed, ReadOnly
from objstore.catalog.members import Members
from objstore.catalog.mirror import FAULTS
from objstore.catalog.readers import Readers
from objstore.catalog.shared import File, Shared
from objstore.catalog.transaction import Transaction
from objstore.catalog.upkeep import Upkeep, wanted
from objstore.catalog.views import View
from objstore.drives.drive import DEADLINE
from objstore.drives.format import Ballot
from objstore.drives.pool import Pool
from objstore.drives.turns import be_prompt

T = TypeVar("T")

MOST_IN_A_COMMIT = 256
SETTLE_SECONDS = 5.0
_log = logging.getLogger(__name__)


class MirrorStatus(msgspec.Struct, frozen=True):
    """One member: its drive, where, bytes of its file; `problem` is for people, None when all is well."""

    drive: str
    path: str
    size: int
    problem: str | None


class CatalogStatus(msgspec.Struct, frozen=True):
    """Where the catalog stands; `read_only` says why nothing can be written, None when all is well."""

    epoch: int
    seq: int
    members: tuple[str, ...]
    leader: str | None
    read_only: str | None
    wanted: int
    mirrors: tuple[MirrorStatus, ...]


class _Waiting:
    __slots__ = ("function", "future", "loop")

    def __init__(self, function: Callable[[Transaction], Any]) -> None:
        self.function = function
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()


def attach(
    pool: Pool,
    runtime: Path,
    *,
    strict: bool = True,
    settle: float = SETTLE_SECONDS,
    lock: IO[bytes] | None = None,
) -> Catalog:
    """The catalog for a worker or the jobs process, after `start` has run in the supervisor. `strict=False`: no fsync.

    `settle`: seconds that a drive that was faulty must have been online before `maintain` gives it a mirror.
    `lock`: the commit lock, where the supervisor opened it for this process."""
    return Catalog(pool, Shared(runtime, lock), strict=strict, settle=settle)


class Catalog:
    """The catalog of one process; see `attach`."""

    def __init__(self, pool: Pool, shared: Shared, *, strict: bool, settle: float) -> None:
        self._pool = pool
        self._shared = shared
        self._strict = strict
        self._members = Members(pool, shared, strict=strict)
        self._upkeep_members = Members(pool, shared, strict=strict, leads=True)
        self._upkeep = Upkeep(self._upkeep_members, settle=settle)
        self._maintaining = threading.Lock()
        self._readers = Readers(shared, strict=strict, deadline=pool.deadline)
        self._queue: deque[_Waiting] = deque()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._commit_forever, name="catalog", daemon=True)
        self._thread.start()

    async def write(self, function: Callable[[Transaction], T]) -> T:
        """Run a transaction function and publish what it wrote, durably; its result, or its exception with nothing
        published. The function may run more than once, on the catalog's thread.

        Raises ReadOnly without a write quorum, and Undecided (undo nothing then: it may yet be published)."""
        waiting = _Waiting(function)
        with self._wake:
            if self._closed:
                raise CatalogError("the catalog is closed")
            self._queue.append(waiting)
            self._wake.notify()
        result: T = await waiting.future
        return result

    def read(self, function: Callable[[Transaction], T]) -> T:
        """Run a function that only reads, on the calling thread, on one consistent view. Raises what it raises;
        CorruptRecord or MirrorFailed when no member can answer."""
        return self._readers.read(function)

    async def settled(self) -> None:
        """Wait until no commit that was cut short is still to become visible: who is read from now on knows all that
        was ever published by those who are dead by now. For what removes for good what nobody refers to. Raises
        ReadOnly."""
        await self.write(lambda _: None)

    async def certain(self, function: Callable[[Transaction], Collection[T]]) -> set[T]:
        """Of what a function that only reads finds: that which it finds on every mirror, at one transaction. For what
        removes for good what nobody refers to: by a page that a drive gives as it once was, that may be anything.
        A commit that was cut short is made whole before; where mirrors differ they are compared soon. Raises ReadOnly,
        MirrorFailed when no member can answer."""
        await self.settled()
        return await asyncio.to_thread(self._certain, function)

    def _certain(self, function: Callable[[Transaction], Collection[T]]) -> set[T]:
        answers: list[set[T]] = []
        with self.views() as (found, failures):
            for view in found:
                try:
                    answers.append(set(view.read(function)))
                except (CatalogError, *FAULTS) as error:
                    failures.append(MirrorFailed(view.drive, str(error)))
        if not answers:
            raise failures[0] if failures else CatalogError("there is no mirror of the catalog")
        agreed = set.intersection(*answers)
        if any(answer != agreed for answer in answers):
            _log.error("mirrors of the catalog do not agree on what may be removed: it stays until they are compared")
            self._shared.doubt()
        return agreed

    def require_room(self) -> None:
        """Raise CatalogFull, naming the drives, where the catalog should not take more than it has to: a drive that
        holds it is full. For whoever is about to add; what deletes goes on."""
        holding = [self._pool.by_id(member) for member, _ in self._readers.members]
        if full := [str(drive.path) for drive in holding if drive is not None and drive.crowded]:
            raise CatalogFull("drives that hold the catalog are full", full)

    def ballot(self) -> Ballot:
        """The ballot in force: who votes, and where those drives are."""
        return self._shared.state().ballot

    def status(self) -> CatalogStatus:
        """Who holds mirrors now, and whether writes are taken. Some 100 us."""
        state = self._shared.state()
        mirrors = tuple(_mirror_status(member, state.files.get(member)) for member in state.ballot.members)
        reason = state.read_only or ballots.shortfall(self._pool) or (None if state.settled else "an election is open")
        try:
            row = self.read(lambda tx: tx.one("SELECT seq FROM mirror"))
        except CatalogError:
            row = None
        members = state.ballot.members
        leader = members[0] if members else None
        return CatalogStatus(
            state.ballot.epoch, row[0] if row else 0, members, leader, reason, wanted(self._pool), mirrors
        )

    @contextlib.contextmanager
    def views(self) -> Iterator[tuple[list[View], list[MirrorFailed]]]:
        """All mirrors at one transaction, leader first, for a check; and why others cannot be looked at. Blocks."""
        with contextlib.ExitStack() as stack:
            with self._shared.locked():
                if self._shared.unfinished:
                    self._level()
                state = self._shared.state()
                files = [(member, state.files[member]) for member in state.ballot.members if member in state.files]
                deadline = max((drive.deadline for drive in self._pool.drives), default=DEADLINE)
                places = [(one, Path(file.path), file) for one, file in files]
                found = stack.enter_context(views.opened(places, deadline))
            yield found

    def _level(self) -> None:
        """Have all mirrors stand at one place, where that can be. Under the lock."""
        members = Members(self._pool, self._shared, strict=self._strict)
        try:
            with contextlib.suppress(ReadOnly):
                members.ready()
        finally:
            members.close()

    @property
    def doubted(self) -> bool:
        """Whether mirrors contradict each other, and somebody has to compare them (`settle`)."""
        return self._shared.doubted

    def settle(self, wrong: Collection[str]) -> None:
        """The mirrors have been compared: those on the drives `wrong` are made again from another one, by `maintain`,
        soon."""
        for drive in wrong:
            self._shared.suspect(drive)
        if self.doubted:
            self._shared.settle(alike=not wrong)

    async def maintain(self) -> None:
        """Replace mirrors that were lost, tell returned drives the ballot, end a read-only time when a quorum is back,
        keep write-ahead logs short. Run it every few seconds, in one process."""
        await asyncio.to_thread(self._maintain)

    def _maintain(self) -> None:
        with self._maintaining:
            if self._closed:
                return
            try:
                self._upkeep.run()
            except ReadOnly:
                pass  # told where it began
            except CatalogError as error:
                _log.warning("upkeep of the catalog: %s", error)

    def close(self) -> None:
        """Commit what waits and end the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join(30)
        with self._maintaining:
            self._upkeep_members.close()
        self._readers.close()
        if not self._thread.is_alive():
            self._members.close(fold=True)
        self._shared.close()

    def _commit_forever(self) -> None:
        be_prompt()
        while True:
            with self._wake:
                while not self._queue and not self._closed:
                    self._wake.wait()
                if not self._queue:
                    return
            with self._shared.locked():
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_IN_A_COMMIT))]
                outcomes = self._commit(batch)
            _deliver(batch, outcomes)

    def _commit(self, batch: list[_Waiting]) -> Iterable[Outcome]:
        try:
            return engine.commit(self._members, [waiting.function for waiting in batch])
        except CatalogError as error:
            return [(None, error)] * len(batch)
        except BaseException as error:  # a bug must not leave callers waiting for ever
            _log.exception("a commit failed")
            return [(None, error)] * len(batch)


def _mirror_status(member: str, file: File | None) -> MirrorStatus:
    if file is None:
        return MirrorStatus(member, "", 0, "nobody has seen its file")
    path = Path(file.path)
    try:
        problem = None if File.at(path) == file else "was replaced"
        return MirrorStatus(member, str(path.parent), path.stat().st_size, problem)
    except OSError as error:
        return MirrorStatus(member, str(path.parent), 0, error.strerror)


def _deliver(batch: list[_Waiting], outcomes: Iterable[Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
    for waiting, outcome in zip(batch, outcomes, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting.future, outcome))
    for loop, settled in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple[asyncio.Future[Any], Outcome]]) -> None:
    for future, (result, error) in settled:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(_raised(error))


def _raised(error: BaseException) -> BaseException:
    """The exception that a caller gets: one of its own, and none that no future takes."""
    if isinstance(error, ReadOnly):
        return error.again()
    if isinstance(error, StopIteration):
        wrapped = RuntimeError("a transaction function raised StopIteration")
        wrapped.__cause__ = error
        return wrapped
    return error
