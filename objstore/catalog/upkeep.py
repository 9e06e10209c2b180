"""What keeps the catalog at full strength: new mirrors for lost ones, ballots for returned drives, short logs.

One process runs it now and then (`Catalog.maintain`). A mirror is copied beside the running store from one snapshot of
the leader; only its last transactions are replayed, and the ballot that makes it a member cast, under the commit lock.
"""

from __future__ import annotations

import contextlib
import logging
import time
import weakref
from collections.abc import Collection

import apsw

from objstore.catalog import ballots, copying
from objstore.catalog.errors import CatalogError, Differs, MirrorFailed, OutOfStep
from objstore.catalog.hands import together
from objstore.catalog.members import Members
from objstore.catalog.mirror import FILE, Mirror
from objstore.catalog.replaying import replay
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.pool import Pool

_log = logging.getLogger(__name__)

CHECKPOINT_BYTES, RESTART_BYTES, TRUNCATE_BYTES = 4 << 20, 16 << 20, 256 << 20
NARROW_BYTES = 64 << 10
_ROUNDS = 3  # attempts to catch up with a busy leader by copying once more


class Upkeep:
    """Upkeep by one process. A drive that had faults gets a mirror only `settle` seconds after it came back: other
    processes still think it faulty, and would vote it out again."""

    def __init__(self, members: Members, *, settle: float) -> None:
        self._members = members
        self._settle = settle
        self._since: dict[str, float] = {}
        self._reminded: weakref.WeakKeyDictionary[Drive, int] = weakref.WeakKeyDictionary()

    def run(self) -> None:
        """One round. Blocks. Raises ReadOnly."""
        members = self._members
        with members.shared.locked():
            members.ready()
            self._look()
            self._follow_pool()
        self._remind()
        while len(members.mirrors) < wanted(members.pool) and recruit(members, self._unready()):
            pass
        self._leave_drives()
        for mirror in list(members.mirrors):
            self._checkpoint(mirror)

    def _look(self) -> None:
        """Vote out members that are gone or gave wrong answers."""
        mirrors = self._members.mirrors
        suspects = self._members.shared.take_suspects()
        failures = {mirror.id: found for mirror in mirrors if (found := mirror.problem())}
        for mirror in mirrors:
            if mirror.id in suspects and len(mirrors) > len(failures) + 1:
                failures.setdefault(mirror.id, MirrorFailed(mirror.id, "gave a damaged answer"))
        if failures:
            self._members.vote_out(failures)

    def _follow_pool(self) -> None:
        """Let the ballot name the drives of the pool as it is now, and where they are."""
        members = self._members
        ballot, pool = members.state.ballot, members.pool
        wanted = ballots.next_electorate(pool, ballot)
        if (
            ballot.before is not None
            or ballots.succeeding(pool, ballot, ballot.members, wanted, epoch=ballot.epoch) != ballot
        ):
            members.change(members.mirrors, wanted)

    def _remind(self) -> None:
        """Let every drive that was away know the ballot. Without the lock: a ballot never replaces a later one."""
        ballot, online = self._members.state.ballot, self._members.pool.online()
        for drive in set(self._reminded).difference(online):
            del self._reminded[drive]  # what comes back may be as it was long ago
        for drive in online:
            if self._reminded.get(drive) != ballot.epoch:
                with contextlib.suppress(DriveError):
                    ballots.remind(drive, ballot)
                    self._reminded[drive] = ballot.epoch

    def _leave_drives(self) -> None:
        """Move mirrors from drives that fill up to drives with ample room, before the reserve is touched; and from
        drives that are to be emptied to any others."""
        members = self._members
        for mirror in list(members.mirrors):
            drive = members.pool.by_id(mirror.id)
            if drive is None or (drive.usage.spare >= drive.usage.reserve and not drive.draining):
                continue
            room = 0 if drive.draining else 2 * (mirror.path.stat().st_size + drive.usage.reserve)
            if recruit(members, self._unready(), room=room):
                why = "is to be emptied" if drive.draining else "is nearly full"
                with members.shared.locked():
                    members.ready()
                    members.vote_out({mirror.id: MirrorFailed(mirror.id, f"its drive {why}")})

    def _unready(self) -> Collection[str]:
        now = time.monotonic()
        doubtful = {drive.id for drive in self._members.pool.online() if drive.id and drive.faults}
        self._since = {drive: self._since.get(drive, now) for drive in doubtful}
        return {drive for drive, since in self._since.items() if now - since < self._settle}

    def _checkpoint(self, mirror: Mirror) -> None:
        length = mirror.log_bytes()
        drive = self._members.pool.by_id(mirror.id)
        narrow = drive is not None and drive.crowded  # then a log that begins anew is all the room there is
        if length < (NARROW_BYTES if narrow else CHECKPOINT_BYTES) or mirror.problem():
            return
        try:
            used = mirror.checkpoint()  # the long work, while others commit
            if narrow or used >= RESTART_BYTES:  # under load a log is never all moved, and would grow for ever
                with self._members.shared.locked():
                    failed = together({mirror: lambda one: one.restart_log(truncate=length >= TRUNCATE_BYTES)})
                if failed:
                    raise failed[mirror]
        except MirrorFailed as error:
            _log.warning("checkpoint: %s", error)
            if not error.full and isinstance(error.__cause__, apsw.IOError | apsw.CorruptError):
                self._members.shared.suspect(mirror.id)  # else its log would grow until the disk is full


def wanted(pool: Pool) -> int:
    """How many mirrors a pool keeps: one more than may fail."""
    return min(pool.parity + 1, len(pool.drives))


def recruit(members: Members, not_yet: Collection[str], *, room: int = 0) -> bool:
    """Make one more drive, none of `not_yet`, with `room` bytes to spare, a member; whether it worked.

    Takes the commit lock. Raises ReadOnly."""
    for drive in _candidates(members, not_yet, room):
        if not members.mirrors:  # they failed while they voted
            return False
        assert drive.id is not None
        try:
            if not _join(members, drive):
                _copy_and_join(members, drive)
            return True
        except MirrorFailed as error:
            _log.warning("no new catalog mirror on %s: %s", drive.path, error)
            if error.drive != drive.id:
                members.shared.suspect(error.drive)  # the source of the copy: voted out in the next round
    return False


def _candidates(members: Members, not_yet: Collection[str], room: int) -> list[Drive]:
    """Drives for a new mirror: those that had one first, then those with most room."""
    taken = {*members.state.ballot.members, *not_yet}
    found = [drive for drive in members.pool.writable() if drive.id and drive.id not in taken]
    found = [drive for drive in found if drive.usage.spare >= room]
    return sorted(found, key=lambda drive: (not (drive.path / FILE).exists(), -drive.free))


def _copy_and_join(members: Members, drive: Drive) -> None:
    source = members.mirrors[0]
    for _ in range(_ROUNDS):
        copying.copy(source, drive)
        if _join(members, drive):
            return
    raise OutOfStep(drive.id or "", "the leader writes faster than it can be copied")


def _join(members: Members, drive: Drive) -> bool:
    """Catch up by redo and become a member, under the lock; False where the redo log does not reach, cannot be read,
    or does something else here."""
    assert drive.id is not None
    try:
        mirror = Mirror(drive.id, drive.path / FILE, drive, strict=members.strict)
    except CatalogError:
        return False
    try:
        with members.shared.locked():
            members.ready()
            if mirror.position()[1:3] != members.mirrors[0].position()[1:3]:
                replay(mirror, members.mirrors[0])
            members.change([*members.mirrors, mirror])
        return True
    except (OutOfStep, Differs):
        return False
    except MirrorFailed as error:
        if error.drive == drive.id:
            raise
        members.shared.suspect(error.drive)
        return False
    finally:
        mirror.close()
