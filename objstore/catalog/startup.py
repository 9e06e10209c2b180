"""Starting the catalog: which mirror leads, and that all the others become equal to it. The supervisor alone runs this.

The highest ballot among at least n - W + 1 drives is the latest that ever took effect; among the members it names, the
one with the highest `seq` leads (what only some of them have was never acknowledged, and becomes whole now). The others
replay its redo log or are copied afresh. Then a ballot of the next epoch is cast for the members that are whole.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from objstore.catalog import ballots
from objstore.catalog.errors import CatalogError, MirrorFailed, SchemaTooNew, StartRefused
from objstore.catalog.mirror import Mirror, Position, fresh_copy, standing
from objstore.catalog.shared import Shared
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.format import Ballot
from objstore.drives.pool import Pool

_log = logging.getLogger(__name__)


def start(pool: Pool, runtime: Path, *, strict: bool = True, accept_loss: bool = False) -> None:
    """Make the catalog ready for `attach`. Blocks. Raises StartRefused (names the drives), SchemaTooNew."""
    shared = Shared(runtime)
    try:
        online = pool.online()
        ballot = ballots.latest([_ballot(drive) for drive in online])
        if len(online) < pool.start_quorum and not accept_loss:
            needed = f"{pool.start_quorum} are needed to be sure which catalog is the latest"
            raise _refused(pool, f"{len(online)} of {len(pool.drives)} drives are there, {needed}")
        if ballot is None:
            members = _create(pool, strict=strict)
            ballot = Ballot(0, (), (), pool.parity)
        else:
            members = _recover(pool, ballot, strict=strict, accept_loss=accept_loss)
        drives = tuple(drive.id for drive in pool.drives if drive.id)
        new = Ballot(ballot.epoch + 1, members, drives, pool.parity)
        try:
            ballots.cast(pool, new)
        except CatalogError as error:  # below the write quorum: reads go on with the members found
            _log.warning("%s", error)
            new = Ballot(ballot.epoch, members, drives, pool.parity)
        shared.announce(new)
    finally:
        shared.close()


def _ballot(drive: Drive) -> Ballot | None:
    try:
        return drive.read_ballot()
    except DriveError as error:
        _log.warning("%s", error)
        return None


def _refused(pool: Pool, reason: str) -> StartRefused:
    online = pool.online()
    missing = [f"{drive.path} ({drive.problem or drive.state})" for drive in pool.drives if drive not in online]
    return StartRefused(reason, missing)


def wanted_mirrors(pool: Pool) -> int:
    """How many mirrors a pool keeps: one more than may fail."""
    return min(pool.parity + 1, len(pool.drives))


def _create(pool: Pool, *, strict: bool) -> tuple[str, ...]:
    """Mirrors of a new pool. A start that was interrupted left mirrors without a ballot: they are empty, and reused."""
    if len(pool.online()) < len(pool.drives):
        raise _refused(pool, "a new deployment needs all its drives once")
    members = []
    for drive in pool.online()[: wanted_mirrors(pool)]:
        assert drive.id is not None
        mirror = Mirror(drive.id, drive.path, strict=strict, create=True)
        mirror.close()
        members.append(drive.id)
    for member in members:
        if (found := pool.by_id(member)) is not None:
            mirror = Mirror(member, found.path, strict=strict)
            mirror.begin()
            mirror.apply([standing(Position(1, 0, tuple(members)))])
            mirror.commit()
            mirror.close()
    return tuple(members)


def _recover(pool: Pool, ballot: Ballot, *, strict: bool, accept_loss: bool) -> tuple[str, ...]:
    found: list[tuple[Position, Mirror]] = []
    broken: list[Drive] = []
    for drive in pool.online():
        if drive.id not in ballot.members and not accept_loss:
            continue
        assert drive.id is not None
        try:
            mirror = Mirror(drive.id, drive.path, strict=strict)
            mirror.quick_check()
            found.append((mirror.position(), mirror))
        except SchemaTooNew:
            raise
        except MirrorFailed as error:
            _log.warning("%s", error)
            if drive.id in ballot.members:
                broken.append(drive)
    if not found:
        names = [f"drive {member}" for member in ballot.members]
        raise StartRefused("no mirror of the catalog can be read; the members are", names + _away(pool))
    found.sort(key=lambda pair: (pair[0].seq, pair[0].epoch), reverse=True)
    leader = found[0][1]
    whole = [leader.drive]
    try:
        for position, mirror in found[1:]:
            if _equal(mirror, position, leader, found[0][0], strict=strict):
                whole.append(mirror.drive)
        for drive in _candidates(pool, whole, broken)[: max(0, wanted_mirrors(pool) - len(whole))]:
            assert drive.id is not None
            try:
                fresh_copy(leader, drive.id, drive.path, strict=strict).close()
                whole.append(drive.id)
            except MirrorFailed as error:
                _log.warning("%s", error)
    finally:
        for _, mirror in found:
            mirror.close()
    return tuple(whole)


def _equal(mirror: Mirror, here: Position, leader: Mirror, there: Position, *, strict: bool) -> bool:
    """Bring one member to where the leader is."""
    try:
        if here.seq == there.seq and here.epoch == there.epoch:
            return True
        if mirror.replay(leader):
            return True
        _log.warning("catalog mirror on drive %s is too far behind: copied afresh", mirror.drive)
        path = mirror.path.parent
        mirror.close()
        fresh_copy(leader, mirror.drive, path, strict=strict).close()
        return True
    except MirrorFailed as error:
        _log.warning("%s", error)
        return False


def _candidates(pool: Pool, whole: Sequence[str], broken: Sequence[Drive]) -> list[Drive]:
    """Drives for a fresh mirror: first those whose own was damaged."""
    others = [drive for drive in pool.online() if drive.id not in whole and drive not in broken]
    return [drive for drive in [*broken, *others] if drive.id and drive.id not in whole]


def _away(pool: Pool) -> list[str]:
    online = pool.online()
    return [f"{drive.path} ({drive.problem or drive.state})" for drive in pool.drives if drive not in online]
