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
from objstore.catalog.errors import MirrorFailed
from objstore.catalog.mirror import FILE, Mirror
from objstore.catalog.schema import MIGRATIONS, VERSION
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.format import sync_file
from objstore.drives.system import SYSTEM, System

_PAGES = 4_096
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
            _install(connection, beside, drive)
            return
    except (apsw.Error, OSError, DriveError) as error:
        raise MirrorFailed(drive.id or str(drive.path), f"cannot be created: {error}") from error
    finally:
        if connection is not None:
            connection.close()
    with contextlib.suppress(OSError):
        _clear(beside, drive.system)


def copy(source: Mirror, drive: Drive) -> None:
    """Replace whatever mirror `drive` has by a copy of `source` as it is now, durably.

    Takes no lock: writers go on, and the copy is one snapshot. Raises MirrorFailed, of `source` when what was copied
    is damaged, of `drive` otherwise."""
    beside = _beside(drive)
    with source.failures():
        reader = pages.connect(source.path)
    try:
        connection = _open(beside, drive)
        with source.failures():
            reader.execute("BEGIN")
            reader.execute("SELECT seq FROM mirror").fetchall()  # from here on it is one snapshot
        try:
            with connection.backup("main", reader, "main") as backup:
                while not backup.done:
                    backup.step(_PAGES)
        except apsw.Error as error:
            if not pages.is_damage(error):
                raise
            connection.close()
            connection = _open(beside, drive)
            _copy_rows(reader, connection)
        if (verdict := connection.execute("PRAGMA quick_check(1)").get) != "ok":
            raise MirrorFailed(source.id, f"is damaged: a copy of it does not pass SQLite's check: {verdict}")
        _install(connection, beside, drive)
    except (apsw.Error, OSError, DriveError) as error:
        if pages.is_damage(error):
            raise MirrorFailed(source.id, f"is damaged: {error}") from error
        raise MirrorFailed(drive.id or str(drive.path), f"cannot be copied: {error}") from error
    finally:
        reader.close()


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


def _open(beside: Path, drive: Drive) -> apsw.Connection:
    drive.confirm()
    _clear(beside, drive.system)
    connection = pages.create(beside)
    connection.pragma("synchronous", "off")  # nothing counts before it is synced as a whole
    return connection


def _install(connection: apsw.Connection, beside: Path, drive: Drive) -> None:
    connection.pragma("journal_mode", "wal")
    connection.close()  # the last one to close moves the log into the file
    sync_file(beside, drive.system)
    drive.confirm()  # nothing is removed from a folder that is not this drive
    remove(drive.path, drive.system)
    drive.system.rename(beside, drive.path / FILE)
    sync_file(drive.path, drive.system)
    drive.confirm()
