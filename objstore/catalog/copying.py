"""Mirrors made whole: an empty one for a new deployment, a copy of another mirror in place of a lost or damaged one.

Both are made beside (`catalog.db.new`), checked, synced and renamed. The old file goes first, then its write-ahead log:
a log that is left beside a file it does not belong to would be played into it. A crash in between leaves no mirror, and
that is safe: its drive is not a member while it is being copied, or will be found without a mirror.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import apsw

from objstore.catalog import pages, redo
from objstore.catalog.errors import MirrorFailed, NoAnswer
from objstore.catalog.hands import Progress
from objstore.catalog.mirror import FILE, Mirror
from objstore.catalog.schema import MIGRATIONS, VERSION
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.format import sync_file
from objstore.drives.system import SYSTEM, System

_PAGES = 4_096
_STRIDE = 1_000  # operations of SQLite's machine, or pages that it checks
_SEQUENCE = "sqlite_sequence"  # what SQLite itself keeps for AUTOINCREMENT


def create(drive: Drive) -> None:
    """Put an empty mirror on `drive`, durably. Raises MirrorFailed."""

    def fill(connection: apsw.Connection) -> bool:
        for migration in MIGRATIONS:
            for sql in migration:
                connection.execute(sql)
        connection.execute("INSERT INTO mirror VALUES (1, 0, 0, ?, 0, '')", (redo.ORIGIN,))
        connection.pragma("user_version", VERSION)
        return True

    build(drive, fill)


def build(drive: Drive, fill: Callable[[apsw.Connection], bool]) -> None:
    """Put a mirror that `fill` made of an empty database on `drive`, durably; nothing where it says False or raises.

    Raises MirrorFailed, and what `fill` raises of its own."""
    beside = _beside(drive)
    connection: apsw.Connection | None = None
    try:
        connection = _open(beside, drive)
        if fill(connection):
            _install(connection, beside, drive, Progress())
            return
    except (apsw.Error, OSError, DriveError) as error:
        raise MirrorFailed(drive.id or str(drive.path), f"cannot be created: {error}") from error
    finally:
        if connection is not None:
            connection.close()
    with contextlib.suppress(OSError):
        _clear(beside, drive.system)


def copy(source: Mirror, drive: Drive, progress: Progress) -> None:
    """Replace whatever mirror `drive` has by a copy of `source` as it is now, durably. For who has the claim on it.

    Takes no lock: writers go on, and the copy is one snapshot. Once it is given up it ends at its next step. Raises
    MirrorFailed, of `source` when what was copied is damaged, of `drive` otherwise; nothing is left beside then."""
    beside = _beside(drive)
    with source.failures():
        reader = pages.connect(source.path)
    connection: apsw.Connection | None = None
    try:
        reader.set_progress_handler(progress.stride, _STRIDE)
        connection = _open(beside, drive, progress)
        with source.failures():
            reader.execute("BEGIN")
            reader.execute("SELECT seq FROM mirror").fetchall()  # from here on it is one snapshot
        try:
            _copy_pages(reader, connection, beside, drive, progress)
        except apsw.Error as error:
            if not pages.is_damage(error):
                raise
            connection.close()
            connection = _open(beside, drive, progress)
            _copy_rows(reader, connection)
        if (verdict := connection.execute("PRAGMA quick_check(1)").get) != "ok":
            raise MirrorFailed(source.id, f"is damaged: a copy of it does not pass SQLite's check: {verdict}")
        _install(connection, beside, drive, progress)
    except (apsw.Error, OSError, DriveError, MirrorFailed) as error:
        _drop(connection, beside, drive)
        if isinstance(error, MirrorFailed):
            raise
        if pages.is_damage(error):
            raise MirrorFailed(source.id, f"is damaged: {error}") from error
        raise MirrorFailed(drive.id or str(drive.path), f"cannot be copied: {error}") from error
    finally:
        reader.close()


def _copy_pages(
    reader: apsw.Connection, connection: apsw.Connection, beside: Path, drive: Drive, progress: Progress
) -> None:
    """Copy page by page, making durable what is copied so far: no sync takes long, and each tells that the drive
    answers."""
    with connection.backup("main", reader, "main") as backup:
        while not backup.done:
            backup.step(_PAGES)
            _go_on(drive, progress)
            if not backup.done:
                sync_file(beside, system=drive.system)  # closing it costs SQLite locks that nobody else asks for
                _go_on(drive, progress)


def _go_on(drive: Drive, progress: Progress) -> None:
    if progress.stride():
        raise NoAnswer(drive.id or str(drive.path), "was given up")


def _copy_rows(reader: apsw.Connection, connection: apsw.Connection) -> None:
    """Copy row by row all but the redo log, which only spares laggards a copy: what is damaged in it, or on pages that
    nothing uses, costs nothing else. Raises apsw.Error where the damage is elsewhere."""
    schema = reader.execute("SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    tables = [name for name, kind, _ in schema if kind == "table" and name not in ("redo", _SEQUENCE)]
    with connection:
        for name, _, sql in schema:
            if name != _SEQUENCE:
                connection.execute(str(sql))
        for name in (*tables, _SEQUENCE):
            connection.execute(f"DELETE FROM {name}")
            columns = reader.execute("SELECT count(*) FROM pragma_table_info(?)", (name,)).get
            values = ", ".join("?" * columns)
            connection.executemany(f"INSERT INTO {name} VALUES ({values})", reader.execute(f"SELECT * FROM {name}"))
    connection.pragma("user_version", reader.pragma("user_version"))


def remove(folder: Path, system: System = SYSTEM) -> None:
    """Remove the mirror below `folder`, if there is one, durably. Raises OSError."""
    target = folder / FILE
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            system.unlink(f"{target}{suffix}")
    sync_file(folder, system)


def _beside(drive: Drive) -> Path:
    return drive.path / f"{FILE}.new"


def _clear(beside: Path, system: System) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            system.unlink(f"{beside}{suffix}")


def _drop(connection: apsw.Connection | None, beside: Path, drive: Drive) -> None:
    """Leave nothing of a mirror that was not finished."""
    with contextlib.suppress(apsw.Error, OSError, DriveError):
        if connection is not None:
            connection.close()
        drive.confirm()
        _clear(beside, drive.system)


def _open(beside: Path, drive: Drive, progress: Progress | None = None) -> apsw.Connection:
    drive.confirm()
    _clear(beside, drive.system)
    connection = pages.create(beside)
    if progress is not None:
        connection.set_progress_handler(progress.stride, _STRIDE)
    connection.pragma("synchronous", "off")  # nothing counts before it is synced as a whole
    return connection


def _install(connection: apsw.Connection, beside: Path, drive: Drive, progress: Progress) -> None:
    connection.pragma("journal_mode", "wal")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)  # closing it has nothing left to do
    connection.close()
    sync_file(beside, drive.system)
    _go_on(drive, progress)  # given up behind this line, it still meets no newer mirror: it has the claim (`Shared`)
    drive.confirm()  # nothing is removed from a folder that is not this drive
    remove(drive.path, drive.system)
    progress.stride()
    drive.system.rename(beside, drive.path / FILE)
    sync_file(drive.path, drive.system)
    drive.confirm()
