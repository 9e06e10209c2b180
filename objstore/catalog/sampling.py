"""What requests ask of the leader, now and then asked of another mirror too.

A page that a drive gives as it once was has a checksum that matches: only another mirror can tell. All of them are
compared once a day; what clients read all the time is noticed sooner so. Once a second each process asks what it was
asked in one turn of its loop again, of the leader and of one other mirror at the same transaction. That is done on a
thread of its own: a disk that hangs holds up nobody.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Sequence

import apsw

from objstore.catalog.errors import CatalogError
from objstore.catalog.hands import Hand
from objstore.catalog.pages import is_damage
from objstore.catalog.shared import File, Shared
from objstore.catalog.transaction import Value

Question = tuple[str, tuple[Value, ...]]

EVERY_SECONDS = 1.0
_PAUSE = 3_600.0  # after a difference, unless other mirrors take part before: the comparison may be a long one
_TRIES = 20  # to find two mirrors at one transaction
_MOST = 100  # questions of one turn
_CLOSING = 5.0
_log = logging.getLogger(__name__)


class Sampler:
    """Asks again what is given to `take`. `members` names the mirrors, leader first; `connect` opens one."""

    def __init__(
        self,
        shared: Shared,
        members: Callable[[], Sequence[tuple[str, File]]],
        connect: Callable[[File], apsw.Connection],
    ) -> None:
        self._shared = shared
        self._members = members
        self._connect = connect
        self._next = time.monotonic() + EVERY_SECONDS
        self._turns = itertools.count()
        self._hand: Hand | None = None
        self._running: concurrent.futures.Future[None] | None = None
        self._found_at: int | None = None  # the generation of mirrors that answered differently
        self._closed = False

    @property
    def due(self) -> bool:
        """Whether it is time to ask something again."""
        if self._found_at is not None and self._found_at != self._shared.generation:
            self._found_at, self._next = None, 0.0
        idle = self._running is None or self._running.done()
        return idle and time.monotonic() >= self._next and not self._closed

    def take(self, asked: Sequence[Question]) -> None:
        """Ask this again, soon, elsewhere than here."""
        if not asked:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        if self._hand is None:
            self._hand = Hand("catalog-sampling")
        self._running = self._hand.submit(lambda: self._ask(list(asked[:_MOST])))

    def _ask(self, asked: Sequence[Question]) -> None:
        generation = self._shared.generation
        try:
            members = self._members()
            if len(members) < 2:
                return
            leader, other = members[0], members[1 + next(self._turns) % (len(members) - 1)]
            with (
                contextlib.closing(self._connect(leader[1])) as one,
                contextlib.closing(self._connect(other[1])) as two,
            ):
                different = _different(one, two, asked)
        except (apsw.Error, CatalogError, OSError) as error:
            if not is_damage(error):
                return  # a mirror that cannot be reached is noticed by others
            different = str(error)
        if different is not None:
            self._found_at, self._next = generation, time.monotonic() + _PAUSE
            _log.error("drives %s and %s answer differently: %s", leader[0], other[0], different)
            self._shared.doubt()

    def close(self) -> None:
        """Ask no more."""
        self._closed = True
        if self._running is not None:
            concurrent.futures.wait([self._running], _CLOSING)
        if self._hand is not None:
            self._hand.dismiss()


def _different(one: apsw.Connection, two: apsw.Connection, asked: Sequence[Question]) -> str | None:
    """The first question to which two mirrors at one transaction give different answers, without its parameters."""
    for _ in range(_TRIES):
        places = []
        for connection in (one, two):
            connection.execute("BEGIN")
            places.append(connection.execute("SELECT seq, chain FROM mirror").fetchone())
        if places[0] == places[1]:
            for sql, params in asked:
                if one.execute(sql, params).fetchone() != two.execute(sql, params).fetchone():
                    return sql
            return None
        for connection in (one, two):
            connection.execute("COMMIT")
    return None
