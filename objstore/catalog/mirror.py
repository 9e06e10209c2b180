"""One mirror: a SQLite file on one drive, as one process has it open for writing.

A mirror knows where it stands (`Position`), written in the transaction that brings it there, beside the redo log of its
latest transactions. Everything a mirror can fail by becomes `MirrorFailed`, so that the engine has one case. What may
hang with its disk runs on a thread of the mirror's own, with a deadline.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import apsw

from objstore.catalog import pages, redo
from objstore.catalog.errors import Differs, MirrorFailed, NoAnswer, OutOfStep, SchemaTooNew
from objstore.catalog.hands import Hand
from objstore.catalog.redo import Position, Step
from objstore.catalog.schema import VERSION
from objstore.catalog.shared import File
from objstore.counting import number_of
from objstore.drives import space
from objstore.drives.drive import DEADLINE, Drive
from objstore.drives.state import DriveState
from objstore.drives.system import SYSTEM

T = TypeVar("T")

FILE = "catalog.db"
CHECKPOINT_PAGES = 16_384  # a fallback: `maintain` checkpoints long before
_FEWEST_PAGES = 64
_CACHE_KIB = 32_768
_PAGE = 4_096
_STRIDE = 200_000  # operations of SQLite's machine: some milliseconds
_IN_THE_WAY_MILLISECONDS = 100  # for so long commits wait for a slow reader

# What says that the medium or the file is bad; the rest (constraints, wrong SQL) is the caller's own mistake.
FAULTS = (
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.FullError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.ConnectionClosedError,
)


def connect(path: Path, *, strict: bool, cache_kib: int, log_pages: int = CHECKPOINT_PAGES) -> apsw.Connection:
    """Open a mirror's file, which must exist. Raises apsw.Error, SchemaTooNew."""
    connection = pages.connect(path, statements=256)
    try:
        connection.pragma("journal_mode", "wal")
        connection.pragma("synchronous", "full" if strict else "normal")
        connection.pragma("wal_autocheckpoint", log_pages)
        connection.pragma("cache_size", -cache_kib)
        version = connection.pragma("user_version")
    except BaseException:
        connection.close()
        raise
    if version > VERSION:
        connection.close()
        raise SchemaTooNew(version, VERSION)
    return connection


class Mirror:
    """The mirror on the drive `member`, its file at `path`. Raises MirrorFailed where that is not there or not ours,
    SchemaTooNew.

    `drive` is what this process knows of the drive, if anything: another process may have noticed it before."""

    def __init__(self, member: str, path: Path, drive: Drive | None, *, strict: bool) -> None:
        self.id = member
        self.path = path
        self.deadline = drive.deadline if drive is not None else DEADLINE
        self._drive = drive
        self._log = path.with_name(f"{path.name}-wal")
        self._hand: Hand | None = None
        self.abandoned = False
        self.strides = 0  # grows while a statement gets on
        self._opened: apsw.Connection | None = None
        with self.failures():
            before = File.at(path)
            stood = _without_log(path)
            self._opened = connect(self.path, strict=strict, cache_kib=_CACHE_KIB, log_pages=_log_pages(drive))
        try:
            self._files = self._identity()
            self._size = path.stat().st_size
            self._opened.set_progress_handler(self._stride, _STRIDE)
            if before != self.file:
                raise MirrorFailed(self.id, "was replaced while it was opened")
            if stood > (now := self.position().seq):
                raise MirrorFailed(self.id, f"its log ends at transaction {now}, its file has pages of {stood}")
        except (apsw.Error, OSError) as error:
            self.close()
            raise self.failure(error) from error
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Mirror {self.path}>"

    @property
    def connection(self) -> apsw.Connection:
        """The connection to the file."""
        assert self._opened is not None, "a mirror that could not be opened is not used"
        return self._opened

    @property
    def file(self) -> File:
        """The file that is open."""
        return self._files[0]

    def _stride(self) -> bool:
        self.strides += 1
        return False  # go on

    def _identity(self) -> tuple[File, File]:
        return File.at(self.path), File.at(self._log)

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Turn what SQLite and the system say about the mirror into MirrorFailed."""
        try:
            yield
        except (*FAULTS, OSError) as error:
            raise self.failure(error) from error

    def failure(self, error: Exception) -> MirrorFailed:
        """The MirrorFailed that says `error`."""
        code = _reason(self._opened, error)
        full = isinstance(error, apsw.FullError) or code in (errno.ENOSPC, errno.EDQUOT)
        why = f" ({os.strerror(code)})" if code and isinstance(error, apsw.Error) else ""
        return MirrorFailed(self.id, f"{type(error).__name__}: {error}{why}", full=full)

    @property
    def faulty(self) -> bool:
        """Whether its drive is left alone."""
        return self._drive is not None and self._drive.state is DriveState.FAULTY

    def problem(self) -> MirrorFailed | None:
        """Why what is written here would reach nobody; None when all is well. Three calls of stat."""
        if self.abandoned:
            return self._late()
        if self._drive is not None and self.faulty:
            return MirrorFailed(self.id, f"its drive is faulty: {self._drive.problem}", intact=True)
        try:
            if self._identity() != self._files:
                return MirrorFailed(self.id, f"{self.path} was replaced")
            size = self.path.stat().st_size
        except OSError as error:
            return MirrorFailed(self.id, f"{self.path}: {error.strerror}", intact=not self.path.parent.exists())
        if size < self._size:  # it only ever grows, and what was cut off may be in every cache for long
            return MirrorFailed(self.id, f"{self.path} was cut from {self._size} to {size} bytes")
        self._size = size
        return None

    def check(self) -> None:
        """Raise MirrorFailed where there is a problem."""
        if (problem := self.problem()) is not None:
            raise problem

    def position(self) -> Position:
        """Where it stands."""
        with self.failures():
            row = self.connection.execute("SELECT epoch, seq, chain, logged, members FROM mirror").fetchone()
        if row is None:
            raise MirrorFailed(self.id, "says nowhere where it stands")
        epoch, seq, chain, logged, members = row
        return Position(epoch, seq, chain, logged, tuple(members.split()))

    # --- one transaction: begin, (statements), stamp, commit

    def begin(self) -> None:
        """Open a transaction that writes."""
        with self.failures():
            self.connection.execute("BEGIN IMMEDIATE")

    def stamp(self, step: Step) -> None:
        """Move from `before` to `after` inside the open transaction; OutOfStep where the mirror is not at `before`."""
        before, after, packed = step.before, step.after, step.packed
        execute = self.connection.execute
        execute(
            "UPDATE mirror SET epoch = ?, seq = ?, chain = ?, logged = ?, members = ? WHERE seq = ? AND chain = ?",
            (*after[:4], " ".join(after.members), before.seq, before.chain),
        )
        if self.connection.changes() != 1:
            raise OutOfStep(self.id, f"does not stand at transaction {before.seq}")
        execute("INSERT INTO redo (seq, epoch, chain, logged, statements) VALUES (?, ?, ?, ?, ?)", (
            after.seq, after.epoch, after.chain, after.logged, packed,
        ))  # fmt: skip
        if after.seq % redo.TRIM_EVERY == 0:
            self._trim(after)

    def _trim(self, now: Position) -> None:
        """Forget the oldest transactions; each mirror does so at the same ones, so that all stay equal."""
        sql = "SELECT seq FROM redo WHERE logged > ? ORDER BY seq LIMIT 1"
        kept = self.connection.execute(sql, (now.logged - redo.KEEP_BYTES,)).fetchone()
        first = max(kept[0] if kept else now.seq, now.seq - redo.KEEP_TRANSACTIONS)
        self.connection.execute("DELETE FROM redo WHERE seq < ?", (first,))

    def apply(self, step: Step) -> None:
        """Do what the leader did, in a transaction that is left open; nothing is left when it fails. Raises Differs
        where something else stands here than there."""
        self.check()
        try:
            with self.failures():
                self.connection.execute("BEGIN IMMEDIATE")
                self.do(step)
        except MirrorFailed:
            self.rollback()
            raise

    def do(self, step: Step) -> None:
        """Inside the open transaction, write what a step writes. Raises apsw.Error of FAULTS, OutOfStep and Differs."""
        try:
            self.stamp(step)
            total = self.connection.total_changes()
            for sql, params in step.statements:
                self.connection.execute(sql, params)
        except FAULTS:
            raise
        except apsw.Error as error:  # it worked on the leader
            raise Differs(self.id, f"{type(error).__name__}: {error}") from error
        if (changed := self.connection.total_changes() - total) != step.changed:
            raise Differs(self.id, f"{number_of(changed, 'row')} changed, elsewhere {step.changed}")

    def commit(self) -> None:
        """Commit the open transaction, durably, in the file that is at the path."""
        try:
            with self.failures():
                self.connection.execute("COMMIT")
        except MirrorFailed:
            self.rollback()
            raise
        self.check()

    def publish(self, step: Step) -> None:
        """Commit `step`, which is open; where the disk is full, make room and do it once more."""
        try:
            self.commit()
        except MirrorFailed as error:
            if not error.full or not self.make_room():
                raise
            self.apply(step)
            self.commit()

    def make_room(self) -> bool:
        """On a full disk: give the drive's ballast up and let the write-ahead log begin anew; whether it may help."""
        self.rollback()
        given = anew = False
        with contextlib.suppress(OSError):
            given = space.give_up(self.path.parent, self._drive.system if self._drive else SYSTEM)
        with contextlib.suppress(MirrorFailed):
            anew = self.log_bytes() > 0 and self.restart_log(truncate=False)
        return given or anew

    def rollback(self) -> None:
        """Leave the transaction, if one is open."""
        if not self.abandoned:
            with contextlib.suppress(apsw.Error):
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    # --- the write-ahead log

    def checkpoint(self) -> int:
        """Move what nobody needs any more from the write-ahead log into the file, beside running commits; the bytes of
        the log that are in use."""
        with self.failures():
            frames, _ = self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        return int(frames) * _PAGE

    def restart_log(self, *, truncate: bool) -> bool:
        """Move the rest and let the log begin anew, under the commit lock; False when a reader is in the way.

        The file keeps its length unless `truncate`: writes that need not make it longer are synced sooner."""
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if truncate else apsw.SQLITE_CHECKPOINT_RESTART
        self.connection.set_busy_timeout(_IN_THE_WAY_MILLISECONDS)
        try:
            with self.failures():
                self.connection.wal_checkpoint(mode=mode)
        except MirrorFailed as error:
            if isinstance(error.__cause__, apsw.BusyError):
                return False
            raise
        finally:
            self.connection.set_busy_timeout(pages.BUSY_MILLISECONDS)
        return True

    def size(self) -> int:
        """Length of the file. Raises MirrorFailed."""
        with self.failures():
            return self.path.stat().st_size

    def log_bytes(self) -> int:
        """Length of the write-ahead log."""
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    # --- its own thread

    def submit(self, work: Callable[[Mirror], T]) -> concurrent.futures.Future[T]:
        """Run `work(self)` on the thread of this mirror."""
        if self.abandoned:  # its thread is in a call that has not returned
            failed: concurrent.futures.Future[T] = concurrent.futures.Future()
            failed.set_exception(self._late())
            return failed
        if self._hand is None:
            self._hand = Hand(f"mirror-{self.path.parent.name}")
        return self._hand.submit(lambda: work(self))

    def abandon(self) -> MirrorFailed:
        """Leave the mirror to its thread, which did not come back in time; the error that says so. Nobody else is to
        wait for the drive."""
        self.abandoned = True
        late = self._late()
        hangs(self._drive, late)
        return late

    def _late(self) -> NoAnswer:
        return NoAnswer(self.id, f"no answer within {self.deadline:g} s")

    def close(self, *, fold: bool = False) -> None:
        """Let go of the file; one that hangs does so when its thread comes back. `fold`: whoever is the last one to do
        so moves the write-ahead log into the file, and removes it."""
        if self.abandoned and self._hand is not None:
            self._hand.submit(self.connection.close)
        else:
            with contextlib.suppress(apsw.Error):
                pages.fold_on_close(self.connection, fold)
                self.connection.close()
        if self._hand is not None:
            self._hand.dismiss()


def hangs(drive: Drive | None, error: NoAnswer) -> None:
    """Nobody else is to wait for a drive that gave no answer in its own time."""
    if drive is not None and drive.state is DriveState.ONLINE:
        drive.fault(f"its mirror of the catalog: {error.reason}")


def _without_log(path: Path) -> int:
    """Up to which transaction pages of the log were moved into the file; 0 where that cannot be told.

    A log that ends before is damaged, and would put older pages over some of them."""
    try:
        with contextlib.closing(pages.without_log(path)) as connection:
            row = connection.execute("SELECT seq FROM mirror").fetchone()
    except apsw.Error:
        return 0
    return int(row[0]) if row is not None else 0


def _log_pages(drive: Drive | None) -> int:
    """At how many pages a commit itself moves the log into the file: so few that the room of the ballast takes them,
    and a log can begin anew on a full disk."""
    room = drive.measured.ballast * 2 // 3 // _PAGE if drive is not None else 0
    return min(CHECKPOINT_PAGES, max(_FEWEST_PAGES, room)) if room else CHECKPOINT_PAGES


def _reason(connection: apsw.Connection | None, error: Exception) -> int | None:
    """The system's number of an error: SQLite has no name of its own for a quota, or for an index it cannot extend."""
    if isinstance(error, OSError):
        return error.errno
    return connection.system_errno if connection is not None and isinstance(error, apsw.IOError) else None
