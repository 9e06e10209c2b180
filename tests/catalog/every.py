"""A host with drives in memory, on which the real rules of the catalog run: starts, elections, commits, recruits.

What the rules stand on is exchanged for the simplest thing that keeps its promise: a drive has a ballot, a promise and
a history of transactions; a mirror shows and extends that history. Each change of a drive is one *step*. At any step
the process may die or the host lose its power, and the drive may fail, with or without having done it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from objstore.catalog import ballots, copying, engine, members, startup, upkeep
from objstore.catalog.ballots import Vote
from objstore.catalog.errors import MirrorFailed, OutOfStep, ReadOnly, StartRefused, Undecided
from objstore.catalog.hands import Progress
from objstore.catalog.members import Members
from objstore.catalog.redo import Position, Step
from objstore.catalog.schema import VERSION
from objstore.catalog.shared import File, State
from objstore.catalog.upkeep import Upkeep
from objstore.drives.errors import BallotSuperseded, DriveError, DriveOffline
from objstore.drives.format import Ballot
from objstore.drives.pool import write_quorum
from objstore.drives.state import DriveState

History = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Disk:
    """What is durable on one drive; `history` is None where it has no mirror, `inode` tells one mirror from another."""

    ballot: Ballot | None = None
    promise: int = 0
    history: History | None = None
    inode: int = 0


class Accident(NamedTuple):
    """What happens at one step of a life: `end` of the process or of the host, or the drive fails: `done` or not, and
    for the rest of the life where it is `gone`."""

    at: int = 0
    end: str = ""
    done: bool = False
    gone: bool = True


class Killed(BaseException):
    """Nobody catches it."""


class Host:
    """One life of a host whose drives `there` are there: what the rules call, and the accidents on the way."""

    def __init__(self, disks: tuple[Disk, ...], parity: int, there: Collection[int], accidents: Collection[Accident]):
        known = [disk.ballot for number, disk in enumerate(disks) if number in there and disk.ballot is not None]
        self.parity = max(known, key=lambda one: one.epoch).parity if known else parity
        self.removed: frozenset[str] = frozenset()
        self.drives = [Drive(self, number, disk, number in there) for number, disk in enumerate(disks)]
        self.steps = 0
        self.accidents = {one.at: one for one in accidents}
        self.shared = Shared()
        self.alive = True

    @property
    def disks(self) -> tuple[Disk, ...]:
        return tuple(drive.disk for drive in self.drives)

    @property
    def write_quorum(self) -> int:
        return write_quorum(len(self.drives), self.parity)

    def online(self) -> list[Drive]:
        return [drive for drive in self.drives if not drive.down]

    writable = online

    def mended(self, parity: int | None) -> None:
        """All drives are there again, and another parity may be wanted."""
        for drive in self.drives:
            drive.down = False
        if parity is not None:
            self.parity = parity

    def by_id(self, ident: str) -> Drive | None:
        return next((drive for drive in self.drives if drive.id == ident), None)

    def step(self, drive: Drive, **change: Any) -> None:
        """Change what is durable on a drive. Raises DriveError, Killed."""
        self.steps += 1
        accident = self.accidents.get(self.steps, Accident())
        if accident.end:
            self.alive = accident.end == "process"
            raise Killed
        drive.require()
        if not accident.at or accident.done:
            drive.disk = replace(drive.disk, **change)
        if accident.at:
            drive.down = accident.gone
            raise DriveOffline(drive.id, "an accident")


class Place:
    """A path, as far as the rules look at one."""

    def __init__(self, drive: Drive, name: str = "") -> None:
        self._drive, self._name = drive, name

    def __truediv__(self, name: str) -> Place:
        return Place(self._drive, name)

    def __str__(self) -> str:
        return str(PurePosixPath("/", self._drive.id, self._name))

    def exists(self) -> bool:
        return not self._drive.down and self._drive.disk.history is not None

    def remove(self) -> None:
        self._drive.host.step(self._drive, history=None, inode=self._drive.disk.inode + 1)

    def iterdir(self) -> Iterator[Place]:
        raise FileNotFoundError

    @property
    def parent(self) -> Place:
        return Place(self._drive)


class Drive:
    """A drive: its calls do at once what the real ones do on files."""

    deadline, draining, crowded, faults, problem, system = 1.0, False, False, 0, None, None
    free = 1 << 40
    measured = SimpleNamespace(free=free)
    usage = SimpleNamespace(spare=free, reserve=0)

    def __init__(self, host: Host, number: int, disk: Disk, there: bool) -> None:
        self.host, self.id, self.disk, self.down = host, f"d{number}", disk, not there
        self.path = Place(self)

    @property
    def state(self) -> DriveState:
        return DriveState.MISSING if self.down else DriveState.ONLINE

    def require(self) -> None:
        if self.down:
            raise DriveOffline(self.id, "is away")

    def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self.require()
        if work is ballots._vote:
            return Vote(self.disk.ballot, self.disk.promise, damaged=False)
        if work is ballots._promise:
            if self.disk.promise >= arguments[1]:
                raise BallotSuperseded(self.id, "promised")
            return self.host.step(self, promise=arguments[1])
        return work(*arguments)

    def write_ballot(self, ballot: Ballot) -> None:
        known = self.disk.ballot
        if known is not None and (known.epoch > ballot.epoch or (known.epoch == ballot.epoch and known != ballot)):
            raise BallotSuperseded(self.id, "superseded")
        self.host.step(self, ballot=ballot)

    def make(self, history: History) -> None:
        """Put a mirror here, as a copy does."""
        try:
            self.host.step(self, history=None, inode=self.disk.inode + 1)
            self.host.step(self, history=history)
        except DriveError as error:
            raise MirrorFailed(self.id, str(error)) from error


class Mirror:
    """The mirror of a drive as one process has it open."""

    abandoned = False
    connection = SimpleNamespace(pragma=lambda _: VERSION)

    def __init__(self, member: str, path: Any, drive: Drive, *, strict: bool) -> None:
        self.id, self.path, self._drive = member, drive.path / "catalog.db", drive
        if drive.down or drive.disk.history is None:
            raise MirrorFailed(member, "is not there", intact=True)
        self.file = File(str(self.path), 0, drive.disk.inode)

    def problem(self) -> MirrorFailed | None:
        if self._drive.down:
            return MirrorFailed(self.id, "its drive is away", intact=True)
        return None if self._drive.disk.inode == self.file.inode else MirrorFailed(self.id, "was replaced")

    def check(self) -> None:
        if (problem := self.problem()) is not None:
            raise problem

    @property
    def history(self) -> History:
        self.check()
        assert self._drive.disk.history is not None
        return self._drive.disk.history

    def position(self) -> Position:
        return _position(self.history)

    def log_bytes(self) -> int:
        return 0

    def apply(self, step: Step) -> None:
        if self.position().chain != step.before.chain:
            raise OutOfStep(self.id, "stands elsewhere")

    def publish(self, step: Step) -> None:
        self.extend((*self.history, (step.statements[0][0], step.after.epoch)))

    def extend(self, history: History) -> None:
        try:
            self._drive.host.step(self._drive, history=history)
        except DriveError as error:
            raise MirrorFailed(self.id, str(error)) from error

    def rollback(self) -> None:
        pass

    close = rollback


def _position(history: History, epoch: int = 0) -> Position:
    return Position(history[-1][1] if history else 0, len(history), repr(history).encode(), 0, ())


class _Batch:
    """One function, which is the name of what it writes."""

    unsteady = False
    progress = None

    def __init__(self, members: Members, functions: list[Any]) -> None:
        self.outcomes = [(None, None)]
        self._name, self._epoch = functions[0], members.state.ballot.epoch

    def run(self, leader: Mirror) -> Step:
        history = leader.history
        after = (*history, (self._name, self._epoch))
        return Step(_position(history), _position(after), [(self._name, ())], 1, b"")


class Shared:
    """What the processes of a life share."""

    def __init__(self) -> None:
        self.generation, self.unfinished, self._state = 0, False, None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def state(self) -> State:
        assert self._state is not None
        return self._state

    def save(self, state: State) -> None:
        self.generation, self._state = self.generation + 1, state

    @contextlib.contextmanager
    def changing(self, _: bool) -> Iterator[None]:
        self.unfinished = True
        yield
        self.finished()

    def finished(self) -> None:
        self.unfinished = False

    @contextlib.contextmanager
    def claim(self, drive: str) -> Iterator[None]:
        yield

    def take_suspects(self) -> set[str]:
        return set()

    def suspect(self, drive: str) -> None:
        pass

    def close(self) -> None:
        pass


def _everywhere(drives: Collection[Drive], work: Callable[[Drive], Any]) -> dict[Drive, Any]:
    results = {}
    for drive in drives:
        with contextlib.suppress(DriveError):
            results[drive] = work(drive)
    return results


def _together(work: Mapping[Mirror, Callable[[Mirror], Any]]) -> dict[Mirror, MirrorFailed]:
    failures = {}
    for mirror, one in work.items():
        try:
            one(mirror)
        except MirrorFailed as error:
            failures[mirror] = error
    return failures


def _replay(mirror: Mirror, source: Mirror) -> None:
    here, there = mirror.history, source.history
    if there[: len(here)] != here:
        raise OutOfStep(mirror.id, "has another history")
    mirror.extend(there)


def exchange(patch: pytest.MonkeyPatch) -> None:
    """Let the rules stand on these drives."""
    patch.setattr(ballots, "everywhere", _everywhere)
    for module in (members, startup, upkeep):
        patch.setattr(module, "Mirror", Mirror)
    for module in (members, engine, upkeep):
        patch.setattr(module, "together", _together)
    for module in (members, startup, upkeep):
        patch.setattr(module, "opened", lambda _, __, opening: opening())
    for module in (engine, upkeep):
        patch.setattr(module, "attend", lambda mirror, work, _: work(mirror))
    patch.setattr(upkeep, "patiently", lambda _, __, work: work(Progress()))
    patch.setattr(engine, "_Batch", _Batch)
    for module in (members, upkeep):
        patch.setattr(module, "replay", _replay)
    patch.setattr(startup, "File", SimpleNamespace(at=lambda place: File(str(place), 0, place._drive.disk.inode)))
    patch.setattr(copying, "create", lambda drive: drive.make(()))
    patch.setattr(copying, "copy", lambda source, drive, _: drive.make(source.history))
    patch.setattr(copying, "remove", lambda place, _: place.remove())
    patch.setattr(startup, "Shared", lambda host: host.shared)
    patch.setattr(members, "_PAUSE", 0.0)


@dataclass(frozen=True)
class World:
    """The drives of a host that does not run, and what was said of transactions: done, or failed."""

    disks: tuple[Disk, ...]
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


MEND, TOLD = "mend", "told"


def live(
    world: World,
    parity: int,
    there: Collection[int],
    names: Collection[str],
    accidents: Collection[Accident] = (),
    *,
    wanted: int | None = None,
) -> tuple[World, int]:
    """One life: a start, and commits of `names`; the world after it, and how many steps it took. Asserts that nothing
    that was done is missing, and nothing that failed is there, wherever anybody may read.

    For MEND all drives are back, another parity is `wanted`, if any, and upkeep does what it can. For TOLD the second
    drive goes away, and another process tells that something has changed."""
    host = Host(world.disks, parity, there, accidents)
    done, failed = list(world.done), set(world.failed)
    with contextlib.suppress(Killed, StartRefused):
        startup.start(host, host)  # type: ignore[arg-type]
        process = Members(host, host.shared, strict=True)  # type: ignore[arg-type]
        for name in names:
            _look(host, done, failed)
            try:
                if name == MEND:
                    host.mended(wanted)
                    Upkeep(process, settle=0.0).run()
                    continue
                if name == TOLD:
                    host.drives[1].down = True
                    host.shared.save(host.shared.state())
                    continue
                engine.commit(process, [name])  # type: ignore[list-item]
                done.append(name)
            except Undecided:
                pass
            except ReadOnly:
                failed |= {name} - {MEND}
            except Killed:
                if not host.alive:
                    raise
                process = Members(host, host.shared, strict=True)  # type: ignore[arg-type]
        _look(host, done, failed)
    return World(host.disks, tuple(done), tuple(sorted(failed))), host.steps


def _look(host: Host, done: list[str], failed: set[str]) -> None:
    """What readers see: the first of the members that can be read."""
    state = host.shared.state()
    for member in state.ballot.members:
        drive = host.by_id(member)
        if drive is None or drive.down or member not in state.files or drive.disk.history is None:
            continue
        if state.files[member].inode != drive.disk.inode:
            continue
        seen = [name for name, _ in drive.disk.history]
        assert [name for name in seen if name in done] == done, (seen, done)
        assert not failed.intersection(seen), (seen, failed)
        return


def subsets(size: int, lost: int) -> list[tuple[int, ...]]:
    """The drives that are there when at most so many are not."""
    return [one for count in range(lost + 1) for one in itertools.combinations(range(size), size - count)]
