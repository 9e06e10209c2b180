"""What keeps the catalog at full strength: new mirrors for lost ones, ballots for returned drives, short logs.

One process runs it now and then (`Catalog.maintain`). A mirror is copied beside the running store from one snapshot of
the leader; only its last transactions are replayed, and the ballot that makes it a member cast, under the commit lock.

A disk that hangs holds none of this up for longer than its deadline, or its work as long as that gets on: everything
that touches one runs on a thread of the drive's or the mirror's own. What was given up has its claim on the drive's
mirror until it ends (`Shared.claim`), and the drive gets no other mirror before.
"""

from __future__ import annotations

import contextlib
import logging
import time
import weakref
from collections.abc import Collection

import apsw

from objstore.catalog import ballots, copying
from objstore.catalog.errors import CatalogError, Claimed, Differs, MirrorFailed, NoAnswer, OutOfStep
from objstore.catalog.hands import Progress, attend, opened, patiently, together
from objstore.catalog.members import Members
from objstore.catalog.mirror import FILE, Mirror
from objstore.catalog.replaying import replay
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.pool import Pool

_log = logging.getLogger(__name__)

CHECKPOINT_BYTES, RESTART_BYTES, TRUNCATE_BYTES = 4 << 20, 16 << 20, 256 << 20
NARROW_BYTES = 64 << 10
_PATIENT = 6  # so many deadlines for what shows no progress, while its drive answers
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
        found = together(dict.fromkeys(mirrors, Mirror.check))
        failures = {mirror.id: failure for mirror, failure in found.items()}
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
            try:
                size = attend(mirror, Mirror.size, lambda: None)
            except MirrorFailed as error:
                _log.warning("%s", error)
                continue
            room = 0 if drive.draining else 2 * (size + drive.usage.reserve)
            enough = len(members.mirrors) > wanted(members.pool)  # then there may be no drive without a mirror
            if enough or recruit(members, self._unready(), room=room):
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
        drive = self._members.pool.by_id(mirror.id)
        narrow = drive is not None and drive.crowded  # then a log that begins anew is all the room there is
        try:
            length = attend(mirror, Mirror.log_bytes, lambda: None)
            if length < (NARROW_BYTES if narrow else CHECKPOINT_BYTES):
                return
            attend(mirror, Mirror.check, lambda: None)
            used = attend(mirror, Mirror.checkpoint, _Answers(drive))  # the long work, while others commit
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
        source = members.mirrors[0]
        try:
            if not _join(members, drive):
                _copy_and_join(members, drive)
            return True
        except Claimed:  # it was told of when it was given up
            continue
        except MirrorFailed as error:
            _log.warning("no new catalog mirror on %s: %s", drive.path, error)
            if isinstance(error, NoAnswer):  # it hangs, or what is copied: whichever does not answer is faulty now
                for one in filter(None, (drive, members.pool.by_id(source.id))):
                    _answers(one)
            if error.drive != drive.id:
                members.shared.suspect(error.drive)  # the source of the copy: voted out in the next round
    return False


def _candidates(members: Members, not_yet: Collection[str], room: int) -> list[Drive]:
    """Drives for a new mirror: those that had one first, then those with most room. A start looks for voters only."""
    voters = {*members.state.ballot.drives}.difference(members.state.ballot.members, not_yet)
    found = [drive for drive in members.pool.writable() if drive.id in voters]
    found = [drive for drive in found if drive.usage.spare >= room]
    had = {drive: has_file(drive) for drive in found}
    return sorted((drive for drive in found if had[drive] is not None), key=lambda drive: (not had[drive], -drive.free))


def has_file(drive: Drive) -> bool | None:
    """Whether there is a mirror on a drive, or what is left of one; None where it does not answer."""
    try:
        return drive.run((drive.path / FILE).exists)
    except DriveError:
        return None


class _Answers:
    """The progress of one call that shows none: its drive takes a small file meanwhile, so often as patience lasts."""

    def __init__(self, drive: Drive | None) -> None:
        self._drive = drive
        self._turn = -1

    def __call__(self) -> int:
        if self._turn < 0 or (self._turn < _PATIENT and self._drive is not None and _answers(self._drive)):
            self._turn += 1
        return self._turn


def _answers(drive: Drive) -> bool:
    """Whether a drive takes a small file; one that does not is faulty from now on."""
    with contextlib.suppress(DriveError):
        drive.run(drive.try_disk)
        return True
    return False


def _copy_and_join(members: Members, drive: Drive) -> None:
    source = members.mirrors[0]
    for _ in range(_ROUNDS):
        _copy(members, source, drive)
        if _join(members, drive):
            return
    raise OutOfStep(drive.id or "", "the leader writes faster than it can be copied")


def _copy(members: Members, source: Mirror, drive: Drive) -> None:
    """Copy `source`, with the claim on the drive's mirror."""
    assert drive.id is not None
    with contextlib.ExitStack() as claimed:
        with members.shared.locked():  # who votes a member out removes its mirror in the same breath, and has the claim
            claimed.enter_context(members.shared.claim(drive.id))
        claim = claimed.pop_all()

    def work(progress: Progress) -> None:
        with claim:
            copying.copy(source, drive, progress)

    patiently(drive.id, drive.deadline, work)


def _join(members: Members, drive: Drive) -> bool:
    """Catch up by redo and become a member, under the lock; False where the redo log does not reach, cannot be read,
    or does something else here."""
    assert drive.id is not None
    ident = drive.id
    try:
        mirror = opened(ident, drive.deadline, lambda: Mirror(ident, drive.path / FILE, drive, strict=members.strict))
    except NoAnswer:
        raise
    except CatalogError:
        return False
    try:
        with members.shared.locked():
            members.ready()
            with members.shared.claim(ident):
                attend(mirror, Mirror.check, lambda: None)  # it was not replaced since it was opened, and cannot be now
                here, there = (attend(one, Mirror.position, lambda: None) for one in (mirror, members.mirrors[0]))
                if here[1:3] != there[1:3]:
                    replay(mirror, members.mirrors[0])
                members.change([*members.mirrors, mirror])
        return True
    except (OutOfStep, Differs):
        return False
    except MirrorFailed as error:
        if error.drive == ident:
            raise
        members.shared.suspect(error.drive)
        return False
    finally:
        mirror.close()
