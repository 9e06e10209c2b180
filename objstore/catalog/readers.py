"""Reading, on the calling thread, from one consistent snapshot of the leader, or of another member where that errs.

The leader commits last, so what it shows is on every member, and whoever was answered reads what was acknowledged. A
point read takes some ten microseconds and may run on the event loop; a long page belongs on a thread.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import apsw

from objstore.catalog.errors import CorruptRecord, MirrorFailed
from objstore.catalog.mirror import FAULTS, FILE, connect
from objstore.catalog.session import Reading
from objstore.catalog.shared import Shared
from objstore.catalog.transaction import Transaction
from objstore.drives.pool import Pool

T = TypeVar("T")

_CACHE_KIB = 16_384
_IDLE = 8  # connections kept open
_DAMAGE = (CorruptRecord, apsw.CorruptError, apsw.NotADBError)
_log = logging.getLogger(__name__)


class _Member(NamedTuple):
    """One member: its drive, where its file is, and (device, inode) of it where known."""

    drive: str
    path: Path
    file: tuple[int, int] | None


class _Source:
    """The members of one generation, leader first, and idle connections to the leader."""

    def __init__(self, generation: int, members: tuple[_Member, ...]) -> None:
        self.generation = generation
        self.members = members
        self.idle: deque[tuple[apsw.Connection, Reading]] = deque()

    def close(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self.idle.pop()[0].close()


class Readers:
    """The reading side of the catalog of one process. Any thread."""

    def __init__(self, pool: Pool, shared: Shared) -> None:
        self._pool = pool
        self._shared = shared
        self._changing = threading.Lock()
        self._source = _Source(-1, ())

    def read(self, function: Callable[[Transaction], T]) -> T:
        """Run a function that only reads. Raises what it raises; MirrorFailed when no member can answer."""
        source = self._source
        if source.generation != self._shared.generation:
            source = self._follow()
        try:
            return self._read(source, function)
        except (CorruptRecord, MirrorFailed, *FAULTS) as error:
            return self._read_elsewhere(source, function, error)

    def _read(self, source: _Source, function: Callable[[Transaction], T]) -> T:
        try:
            pair = source.idle.pop()
        except IndexError:
            pair = self._connect(source)
        connection, session = pair
        try:
            connection.execute("BEGIN")
            return function(session)
        finally:
            self._put_back(source, pair)

    def _connect(self, source: _Source) -> tuple[apsw.Connection, Reading]:
        if not source.members:
            raise MirrorFailed("", "no drive that holds a mirror is in the pool")
        connection = _open(source.members[0])
        return connection, Reading(connection)

    def _put_back(self, source: _Source, pair: tuple[apsw.Connection, Reading]) -> None:
        connection = pair[0]
        if source is self._source and len(source.idle) < _IDLE:
            with contextlib.suppress(apsw.Error):
                connection.execute("COMMIT")
                source.idle.append(pair)
                return
        connection.close()

    def _follow(self) -> _Source:
        with self._changing:
            generation = self._shared.generation
            if self._source.generation != generation:
                old = self._source
                self._source = _Source(generation, self._members())
                old.close()
            return self._source

    def _members(self) -> tuple[_Member, ...]:
        state = self._shared.state()
        drives = [(member, self._pool.by_id(member)) for member in state.ballot.members]
        return tuple(_Member(one, drive.path / FILE, state.files.get(one)) for one, drive in drives if drive)

    def _read_elsewhere(self, source: _Source, function: Callable[[Transaction], T], error: Exception) -> T:
        """Ask the other members. Who errs where another one answers is reported, and copied afresh by `maintain`."""
        failed = source.members[:1]
        damaged = [member.drive for member in failed] if isinstance(error, _DAMAGE) else []
        for member in self._look_again(source):
            if member in failed:
                continue
            try:
                result = _read_once(member, function)
            except (CorruptRecord, *FAULTS) as other:
                damaged += [member.drive] if isinstance(other, _DAMAGE) else []
                continue
            for drive in damaged:
                _log.error("the catalog mirror on drive %s is damaged: %s", drive, error)
                self._shared.suspect(drive)
            return result
        if isinstance(error, CorruptRecord):
            raise error
        raise MirrorFailed(failed[0].drive if failed else "", f"{type(error).__name__}: {error}") from error

    def _look_again(self, source: _Source) -> tuple[_Member, ...]:
        """The members as the pool has them now: a drive that came after `source` was made is in it."""
        members = self._members()
        if members != source.members:
            with self._changing:
                if self._source is source:
                    self._source = _Source(source.generation, members)
                    source.close()
        return members

    def close(self) -> None:
        """Let go of all connections."""
        with self._changing:
            self._source.close()
            self._source = _Source(-1, ())


def _open(member: _Member) -> apsw.Connection:
    connection = connect(member.path, strict=False, cache_kib=_CACHE_KIB)
    try:
        found = member.path.stat()
    except OSError as error:
        connection.close()
        raise apsw.CantOpenError(str(error)) from error
    if member.file not in (None, (found.st_dev, found.st_ino)):
        connection.close()
        raise apsw.CantOpenError(f"{member.path} was replaced")
    connection.pragma("query_only", True)
    return connection


def _read_once(member: _Member, function: Callable[[Transaction], T]) -> T:
    connection = _open(member)
    try:
        connection.execute("BEGIN")
        return function(Reading(connection))
    finally:
        connection.close()
