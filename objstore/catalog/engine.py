"""The mirrors of one process, and the one way in which anything is committed to them.

Under the commit lock: the functions of a batch run on the leader, each in a savepoint, while their writes are recorded;
the same statements run on the other members in parallel and are committed there; then the leader commits. So what a
reader of the leader sees is on every member, and a process that dies in between leaves members ahead of the leader: the
next commit of any process brings the laggards up by redo first (what was not acknowledged becomes whole). A member that
errs is voted out, by a ballot of the next epoch, before anything it lacks is acknowledged.
"""

from __future__ import annotations

import concurrent.futures
import logging
from collections.abc import Callable, Sequence
from typing import Any

from objstore.catalog import ballots
from objstore.catalog.errors import CatalogError, CorruptRecord, MirrorFailed
from objstore.catalog.mirror import (
    REDO_TRANSACTIONS,
    Mirror,
    Position,
    Session,
    Statement,
    fresh_copy,
    pack_statements,
    redo_row,
    standing,
)
from objstore.catalog.shared import Shared
from objstore.catalog.transaction import Transaction
from objstore.drives.format import Ballot
from objstore.drives.pool import Pool

Outcome = tuple[Any, BaseException | None]
_log = logging.getLogger(__name__)


class Engine:
    """Opens the members that the ballot in force names; the first of them leads."""

    def __init__(self, pool: Pool, shared: Shared, *, strict: bool) -> None:
        self._pool = pool
        self._shared = shared
        self._strict = strict
        self._generation = -1
        self.ballot = Ballot(0, (), (), pool.parity)
        self.mirrors: list[Mirror] = []
        self._appliers = concurrent.futures.ThreadPoolExecutor(8, "mirror")

    # members

    def refresh(self) -> None:
        """Follow a change of members that another process made. Cheap when there was none."""
        if self._generation == self._shared.generation:
            return
        self._generation = self._shared.generation
        self.ballot = self._shared.ballot()
        kept = {mirror.drive: mirror for mirror in self.mirrors}
        self.mirrors = []
        for member in self.ballot.members:
            mirror = kept.pop(member, None) or self._open(member)
            if mirror is not None:
                self.mirrors.append(mirror)
        for mirror in kept.values():
            mirror.close()

    def _open(self, member: str) -> Mirror | None:
        drive = self._pool.by_id(member)
        if drive is None:
            return None
        try:
            return Mirror(member, drive.path, strict=self._strict)
        except MirrorFailed as error:
            _log.warning("%s", error)
            return None

    def _vote(self, members: Sequence[str]) -> None:
        drives = tuple(drive.id for drive in self._pool.drives if drive.id)
        ballot = Ballot(self.ballot.epoch + 1, tuple(members), drives, self._pool.parity)
        ballots.cast(self._pool, ballot)
        self._shared.announce(ballot)
        self.refresh()

    def _expel(self, failed: Sequence[Mirror]) -> None:
        """Vote members out. Raises ReadOnly without a quorum, and MirrorFailed when nobody would be left."""
        left = [mirror.drive for mirror in self.mirrors if mirror not in failed]
        if not left:
            raise failed[0].gone()
        _log.warning("catalog mirrors left out: %s", ", ".join(mirror.drive for mirror in failed))
        self._vote(left)

    def _settle_members(self) -> None:
        """Make every open member usable and equal: those that are gone or damaged out, laggards brought up."""
        self.refresh()
        present = {mirror.drive for mirror in self.mirrors}
        failed: list[Mirror] = []
        standings: list[tuple[Position, Mirror]] = []
        for mirror in self.mirrors:
            try:
                mirror.check()
                if (drive := self._pool.by_id(mirror.drive)) is None or drive not in self._pool.online():
                    raise mirror.gone()
                standings.append((mirror.position(), mirror))
            except MirrorFailed as error:
                _log.warning("%s", error)
                failed.append(mirror)
        if not standings:
            raise ballots.no_quorum(self._pool)
        ahead = max(position.seq for position, _ in standings)
        leader = next(mirror for position, mirror in standings if position.seq == ahead)
        for position, mirror in standings:
            if position.seq < ahead:
                try:
                    if not mirror.replay(leader):
                        failed.append(mirror)
                except MirrorFailed as error:
                    _log.warning("%s", error)
                    failed.append(mirror)
        if failed or present != set(self.ballot.members):
            self._expel(failed)

    # commits

    def commit(self, functions: Sequence[Callable[[Transaction], Any]]) -> list[Outcome]:
        """Run the functions in one commit; for each its result or its exception. Raises CatalogError when all failed
        together: then nothing of them is in force, except after MirrorFailed of the last member."""
        with self._shared.locked():
            while True:
                self._settle_members()
                ballots.require_quorum(self._pool)
                leader = self.mirrors[0]
                try:
                    return self._commit_once(leader, self.mirrors[1:], functions)
                except MirrorFailed as error:  # of the leader: the others' failures were dealt with
                    _log.warning("%s", error)
                    self._expel([leader])

    def _commit_once(
        self, leader: Mirror, others: Sequence[Mirror], functions: Sequence[Callable[[Transaction], Any]]
    ) -> list[Outcome]:
        session = Session(leader.connection)
        leader.begin()
        try:
            outcomes = [_attempt(leader, session, function) for function in functions]
            if not session.written:
                leader.rollback()
                return outcomes
            statements = self._sealed(leader, session.written)
            self._spread(others, statements)
        except BaseException:
            leader.rollback()
            raise
        self._finish(leader)
        return outcomes

    def _sealed(self, leader: Mirror, written: list[Statement]) -> list[Statement]:
        """Add the redo row and the new standing, on the leader and to what the others get."""
        seq = leader.position().seq + 1
        epoch = self.ballot.epoch
        extra = [redo_row(epoch, seq, pack_statements(written)), standing(Position(epoch, seq, self.ballot.members))]
        if seq % 64 == 0:
            extra.append(("DELETE FROM redo WHERE seq <= ?", (seq - REDO_TRANSACTIONS,)))
        leader.apply(extra)
        return written + extra

    def _spread(self, others: Sequence[Mirror], statements: list[Statement]) -> None:
        failed = []
        jobs = [(mirror, self._appliers.submit(_write, mirror, statements)) for mirror in others]
        for mirror, job in jobs:
            try:
                job.result()
            except MirrorFailed as error:
                _log.warning("%s", error)
                failed.append(mirror)
        if failed:
            self._expel(failed)

    def _finish(self, leader: Mirror) -> None:
        """Commit the leader. The others have the transaction: should the leader fail now, one of them leads."""
        try:
            leader.check()
            leader.commit()
        except MirrorFailed as error:
            leader.rollback()
            _log.warning("%s", error)
            self._expel([leader])

    # upkeep

    def look(self, suspects: set[str]) -> None:
        """Check the mirrors that a reader found damaged, and vote out those that are; they are copied afresh then."""
        for mirror in [mirror for mirror in self.mirrors if mirror.drive in suspects]:
            suspects.discard(mirror.drive)
            with self._shared.locked():
                self._settle_members()
                if mirror in self.mirrors and len(self.mirrors) > 1:
                    self._expel([mirror])

    def recruit(self, wanted: int) -> bool:
        """Copy the catalog to drives that should hold a mirror and do not; whether any was added."""
        self.refresh()
        members = set(self.ballot.members)
        candidates = [drive for drive in self._pool.online() if drive.id and drive.id not in members]
        added = False
        if not self.mirrors:
            return False
        for drive in candidates[: max(0, wanted - len(self.mirrors))]:
            assert drive.id is not None
            try:
                copy = fresh_copy(self.mirrors[0], drive.id, drive.path, strict=self._strict)
                with self._shared.locked():
                    self._settle_members()
                    if copy.replay(self.mirrors[0]) or copy.position().seq == self.mirrors[0].position().seq:
                        self._vote([*self.ballot.members, drive.id])
                        added = True
                copy.close()
            except CatalogError as error:
                _log.warning("catalog mirror on drive %s not made: %s", drive.path, error)
        return added

    def close(self) -> None:
        self._appliers.shutdown()
        for mirror in self.mirrors:
            mirror.close()


def _attempt(leader: Mirror, session: Session, function: Callable[[Transaction], Any]) -> Outcome:
    """One function in its savepoint: an exception of its own undoes it alone, one of SQLite is the mirror's."""
    execute = leader.connection.execute
    before = len(session.written)
    with leader.failures():
        execute("SAVEPOINT one")
    try:
        with leader.failures():
            result = function(session)
            execute("RELEASE one")
    except MirrorFailed:
        raise
    except CorruptRecord as error:
        raise MirrorFailed(leader.drive, str(error)) from error
    except Exception as error:
        del session.written[before:]
        with leader.failures():
            execute("ROLLBACK TO one")
            execute("RELEASE one")
        return None, error
    return result, None


def _write(mirror: Mirror, statements: Sequence[Statement]) -> None:
    mirror.begin()
    try:
        mirror.apply(statements)
        mirror.check()
        mirror.commit()
    except BaseException:
        mirror.rollback()
        raise
