"""All drives of a deployment: who is online, how many must be, and what happens at each slot.

A *slot* is a path at which a drive is looked for; a *drive* is an identity. Disks may be swapped between slots: the
drives follow their `format.json`. A folder with a new identity at a slot is a new Drive, and the one that was there is
no longer in the pool. Slots come and go while the server runs (`join`, `leave`), on the event loop that probes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from objstore.drives.drive import DEADLINE, Drive
from objstore.drives.errors import DriveError, DriveOffline
from objstore.drives.format import Format, format_drive, new_id
from objstore.drives.inspection import Inspection, inspect, judge
from objstore.drives.state import DriveState
from objstore.drives.system import SYSTEM, System

Listener = Callable[[Drive, DriveState, DriveState], None]

_OPEN_FILES, _OPEN_FILES_LEAST = 512, 16
_LONGEST_PAUSE, _FORGIVEN_AFTER = 300.0, 600.0


def default_parity(drives: int) -> int:
    """How many drives may fail by default: 1 -> 0, 2-3 -> 1, 4-5 -> 2, 6-7 -> 3, 8 and more -> 4."""
    return min(4, drives // 2)


def write_quorum(drives: int, parity: int) -> int:
    """So many of `drives` must take a ballot or a write."""
    return max(drives - parity, drives // 2 + 1)


def start_quorum(drives: int, parity: int) -> int:
    """So many of `drives` meet every write quorum."""
    return drives - write_quorum(drives, parity) + 1


def format_new_drives(found: Sequence[Inspection], system: System = SYSTEM) -> list[Format]:
    """Make every new or absent folder of a deployment that has never run a drive; durable. Blocks.

    A deployment has run when any drive holds a ballot. Formatting that was interrupted is finished: drives that have a
    `format.json` keep it. Raises DriveError naming what is in the way."""
    if any(one.ballot for one in found):
        raise DriveError(", ".join(str(one.path) for one in found), "the deployment has run before")
    wrong = [
        one
        for one in found
        if one.state not in (DriveState.NEW, DriveState.ONLINE)
        and not (one.state is DriveState.MISSING and not one.path.exists())
    ]
    if wrong:
        raise DriveError(str(wrong[0].path), wrong[0].problem or wrong[0].state)
    deployment = next((one.format.deployment for one in found if one.format), None) or new_id()
    return [one.format or _formatted(one.path, deployment, system) for one in found]


def _formatted(path: Path, deployment: str, system: System) -> Format:
    try:
        return format_drive(path, deployment, system)
    except OSError as error:
        raise DriveError(str(path), f"cannot be made a drive: {error.strerror}") from error


class Pool:
    """The drives in slot order; `parity` is how many may fail. Open it with `Pool.open`."""

    def __init__(
        self,
        found: Sequence[Inspection],
        *,
        parity: int | None = None,
        strict: bool = True,
        deadline: float = DEADLINE,
        system: System | None = None,
        mounts: Collection[Path] = (),
    ) -> None:
        known = [one.ballot for one in found if one.ballot and one.state is DriveState.ONLINE]
        if parity is None and known:
            parity = max(known, key=lambda ballot: ballot.epoch).parity
        self.parity = default_parity(len(found)) if parity is None else parity
        formats = [one.format for one in found if one.format and one.state is DriveState.ONLINE]
        self.deployment: str | None = formats[0].deployment if formats else None
        self._mounts = {*mounts, *(one.path for one in found if one.format and one.format.mount)}
        self._strict, self.deadline, self._system = strict, deadline, system
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._open_files = min(_OPEN_FILES, max(_OPEN_FILES_LEAST, soft // 2 // max(1, len(found))))
        self._listeners: list[tuple[Listener, asyncio.AbstractEventLoop | None]] = []
        self._fault_times: dict[Drive, float] = {}
        self._stuck: dict[Path, Drive] = {}  # in no slot, and yet in a call that has not returned
        self._voters: frozenset[str] | None = None
        self.drives: list[Drive] = [self._drive(one) for one in found]  # replaced as a whole: other threads read it
        self.removed: frozenset[str] = frozenset()  # drives that are to have no vote, or have none any more
        for drive in self.online():
            with contextlib.suppress(DriveError):
                drive.run(drive.measure)

    @classmethod
    def open(
        cls,
        paths: Sequence[Path],
        *,
        parity: int | None = None,
        strict: bool = True,
        deadline: float = DEADLINE,
        system: System | None = None,
        deployment: str | None = None,
        mounts: Collection[Path] = (),
    ) -> Pool:
        """Inspect `paths` and make the pool of what is there; formats nothing. Blocks. `strict=False`: no fsync."""
        found = inspect(paths, deployment=deployment, mounts=mounts, deadline=deadline, system=system)
        return cls(found, parity=parity, strict=strict, deadline=deadline, system=system, mounts=mounts)

    @property
    def write_quorum(self) -> int:
        """So many drives must take a ballot or a write."""
        return write_quorum(len(self.drives), self.parity)

    @property
    def start_quorum(self) -> int:
        """So many drives must be there for a start."""
        return start_quorum(len(self.drives), self.parity)

    def by_id(self, drive_id: str) -> Drive | None:
        """The drive of this identity, whatever its state; None when no slot holds it."""
        found: Drive | None = None
        for drive in self.drives:
            if drive.id == drive_id:
                if drive.state is DriveState.ONLINE:
                    return drive
                # a disk that moved to another slot leaves a missing drive of its name behind: look on
                found = found or drive
        return found

    def online(self) -> list[Drive]:
        """The drives that are in use, in slot order."""
        return [drive for drive in self.drives if drive.state is DriveState.ONLINE]

    def writable(self) -> list[Drive]:
        """The drives that take new shards, in slot order."""
        return [drive for drive in self.drives if drive.writable]

    def on_change(self, listener: Listener) -> None:
        """Have `listener(drive, old, new)` called at every change of a state.

        It runs on the event loop that runs here and now; without one, on whichever thread noticed, and must be quick.
        A drive that takes over a slot comes as (new drive, NEW or MISSING, ONLINE), after the old one went MISSING."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        self._listeners.append((listener, loop))

    async def probe(self, doubted: Collection[str] = ()) -> None:
        """Look at every path once, let the states follow, and tell the listeners. Call it every second or two. The
        drives that are `doubted` have to take a small file."""
        drives = self.drives
        looks = (drive.look(doubted=drive.id in doubted) for drive in drives)
        found = await asyncio.gather(*looks, return_exceptions=True)
        seen = [
            one if isinstance(one, Inspection) else Inspection(drive.path, DriveState.FAULTY, problem=str(one))
            for drive, one in zip(drives, found, strict=True)
        ]
        judged = judge(seen, deployment=self.deployment, mounts=self._mounts)
        for drive, one in zip(drives, judged, strict=True):
            if drive in self.drives:  # it may have left meanwhile
                self._follow(self.drives.index(drive), self._incumbent_stays(drive, one))

    async def format_new(self, drive: Drive, ident: str | None = None) -> Drive:
        """Make the empty folder of a NEW drive a drive with an identity of its own, `ident` or a fresh one; the answer
        is that Drive, online.

        Raises DriveOffline when the folder is not new (any more)."""
        one = judge([await drive.look()], deployment=self.deployment, mounts=self._mounts)[0]
        if one.state is not DriveState.NEW:
            raise DriveOffline(
                str(drive.path), f"is not new but {one.state}" + (f": {one.problem}" if one.problem else "")
            )
        if self.deployment is None:
            self.deployment = new_id()
        await drive.make_new(self.deployment, ident)
        await self.probe()
        return next(one for one in self.drives if one.path == drive.path)

    async def join(self, path: Path) -> Drive:
        """The drive at `path`, for which a slot is made where there is none; it is there when it answers."""
        for drive in self.drives:
            if drive.path == path:
                return drive
        new = self._drive(await self._found(path))
        if new.state is DriveState.ONLINE:
            with contextlib.suppress(DriveError):
                await asyncio.to_thread(new.run, new.measure)
        self.drives = [*self.drives, new]
        if new.state is DriveState.ONLINE:
            self._changed(new, DriveState.MISSING, DriveState.ONLINE)
        return new

    async def _found(self, path: Path) -> Inspection:
        """What is at a path that has no slot; nobody looks where an earlier look, or call, has not returned yet."""
        scout = self._stuck.pop(path, None) or self._drive(Inspection(path, DriveState.MISSING))
        try:
            one = await scout.look()
        except DriveError as error:
            one = Inspection(path, DriveState.FAULTY, problem=error.reason)
        self._close(scout)
        return judge([one], deployment=self.deployment, mounts=self._mounts)[0]

    def leave(self, drive: Drive) -> None:
        """Look for the drive no longer: it was taken out of the deployment."""
        if drive.id:
            self.removed |= {drive.id}
        drive.change(DriveState.REMOVED, "was taken out of the deployment")
        self.forget(drive)

    def forget(self, drive: Drive) -> None:
        """Look for the drive no longer, until it joins again."""
        self.drives = [one for one in self.drives if one is not drive]
        self._close(drive)

    def _close(self, drive: Drive) -> None:
        if drive.stuck:
            self._stuck[drive.path] = drive
        else:
            drive.close()

    def let_vote(self, voters: Collection[str]) -> None:
        """From now on only drives among `voters` take new shards: a start looks for no others. Until the first call all
        do."""
        self._voters = frozenset(voters)
        for drive in self.drives:
            drive.voting = self._votes(drive)

    def close(self) -> None:
        """Let all threads of the drives end."""
        for drive in (*self.drives, *self._stuck.values()):
            drive.close()

    def _drive(self, found: Inspection) -> Drive:
        drive = Drive(
            found,
            strict=self._strict,
            deadline=self.deadline,
            open_files=self._open_files,
            system=self._system,
            on_change=self._changed,
        )
        drive.voting = self._votes(drive)
        return drive

    def _votes(self, drive: Drive) -> bool:
        return self._voters is None or drive.id in self._voters

    def _incumbent_stays(self, drive: Drive, one: Inspection) -> Inspection:
        """A copy that turns up does not take the original down: of twins, the one that is online goes on."""
        if one.state is DriveState.DUPLICATE and drive.state is DriveState.ONLINE and one.format == drive.format:
            return Inspection(one.path, DriveState.ONLINE, one.format, one.ballot, mounted=one.mounted)
        return one

    def _follow(self, slot: int, one: Inspection) -> None:
        drive = self.drives[slot]
        if one.state is not DriveState.ONLINE or one.format is None:
            drive.change(one.state, one.problem)
        elif one.format.drive != drive.id:
            self._take_over(slot, one)
        elif drive.state is not DriveState.ONLINE and self._may_return(drive):
            drive.change(DriveState.ONLINE, one.problem)

    def _take_over(self, slot: int, one: Inspection) -> None:
        old, new = self.drives[slot], self._drive(one)
        if self.deployment is None and one.format:
            self.deployment = one.format.deployment
        if one.format and one.format.mount:
            self._mounts.add(one.path)
        before = old.state if old.state in (DriveState.NEW, DriveState.MISSING) else DriveState.MISSING
        new.measured = old.measured
        self.drives = [new if drive is old else drive for drive in self.drives]
        old.change(DriveState.MISSING, "another drive is at this path")
        old.close()
        self._changed(new, before, DriveState.ONLINE)

    def _may_return(self, drive: Drive) -> bool:
        """A drive that keeps failing comes back after ever longer pauses: 0, 2, 4, 8 ... 300 s. None does before the
        calls that were given up have returned: a shard that is placed late would be put over a newer one."""
        if drive.busy:
            return False
        if drive.state is not DriveState.FAULTY:
            return True
        since = time.monotonic() - self._fault_times.get(drive, 0.0)
        pause = 0.0 if drive.faults <= 1 else min(_LONGEST_PAUSE, 2.0 ** (drive.faults - 1))
        return since >= pause

    def _changed(self, drive: Drive, old: DriveState, new: DriveState) -> None:
        now = time.monotonic()
        if new is DriveState.FAULTY:
            if now - self._fault_times.get(drive, now) > _FORGIVEN_AFTER:
                drive.faults = 1
            self._fault_times[drive] = now
        level = logging.INFO if new is DriveState.ONLINE else logging.WARNING
        problem = f": {drive.problem}" if drive.problem else ""
        logging.getLogger(__name__).log(level, "drive %s (%s) is %s, was %s%s", drive.path, drive.id, new, old, problem)
        for listener, loop in self._listeners:
            if loop is None:
                listener(drive, old, new)
            else:
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(listener, drive, old, new)
