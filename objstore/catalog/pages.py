"""Files of the catalog, every page of which carries a checksum.

A record has its own checksum, but what leads to it has none: a flipped bit in the structure of a table can give another
row's record, whole, or none at all. So each page is written with a checksum and verified whenever it is read from the
file, by SQLite's own shim: https://www.sqlite.org/cksumvfs.html
"""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw
import apsw.sqlite_extra

BUSY_MILLISECONDS: Final = 5_000

_EXTENSION: Final = "cksumvfs"
_VFS: Final = "cksmvfs"
_CHECKSUM_BYTES: Final = 8  # the shim looks for exactly so many at the end of each page
_READ_WRITE: Final = apsw.SQLITE_OPEN_READWRITE


def create(path: Path) -> apsw.Connection:
    """Open a new file, in which every page will carry a checksum. Raises apsw.Error and OSError."""
    _register()
    # Before SQLite, which lets everybody read what it makes; its log and its index get the mode of the file.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = apsw.Connection(str(path), flags=_READ_WRITE | apsw.SQLITE_OPEN_CREATE, vfs=_VFS)
    connection.reserve_bytes("main", _CHECKSUM_BYTES)
    connection.pragma("user_version", 0)  # writes the first page: from it the shim learns to give others checksums
    return connection


def connect(path: Path, *, statements: int = 100) -> apsw.Connection:
    """Open a file that must exist, keeping so many prepared statements. Raises apsw.Error; NotADBError where its pages
    carry no checksums."""
    _register()
    # A disk that hangs is to hang here: SQLite opens the index of its log under a lock of all its files' openers.
    with contextlib.suppress(OSError):
        os.chown(path, -1, -1)
    connection = apsw.Connection(str(path), flags=_READ_WRITE, vfs=_VFS, statementcachesize=statements)
    fold_on_close(connection, False)
    try:
        connection.set_busy_timeout(BUSY_MILLISECONDS)
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()  # the shim learns of checksums from the first page
        if connection.pragma("checksum_verification") != "1":
            raise apsw.NotADBError(f"the pages of {path} carry no checksums")
    except BaseException:
        connection.close()
        raise
    return connection


def fold_on_close(connection: apsw.Connection, fold: bool) -> None:
    """Whether to move the log into the file, and remove it, when this is the last connection that is closed.

    Not as a rule: Python's lock is held meanwhile, so that a disk that hangs, or is slow, would stop all threads."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(not fold))


def without_log(path: Path) -> apsw.Connection:
    """Open a file for reading as it is without its write-ahead log, and leave both as they are. Raises apsw.Error."""
    _register()
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"file:{quote(str(path))}?immutable=1", flags=flags, vfs=_VFS)


def is_damage(error: Exception) -> bool:
    """Whether SQLite says that what stands in a file is not what was written into it."""
    if isinstance(error, apsw.IOError):
        return getattr(error, "extendedresult", None) == apsw.SQLITE_IOERR_DATA
    return isinstance(error, apsw.CorruptError | apsw.NotADBError)


@cache
def _register() -> None:
    """Make the shim known, once in a process: it stays when the connection that loads it is closed."""
    with apsw.Connection(":memory:") as connection:
        apsw.sqlite_extra.load(connection, _EXTENSION)
