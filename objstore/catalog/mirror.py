"""One mirror: a SQLite file on one drive, as one process has it open.

A mirror knows where it stands: `(epoch, seq, members)`, written in the transaction that brings it there, beside the
redo log of its latest transactions. Everything a mirror can fail by becomes `MirrorFailed`, so that the engine has one
case.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec

from objstore.catalog.errors import MirrorFailed, SchemaTooNew
from objstore.catalog.schema import MIGRATIONS, VERSION
from objstore.catalog.transaction import Row, Value

FILE = "catalog.db"
BUSY_MILLISECONDS = 20_000
CHECKPOINT_PAGES = 16_384  # a fallback: `maintain` checkpoints long before
REDO_TRANSACTIONS = 2_000

# What says that the medium or the file is bad; the rest (constraints, wrong SQL) is the caller's own mistake.
FAULTS = (
    OSError,
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.FullError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.BusyError,
)

Statement = tuple[str, tuple[Value, ...]]
_statements = msgspec.msgpack.Decoder(list[tuple[str, list[Any]]])
_encode = msgspec.msgpack.Encoder().encode


class Position(NamedTuple):
    """Where a mirror stands."""

    epoch: int
    seq: int
    members: tuple[str, ...]


class Session:
    """A `Transaction` over one connection; `written` holds the statements that wrote, in order."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.written: list[Statement] = []

    def one(self, sql: str, *params: Value) -> Row | None:
        row: Row
        for row in self._connection.execute(sql, params):
            return row
        return None

    def all(self, sql: str, *params: Value) -> list[Row]:
        return list(self._connection.execute(sql, params))

    def run(self, sql: str, *params: Value) -> int:
        self._connection.execute(sql, params)
        self.written.append((sql, params))
        return self._connection.changes()


class Mirror:
    """The mirror on the drive `drive`, folder `path`. Raises MirrorFailed where its file is not there or not ours."""

    def __init__(self, drive: str, path: Path, *, strict: bool, create: bool = False) -> None:
        self.drive = drive
        self.path = path / FILE
        with self.failures():
            flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
            self.connection = apsw.Connection(str(self.path), flags=flags)
            self._inode = self._stat()
            self.connection.setbusytimeout(BUSY_MILLISECONDS)
            self.connection.pragma("journal_mode", "wal")
            self.connection.pragma("synchronous", "full" if strict else "off")
            self.connection.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            self.connection.pragma("cache_size", -65_536)
            self._migrate(create)

    def _migrate(self, create: bool) -> None:
        found = int(self.connection.pragma("user_version"))
        if found > VERSION:
            raise SchemaTooNew(found, VERSION)
        if found == 0 and not create:
            raise MirrorFailed(self.drive, "holds no catalog")
        for number in range(found, VERSION):
            with self.connection:
                for sql in MIGRATIONS[number]:
                    self.connection.execute(sql)
                self.connection.pragma("user_version", number + 1)

    def _stat(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_dev, status.st_ino

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Turn what SQLite and the system say into MirrorFailed."""
        try:
            yield
        except FAULTS as error:
            raise MirrorFailed(self.drive, f"{type(error).__name__}: {error}") from error

    def check(self) -> None:
        """Raise MirrorFailed when the file at the path is no longer the one that is open: then writes reach nobody."""
        try:
            same = self._stat() == self._inode
        except OSError as error:
            raise MirrorFailed(self.drive, f"{self.path}: {error.strerror}") from error
        if not same:
            raise MirrorFailed(self.drive, f"{self.path} was replaced")

    def position(self) -> Position:
        """Where it stands; epoch 0 when it was never written."""
        with self.failures():
            for epoch, seq, members in self.connection.execute("SELECT epoch, seq, members FROM mirror"):
                return Position(epoch, seq, tuple(members.split()))
        return Position(0, 0, ())

    def begin(self) -> None:
        with self.failures():
            self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        with self.failures():
            self.connection.execute("COMMIT")

    def rollback(self) -> None:
        with contextlib.suppress(apsw.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def apply(self, statements: Sequence[Statement]) -> None:
        """Execute statements inside the transaction that `begin` opened."""
        with self.failures():
            execute = self.connection.execute
            for sql, params in statements:
                execute(sql, params)

    def replay(self, leader: Mirror) -> bool:
        """Bring this mirror to where `leader` is by its redo log, durably; False when the log does not reach back."""
        here, there = self.position(), leader.position()
        if here.seq >= there.seq:
            return False
        with leader.failures():
            rows = list(
                leader.connection.execute("SELECT seq, statements FROM redo WHERE seq > ? ORDER BY seq", (here.seq,))
            )
        if [seq for seq, _ in rows] != list(range(here.seq + 1, there.seq + 1)):
            return False
        self.begin()
        try:
            for seq, packed in rows:
                self.apply(unpack_statements(packed))
                self.apply([redo_row(there.epoch, seq, packed)])
            self.apply([standing(there)])
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return True

    def checkpoint(self, *, truncate: bool) -> None:
        """Move the write-ahead log into the file; `truncate` (under the commit lock) empties it."""
        with self.failures():
            mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if truncate else apsw.SQLITE_CHECKPOINT_PASSIVE
            self.connection.wal_checkpoint(mode=mode)

    def wal_bytes(self) -> int:
        """Length of the write-ahead log."""
        try:
            return self.path.with_name(FILE + "-wal").stat().st_size
        except OSError:
            return 0

    def quick_check(self) -> None:
        """Raise MirrorFailed unless SQLite finds the file whole."""
        with self.failures():
            found = self.connection.pragma("quick_check")
        if found != "ok":
            raise MirrorFailed(self.drive, f"is damaged: {str(found)[:200]}")

    def gone(self) -> MirrorFailed:
        """The error that says that its drive does not answer."""
        return MirrorFailed(self.drive, "its drive does not answer")

    def close(self) -> None:
        with contextlib.suppress(apsw.Error):
            self.connection.close()


def pack_statements(statements: Sequence[Statement]) -> bytes:
    """Statements as a redo row holds them."""
    return _encode(statements)


def unpack_statements(packed: bytes) -> list[Statement]:
    """What `pack_statements` packed."""
    return [(sql, tuple(params)) for sql, params in _statements.decode(packed)]


def redo_row(epoch: int, seq: int, packed: bytes) -> Statement:
    """The statement that enters a transaction into the redo log."""
    return (
        "INSERT OR REPLACE INTO redo (seq, epoch, size, statements) VALUES (?, ?, ?, ?)",
        (seq, epoch, len(packed), packed),
    )


def standing(position: Position) -> Statement:
    """The statement that says where a mirror stands."""
    return (
        "INSERT OR REPLACE INTO mirror (one, epoch, seq, members) VALUES (1, ?, ?, ?)",
        (position.epoch, position.seq, " ".join(position.members)),
    )


def fresh_copy(leader: Mirror, drive: str, folder: Path, *, strict: bool) -> Mirror:
    """Make the mirror of `folder` a copy of `leader`'s whole content, durably, in place of whatever is there.

    Copied beside, checked, synced, renamed: a crash leaves the old file or the new one. Raises MirrorFailed.
    """
    beside, target = folder / (FILE + ".copy"), folder / FILE
    try:
        for path in (beside, Path(f"{beside}-wal"), Path(f"{beside}-shm")):
            path.unlink(missing_ok=True)
        copy = apsw.Connection(str(beside))
        with copy.backup("main", leader.connection, "main") as backup:
            while not backup.done:
                backup.step(4096)
        if copy.pragma("quick_check") != "ok":
            raise MirrorFailed(drive, "the fresh copy does not pass its check")
        copy.pragma("journal_mode", "delete")
        copy.close()
        _sync(beside)
        for suffix in ("-wal", "-shm"):
            Path(f"{target}{suffix}").unlink(missing_ok=True)
        beside.rename(target)
        _sync(folder)
    except (apsw.Error, OSError) as error:
        raise MirrorFailed(drive, f"cannot be copied afresh: {error}") from error
    return Mirror(drive, folder, strict=strict)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
