"""Reading, on the calling thread, from one consistent snapshot of the leader, or of another member where that errs.

The leader commits last, so what it shows is on every member, and whoever was answered reads what was acknowledged. A
point read takes some ten microseconds and may run on the event loop; a long page belongs on a thread.

What a request reads on the loop without waiting in between is read from one snapshot, which ends with the loop's turn:
opening one costs more than a point read. Nothing is missed by it. Whatever runs in the same turn was queued before the
snapshot's end was, so all that it may rely on was acknowledged before the snapshot was taken.

Rows of steady tables are kept from turn to turn (see `catalog/steady.py`). A function that may have been given some of
before and others of after a change is run again, on one snapshot.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import apsw

from objstore.catalog import pages
from objstore.catalog.errors import CorruptRecord, MirrorFailed, NoAnswer, NoMirror
from objstore.catalog.hands import Hand, opened
from objstore.catalog.mirror import FAULTS, connect
from objstore.catalog.sampling import Sampler
from objstore.catalog.session import Reading
from objstore.catalog.shared import File, Shared
from objstore.catalog.transaction import Row, Transaction, Value
from objstore.drives.drive import DEADLINE

T = TypeVar("T")
_Question = tuple[str, tuple[Value, ...]]

_CACHE_KIB = 16_384
_IDLE = 8  # connections kept open
_KEPT = 1_000  # rows of steady tables
_log = logging.getLogger(__name__)


class _Source:
    """The members of one generation, leader first, and idle connections to the leader. Those that are `silent` did not
    open within the deadline, and are not asked again."""

    def __init__(self, generation: int, members: tuple[tuple[str, File], ...]) -> None:
        self.generation = generation
        self.members = members
        self.idle: deque[apsw.Connection] = deque()
        self.silent: set[str] = set()


def _let_go(connection: apsw.Connection) -> None:
    """Close a connection."""
    with contextlib.suppress(apsw.Error):
        connection.close()


class _Turn:
    """What one turn of an event loop reads, as a `Transaction`: from one snapshot, which is taken by whoever needs it
    first, and each row but once, for many requests ask the same. `kept` are rows of steady tables at this edition."""

    __slots__ = ("_begin", "_rows", "edition", "kept", "loop", "reading", "source")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        source: _Source,
        edition: int,
        kept: dict[_Question, Row],
        begin: Callable[[_Source], apsw.Connection],
    ) -> None:
        self.loop = loop
        self.source = source
        self.edition = edition
        self.kept = kept
        self.reading: tuple[apsw.Connection, Reading] | None = None
        self._begin = begin
        self._rows: dict[_Question, Row | None] = {}

    def _reading(self) -> Reading:
        if self.reading is None:
            connection = self._begin(self.source)
            self.reading = connection, Reading(connection)
        return self.reading[1]

    def one(self, sql: str, *params: Value) -> Row | None:
        asked = sql, params
        try:
            return self._rows[asked]
        except KeyError:
            row = self._rows[asked] = self._reading().one(sql, *params)
            return row

    def steady(self, sql: str, *params: Value) -> Row | None:
        asked = sql, params
        try:
            return self.kept[asked]
        except KeyError:
            row = self.one(sql, *params)
            if row is not None:  # of names that are not there, there is no end
                self.kept[asked] = row
            return row

    def all(self, sql: str, *params: Value) -> list[Row]:
        return self._reading().all(sql, *params)

    def rows(self, sql: str, *params: Value) -> Iterator[Row]:
        return self._reading().rows(sql, *params)

    def run(self, sql: str, *params: Value) -> int:
        return self._reading().run(sql, *params)

    def asked(self) -> list[_Question]:
        """What the snapshot was asked for one row."""
        return list(self._rows)


class _Local(threading.local):
    turn: _Turn | None = None
    last: _Turn | None = None  # whose kept rows may still be right


class Readers:
    """The reading side of the catalog of one process. Any thread."""

    def __init__(self, shared: Shared, *, strict: bool, deadline: float = DEADLINE) -> None:
        self._shared = shared
        self._strict = strict
        self._deadline = deadline
        self._changing = threading.Lock()
        self._source = _Source(-1, ())
        self._closing: list[concurrent.futures.Future[None]] = []
        self._local = _Local()
        self._sampler = Sampler(shared, lambda: self.members, lambda file: _open(file, strict=strict))

    def read(self, function: Callable[[Transaction], T]) -> T:
        """Run a function that only reads. Raises what it raises; NoMirror when no member can answer."""
        source = self._current()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        try:
            return self._read(source, function) if loop is None else self._read_in_turn(loop, source, function)
        except (CorruptRecord, MirrorFailed, *FAULTS) as error:
            self._end_turn(self._local.turn)
            return self._read_elsewhere(source, function, error)

    def _read_in_turn(
        self, loop: asyncio.AbstractEventLoop, source: _Source, function: Callable[[Transaction], T]
    ) -> T:
        turn = self._in_turn(loop, source)
        try:
            result = function(turn)
        except Exception:
            if turn.edition == self._shared.edition:
                raise
        else:
            if turn.edition == self._shared.edition:
                return result
        self._end_turn(turn)
        return self._read(source, function)

    def _in_turn(self, loop: asyncio.AbstractEventLoop, source: _Source) -> _Turn:
        """This turn of the loop; a new one too where a steady table has changed."""
        turn, edition = self._local.turn, self._shared.edition
        if turn is None or turn.edition != edition or turn.source is not source or turn.loop is not loop:
            self._end_turn(turn)
            turn = _Turn(loop, source, edition, self._kept(source, edition), self._begin)
            self._local.turn = self._local.last = turn
            loop.call_soon(self._end_turn, turn)
        return turn

    def _kept(self, source: _Source, edition: int) -> dict[_Question, Row]:
        """What earlier turns kept and is still right. Nothing now and then, so that everything is sampled."""
        last = self._local.last
        if last is None or last.source is not source or last.edition != edition or edition % 2:
            return {}
        return {} if len(last.kept) > _KEPT or self._sampler.due else last.kept

    def _end_turn(self, turn: _Turn | None) -> None:
        if turn is not None and self._local.turn is turn:
            self._local.turn = None
            if turn.reading is not None:
                if self._sampler.due:
                    self._sampler.take(turn.asked())
                self._put_back(turn.source, turn.reading[0])

    @property
    def members(self) -> tuple[tuple[str, File], ...]:
        """The drives that hold mirrors now, with the mirrors' files, leader first."""
        return self._current().members

    def _current(self) -> _Source:
        source = self._source
        return source if source.generation == self._shared.generation else self._follow()

    def _read(self, source: _Source, function: Callable[[Transaction], T]) -> T:
        connection = self._begin(source)
        try:
            return function(Reading(connection))  # it may read without end: nothing is kept
        finally:
            self._put_back(source, connection)

    def _begin(self, source: _Source) -> apsw.Connection:
        try:
            connection = source.idle.pop()
        except IndexError:
            connection = self._connect(source)
        try:
            connection.execute("BEGIN")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, source: _Source) -> apsw.Connection:
        if not source.members:
            raise NoMirror("none is known")
        return self._opened(source, *source.members[0])

    def _opened(self, source: _Source, member: str, file: File) -> apsw.Connection:
        """A connection to a member, opened on a thread of its own: a disk that hangs may not hang this one. Raises
        apsw.Error, and NoAnswer, from then on at once."""
        if member in source.silent:
            raise NoAnswer(member, "did not answer in time")
        patience = self._deadline / len(source.members)  # one deadline for all of them, should all but the last hang
        try:
            return opened(member, patience, lambda: _open(file, strict=self._strict))
        except NoAnswer:
            source.silent.add(member)
            raise

    def _put_back(self, source: _Source, connection: apsw.Connection) -> None:
        if source is not self._source:
            return self._let_go_apart(connection)
        if len(source.idle) < _IDLE:
            with contextlib.suppress(apsw.Error):
                connection.execute("COMMIT")
                source.idle.append(connection)
                return None
        return _let_go(connection)

    def _follow(self) -> _Source:
        with self._changing:
            generation = self._shared.generation
            if self._source.generation != generation:
                old = self._source
                self._source = _Source(generation, self._members())
                self._leave(old)
            return self._source

    def _leave(self, source: _Source) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._let_go_apart(source.idle.pop())

    def _let_go_apart(self, connection: apsw.Connection) -> None:
        """Close a connection on a thread of its own: its disk may be one that hangs."""
        hand = Hand("catalog-closing")
        self._closing = [one for one in self._closing if not one.done()] + [hand.submit(lambda: _let_go(connection))]
        hand.dismiss()

    def _members(self) -> tuple[tuple[str, File], ...]:
        state = self._shared.state()
        return tuple((member, state.files[member]) for member in state.ballot.members if member in state.files)

    def _read_elsewhere(self, source: _Source, function: Callable[[Transaction], T], error: Exception) -> T:
        """Ask the other members. Who errs where another one answers is reported, and copied afresh by `maintain`."""
        if not source.members:
            raise error
        damaged = [source.members[0][0]] if _is_damage(error) else []
        for member, file in source.members[1:]:
            try:
                result = _read_once(self._opened(source, member, file), function)
            except (CorruptRecord, NoAnswer, *FAULTS) as other:
                damaged += [member] if _is_damage(other) else []
                continue
            for drive in damaged:
                _log.error("the catalog mirror on drive %s is damaged: %s", drive, error)
                self._shared.suspect(drive)
            return result
        if isinstance(error, CorruptRecord):
            raise error
        raise NoMirror(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Let go of all connections."""
        self._sampler.close()
        with self._changing:
            self._leave(self._source)
            self._source = _Source(-1, ())
        concurrent.futures.wait(self._closing, self._deadline)


def _is_damage(error: Exception) -> bool:
    return isinstance(error, CorruptRecord) or pages.is_damage(error)


def _open(file: File, *, strict: bool) -> apsw.Connection:
    """A connection that only reads."""
    path = Path(file.path)
    connection = connect(path, strict=strict, cache_kib=_CACHE_KIB)
    try:
        found = File.at(path)
    except OSError as error:
        connection.close()
        raise apsw.CantOpenError(str(error)) from error
    if found != file:
        connection.close()
        raise apsw.CantOpenError(f"{path} was replaced")
    connection.pragma("query_only", True)
    return connection


def _read_once(connection: apsw.Connection, function: Callable[[Transaction], T]) -> T:
    try:
        connection.execute("BEGIN")
        return function(Reading(connection))
    finally:
        connection.close()
