"""One drive, for the event loop: shard operations as awaitables, each on the drive's own threads.

Three crews keep kinds of work out of each other's way: one thread *appends*, taking all that wait as one batch; a few
*read*; a few *work* on everything else. A call on a drive that is not online fails at once. Before anything is called
durable the drive's identity is looked at: bytes that went into a folder which is no longer this drive are not safe.

All methods that return a Future start at once and may be gathered; they raise only through it. `offset` and `length`
are bytes of the shard file, counted from its very start. Errors are those of `objstore.drives.errors`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import errno
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from objstore.drives import appends, space
from objstore.drives.appends import Append
from objstore.drives.crew import Call, Crew, Outbox, outbox_of
from objstore.drives.errors import DriveError, DriveFull, ShardUnreadable
from objstore.drives.format import Ballot, Format, format_drive, mark_removed, read_ballot, write_ballot
from objstore.drives.health import Health
from objstore.drives.inspection import Inspection
from objstore.drives.shardfiles import Buffer, Key, Punched, ShardFiles, ShardStat, named
from objstore.drives.space import Usage
from objstore.drives.state import DriveState
from objstore.drives.system import System, buffer_for

T = TypeVar("T")

DEADLINE = 10.0
READERS, WORKERS = 4, 4
_DOUBTED_SECONDS = 1.0
_PATIENT = 6  # a sync of a large stream, a listing: so many deadlines
_READ_ERRORS = 3  # so many unreadable places in a row are a faulty drive
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


class Drive(Health):
    """The drive at one slot of the pool. A folder with another identity is another Drive.

    `draining`: what it holds is being moved to other drives, and nothing new is placed on it.
    `voting`: a start looks for it; where it has no vote yet, nothing is placed on it."""

    def __init__(
        self,
        found: Inspection,
        *,
        strict: bool = True,
        deadline: float = DEADLINE,
        open_files: int = 512,
        system: System | None = None,
        on_change: Callable[[Drive, DriveState, DriveState], None] | None = None,
    ) -> None:
        super().__init__(found, system or System(), self._changed)
        self.deadline = deadline
        self._files = ShardFiles(found.path, self.system, strict=strict, open_files=open_files)
        self._on_change = on_change
        self._nowait = hasattr(os, "RWF_NOWAIT")
        self.draining, self.voting = False, True
        self._read_errors = 0
        self._punches: bool | None = None
        self._home: tuple[asyncio.AbstractEventLoop | None, Outbox | None] = (None, None)
        name = found.path.name
        self._appender = Crew(f"append-{name}", 1, self._perform_appends, self.fault, greedy=True)
        self._readers = Crew(f"read-{name}", READERS, self._perform, self.fault)
        self._workers = Crew(f"work-{name}", WORKERS, self._perform, self.fault, queueing=_PATIENT * deadline)
        self._scout = Crew(f"probe-{name}", 1, self._perform_unasked, self.fault)

    def __repr__(self) -> str:
        return f"<Drive {self.path} {self.id} {self.state}>"

    # --- shard files

    def create(
        self, blob: bytes, index: int, header: Buffer, preallocate: int = 0, *, temporary: bool = False
    ) -> asyncio.Future[None]:
        """Make the shard file with `header` at 0 and `preallocate` bytes reserved in all; durable.

        Raises ShardExists; a `temporary` file (see `place`) replaces one left over."""
        key = (blob, index, temporary)
        return self._submit(self._workers, 1, self._durable, key, self._files.create, key, header, preallocate)

    def append(self, blob: bytes, index: int, offset: int, buffers: Sequence[Buffer]) -> asyncio.Future[None]:
        """Write `buffers` one after another at `offset`; done when durable. Appends of one moment share one sync.

        The bytes from their end to the next 4 KiB boundary belong to this append and may become zeros."""
        if self.state is not DriveState.ONLINE:
            return self._refuse()
        outbox = self._outbox()
        future: asyncio.Future[None] = outbox.loop.create_future()
        self._appender.submit(Append(future, outbox, self.deadline, (blob, index, False), offset, buffers))
        return future

    def write(
        self, blob: bytes, index: int, offset: int, buffers: Sequence[Buffer], *, temporary: bool = False
    ) -> asyncio.Future[None]:
        """Write `buffers` at `offset`, durable only after `sync` (or `finish`, `place`)."""
        key = (blob, index, temporary)
        return self._submit(self._workers, 1, self._guarded, key, self._files.write, key, offset, buffers)

    def sync(self, blob: bytes, index: int, *, temporary: bool = False) -> asyncio.Future[None]:
        """Make all that was written to the shard durable."""
        key = (blob, index, temporary)
        return self._submit(self._workers, _PATIENT, self._durable, key, self._files.sync, key)

    def finish(self, blob: bytes, index: int, length: int, *, temporary: bool = False) -> asyncio.Future[None]:
        """Cut the file to `length` bytes, durably: at sealing, what was preallocated beyond goes back."""
        key = (blob, index, temporary)
        return self._submit(self._workers, _PATIENT, self._durable, key, self._files.finish, key, length)

    def place(self, blob: bytes, index: int) -> asyncio.Future[None]:
        """Give the temporary shard file its name, over what is there, durably."""
        key = (blob, index, True)
        return self._submit(self._workers, _PATIENT, self._durable, key, self._files.place, blob, index)

    def read_now(self, blob: bytes, index: int, offset: int, length: int) -> Buffer | None:
        """The range if it is in the page cache and the file is open, on this thread, without waiting; else None."""
        file = self._files.cached((blob, index, False))
        if file is None or not self._nowait or self.state is not DriveState.ONLINE:
            return None
        buffer = buffer_for(length)
        try:
            got = self.system.preadv(file.fd, [buffer], offset, os.RWF_NOWAIT)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                self._nowait = False
            return None  # `read` will meet the error again, and name it
        return buffer if got == length else None

    def read(
        self, blob: bytes, index: int, offset: int, length: int, *, temporary: bool = False
    ) -> asyncio.Future[Buffer]:
        """Exactly `length` bytes at `offset`. Raises ShardNotFound, ShardShort, ShardUnreadable, DriveError."""
        key = (blob, index, temporary)
        return self._submit(self._readers, 1, self._read, key, offset, length)

    def punch(self, blob: bytes, index: int, ranges: Sequence[tuple[int, int]]) -> asyncio.Future[Punched]:
        """Give ranges (offset, length) back to the file system. Punched.UNSUPPORTED where it takes none."""
        key = (blob, index, False)
        return self._submit(self._workers, _PATIENT, self._present, key, self._files.punch, key, ranges)

    def unlink(self, blob: bytes, index: int, *, temporary: bool = False) -> asyncio.Future[bool]:
        """Remove the shard file; False when there was none."""
        key = (blob, index, temporary)
        return self._submit(self._workers, _PATIENT, self._present, key, self._files.unlink, key)

    def forget(self, blob: bytes, index: int) -> None:
        """Open the file afresh at its next use: another process may have placed another one under its name."""
        self._files.forget((blob, index, False))

    async def shards(self) -> list[ShardStat]:
        """Every shard file on the drive (blob, index, size, mtime), sorted by folder; no temporary ones."""
        return await self._list(temporary=False)

    async def discard_temporaries(self) -> int:
        """Remove what rebuilds that were killed left behind; the answer is how many. Not beside running rebuilds."""
        found = await self._list(temporary=True)
        for blob, index, _, _ in found:
            await self.unlink(blob, index, temporary=True)
        return len(found)

    async def _list(self, *, temporary: bool) -> list[ShardStat]:
        found: list[ShardStat] = []
        for folder in await self._submit(self._workers, _PATIENT, self._present, None, self._files.folders):
            found += await self._submit(
                self._workers, _PATIENT, self._present, None, self._files.listing, folder, temporary
            )
        return found

    def keep_ballast(self) -> asyncio.Future[bool]:
        """Make the drive's ballast where it is missing and there is room for it; whether there is one now."""
        return self._submit(self._workers, 1, self._present, None, self.take_in_ballast)

    async def punches(self) -> bool:
        """Whether `punch` gives space back on this file system; found out once."""
        if self._punches is None:
            self._punches = await self._submit(self._workers, 1, self._guarded, None, self._try_punch)
        return self._punches

    def _try_punch(self) -> bool:
        return space.punches(self.system, self.path)

    # --- for other threads

    def run(self, work: Callable[..., T], *arguments: Any, deadline: float | None = None) -> T:
        """Call `work` on a thread of this drive and wait, from a thread that is not an event loop's.

        OSError becomes a DriveError and a missed deadline makes the drive faulty, as with shard operations; `work` is
        begun, and counts as done, only on a folder that is this drive. What finds no space is done again without the
        ballast: it is the catalog's and the ballots' way to the drive."""
        try:
            return self._run(work, *arguments, deadline=deadline)
        except DriveFull:
            if not self._run(self.give_up_ballast, deadline=deadline):
                raise
            return self._run(work, *arguments, deadline=deadline)

    def _run(self, work: Callable[..., T], *arguments: Any, deadline: float | None) -> T:
        if self.state is not DriveState.ONLINE:
            raise self.refusal()
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        bound = (None, work, *arguments)
        self._workers.submit(Call(future, None, deadline or self.deadline, self._confirmed, bound))
        return future.result()

    def read_ballot(self) -> Ballot | None:
        """The drive's ballot. Blocks, see `run`. Raises FormatCorrupt when it is damaged."""
        return self.run(read_ballot, self.path, self.system)

    def write_ballot(self, ballot: Ballot) -> None:
        """Make `ballot` the drive's, durably. Blocks, see `run`. Raises BallotSuperseded."""
        self.run(write_ballot, self.path, ballot, self.system)

    # --- health

    @property
    def usage(self) -> Usage:
        """Bytes of the drive's file system, about a second old. Zeros until it answered for the first time."""
        now = time.monotonic()
        if now > self.measure_due and self.state is DriveState.ONLINE:
            self.measure_due = now + self.deadline  # asked once; `measure` sets the next time
            nobody: concurrent.futures.Future[None] = concurrent.futures.Future()
            self._workers.submit(Call(nobody, None, self.deadline, self._guarded, (None, self.measure)))
        return self.measured

    @property
    def used(self) -> int:
        """Bytes in use on the drive's file system."""
        return self.usage.used

    @property
    def free(self) -> int:
        """Bytes that we may still take."""
        return self.usage.free

    @property
    def crowded(self) -> bool:
        """Whether it is `full`, by a measurement about a second old."""
        _ = self.usage  # has it measured
        return self.full

    @property
    def accepting(self) -> bool:
        """Whether it takes new shards as long as it has room: online, not read-only, not draining, with a vote."""
        return self.state is DriveState.ONLINE and self.voting and not (self.read_only or self.draining)

    @property
    def writable(self) -> bool:
        """Whether a new shard should be placed here: `accepting`, and not known to be full."""
        return self.accepting and not self.crowded

    @property
    def stuck(self) -> bool:
        """Whether a look at the drive, or what makes a new one, was given up and has not returned yet."""
        return self._scout.stuck > 0

    @property
    def busy(self) -> bool:
        """Whether a call that was given up has not returned yet, and may still give a file a name, or take it away."""
        return self._workers.stuck > 0

    def late(self, seconds: float) -> bool:
        """Whether a write that should not take long has not returned for so many seconds: the drive may hang."""
        return any(crew.late(seconds, self.deadline) for crew in (self._appender, self._workers))

    def close(self) -> None:
        """Refuse further calls and let the drive's threads end."""
        self.state, self.problem = DriveState.MISSING, "closed"
        for crew in (self._appender, self._readers, self._workers, self._scout):
            crew.close()
        self._files.forget_all()

    def _changed(self, old: DriveState, new: DriveState) -> None:
        if new is DriveState.ONLINE:
            self._read_errors = 0
        else:
            self._files.forget_all()
            for crew in (self._appender, self._readers, self._workers):
                crew.fail_waiting(self.refusal())
        if self._on_change is not None:
            self._on_change(self, old, new)

    def look(self, *, doubted: bool = False) -> asyncio.Future[Inspection]:
        """What is at the path now, with a trial of its disk when it was faulty, or is `doubted`: then with little
        patience. See `Pool.probe`."""
        if self._scout.stuck:  # the last look has not returned yet: no second thread into the same hole
            outbox = self._outbox()
            future: asyncio.Future[Inspection] = outbox.loop.create_future()
            future.set_result(Inspection(self.path, DriveState.FAULTY, problem="does not answer: check the disk"))
            return future
        patience = min(1.0, _DOUBTED_SECONDS / self.deadline) if doubted else 1
        return self._enqueue(self._scout, patience, self._look, (doubted,))

    def make_new(self, deployment: str, ident: str | None = None) -> asyncio.Future[Format]:
        """Format the empty folder; see `Pool.format_new`."""
        return self._enqueue(
            self._scout, _PATIENT, self._guarded, (None, format_drive, self.path, deployment, self.system, ident)
        )

    def retire(self) -> asyncio.Future[None]:
        """Let the drive say of itself that it was taken out of its deployment."""
        return self._submit(self._workers, 1, self._present, None, mark_removed, self.path, self.system)

    # --- on the drive's threads

    def _perform_appends(self, jobs: list[Append]) -> None:
        if self.state is not DriveState.ONLINE:
            for job in jobs:
                job.error = self.refusal()
            return
        appends.perform(self.system, self._files, jobs, self.explain)
        try:
            self.confirm()
        except DriveError as error:
            for job in jobs:
                job.error = job.error or error.again()

    def _perform(self, jobs: list[Call]) -> None:
        for job in jobs:
            if job.future.cancelled():
                continue
            if self.state is not DriveState.ONLINE:
                job.error = self.refusal()
                continue
            try:
                job.result = job.work(*job.arguments)
            except Exception as error:
                job.error = error

    def _look(self, doubted: bool) -> Inspection:
        found = self.examine(doubted)
        with contextlib.suppress(OSError):  # the drive's next call meets it too
            self._files.sweep()
        return found

    def _perform_unasked(self, jobs: list[Call]) -> None:
        for job in jobs:
            job.result = job.work(*job.arguments)

    def _guarded(self, key: Key | None, work: Callable[..., T], *arguments: Any) -> T:
        try:
            return work(*arguments)
        except OSError as error:
            raise self.explain(error, key) from error

    def _durable(self, key: Key | None, work: Callable[..., T], *arguments: Any) -> T:
        """What `work` made durable counts only on a drive that is still itself."""
        result = self._guarded(key, work, *arguments)
        self.confirm()
        return result

    def _confirmed(self, key: Key | None, work: Callable[..., T], *arguments: Any) -> T:
        self.confirm()
        return self._durable(key, work, *arguments)

    def _present(self, key: Key | None, work: Callable[..., T], *arguments: Any) -> T:
        """Nothing is removed from, or found missing on, a folder that is not this drive."""
        self.confirm()
        return self._guarded(key, work, *arguments)

    def _read(self, key: Key, offset: int, length: int) -> Buffer:
        try:
            data = self._files.read(key, offset, length)
        except OSError as error:
            if error.errno != errno.EIO:
                raise self.explain(error, key) from error
            self._files.forget(key)
            self._read_errors += 1
            if self._read_errors >= _READ_ERRORS:
                raise self.explain(error, key) from error
            raise ShardUnreadable(str(self.path), f"{named(key)} at {offset}: {error.strerror}") from error
        self._read_errors = 0
        return data

    # --- on the loop

    def _outbox(self) -> Outbox:
        loop, outbox = self._home
        running = asyncio.get_running_loop()
        if outbox is None or loop is not running:
            outbox = outbox_of(running)
            self._home = (running, outbox)
        return outbox

    def _submit(self, crew: Crew, patience: int, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        if self.state is not DriveState.ONLINE:
            return self._refuse()
        return self._enqueue(crew, patience, work, arguments)

    def _enqueue(
        self, crew: Crew, patience: float, work: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> asyncio.Future[Any]:
        outbox = self._outbox()
        future: asyncio.Future[Any] = outbox.loop.create_future()
        crew.submit(Call(future, outbox, patience * self.deadline, work, arguments))
        return future

    def _refuse(self) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_exception(self.refusal())
        return future
