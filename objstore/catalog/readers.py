"""Reading: a connection of its own for each thread, on the leader, on another member where the leader errs.

The leader commits last, so what it shows is on every member. A point read takes microseconds and may run on the event
loop; a page belongs on a thread.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from objstore.catalog import ballots
from objstore.catalog.errors import CorruptRecord, MirrorFailed
from objstore.catalog.mirror import Mirror, Session
from objstore.catalog.shared import Shared
from objstore.catalog.transaction import Transaction
from objstore.drives.pool import Pool

T = TypeVar("T")
_log = logging.getLogger(__name__)


class _Open(threading.local):
    """What one thread has open: the members of one generation, leader first."""

    generation = -1
    mirrors: tuple[Mirror, ...] = ()


class Readers:
    """The reading side of the catalog of one process. Any thread."""

    def __init__(self, pool: Pool, shared: Shared, suspect: Callable[[str], None]) -> None:
        self._pool = pool
        self._shared = shared
        self._suspect = suspect
        self._open = _Open()

    def read(self, function: Callable[[Transaction], T]) -> T:
        """Run a function that only reads, on one consistent view. Raises what it raises; CorruptRecord, MirrorFailed or
        ReadOnly when no member can answer."""
        problem: BaseException | None = None
        for mirror in self._mirrors():
            try:
                with _snapshot(mirror):
                    return function(Session(mirror.connection))
            except (MirrorFailed, CorruptRecord) as error:
                _log.error("reading the catalog on drive %s: %s", mirror.drive, error)
                self._suspect(mirror.drive)
                problem = error
        raise problem or ballots.no_quorum(self._pool)

    def _mirrors(self) -> tuple[Mirror, ...]:
        here, generation = self._open, self._shared.generation
        if here.generation != generation:
            here.generation = generation
            for mirror in here.mirrors:
                mirror.close()
            here.mirrors = tuple(self._open_all())
        return here.mirrors

    def _open_all(self) -> Iterator[Mirror]:
        for member in self._shared.ballot().members:
            drive = self._pool.by_id(member)
            if drive is None:
                continue
            try:
                yield Mirror(member, drive.path, strict=False)
            except MirrorFailed as error:
                _log.warning("%s", error)


@contextlib.contextmanager
def _snapshot(mirror: Mirror) -> Iterator[None]:
    """One consistent view for several statements."""
    with mirror.failures():
        mirror.connection.execute("BEGIN")
        try:
            yield
        finally:
            mirror.rollback()
