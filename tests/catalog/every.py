"""A host with drives in memory, on which the real rules of the catalog run: starts, elections, commits, recruits,
changes of the pool, restores.

What the rules stand on is exchanged for the simplest thing that keeps its promise: a drive has a ballot, a promise and
a history of transactions; a mirror shows and extends that history. Each change of a drive is one *step*. At any step
the process may die or the host lose its power, and the drive may fail, with or without having done it. Whenever the
commit lock is free another process may act.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from objstore.catalog import ballots, copying, engine, members, startup, upkeep
from objstore.catalog.ballots import Vote
from objstore.catalog.errors import CatalogError, MirrorFailed, NoMirror, OutOfStep, ReadOnly, StartRefused, Undecided
from objstore.catalog.hands import Progress
from objstore.catalog.members import Members
from objstore.catalog.redo import Position, Step
from objstore.catalog.schema import VERSION
from objstore.catalog.shared import File, State
from objstore.catalog.transaction import Row, Value
from objstore.catalog.upkeep import Upkeep
from objstore.drives.errors import BallotSuperseded, DriveError, DriveOffline
from objstore.drives.format import Ballot, Format
from objstore.drives.inspection import Inspection
from objstore.drives.pool import write_quorum
from objstore.drives.state import DriveState
from objstore.jobs import membership as jobs
from objstore.jobs.restore import restore as restoring
from objstore.server import slots
from objstore.store.membership import Refused, Stage, courses

History = tuple[tuple[Any, int], ...]


@dataclass(frozen=True)
class Disk:
    """What is durable on one drive; `history` is None where it has no mirror, `inode` tells one mirror from another."""

    ballot: Ballot | None = None
    promise: int = 0
    history: History | None = None
    inode: int = 0
    formatted: bool = True
    removed: bool = False


class Accident(NamedTuple):
    """What happens at one step of a life: `end` of the process or of the host, or the drive fails: `done` or not, and
    for the rest of the life where it is `gone`."""

    at: int = 0
    end: str = ""
    done: bool = False
    gone: bool = True


class Killed(BaseException):
    """Nobody catches it."""


class Device:
    """A drive as the host has it, whoever looks at it."""

    def __init__(self, number: int, disk: Disk, there: bool) -> None:
        self.name, self.disk, self.down = f"d{number}", disk, not there

    @property
    def path(self) -> Path:
        return Path("/", self.name)

    def inspect(self) -> Inspection:
        if self.down:
            return Inspection(self.path, DriveState.MISSING)
        if not self.disk.formatted:
            return Inspection(self.path, DriveState.NEW)
        ours = Format("deployment", self.name, "")
        if self.disk.removed:
            return Inspection(self.path, DriveState.REMOVED, ours, problem="was removed")
        return Inspection(self.path, DriveState.ONLINE, ours, self.disk.ballot)


class Host:
    """One life of a host whose drives `there` are there, and the accidents on the way."""

    def __init__(self, disks: tuple[Disk, ...], parity: int, there: Collection[int], accidents: Collection[Accident]):
        self.devices = [Device(number, disk, number in there) for number, disk in enumerate(disks)]
        self._parity = parity
        self._slots: tuple[list[Device], int] | None = None
        self.steps = self.moments = 0
        self.accidents = {one.at: one for one in accidents}
        self.shared = Shared(self)
        self.alive = True
        self.new_ones = False  # whether empty folders are named instead of drives that are lost
        self.beside: tuple[int, Callable[[], None]] | None = None

    @property
    def disks(self) -> tuple[Disk, ...]:
        return tuple(device.disk for device in self.devices)

    def pool(self) -> Pool:
        """The pool of a process that begins now: the drives that the start found by the ballots."""
        if self._slots is None:
            self._slots = self._find_slots()
        return Pool(self, *self._slots)

    def _find_slots(self) -> tuple[list[Device], int]:
        named = [one for one in self.devices if (not one.down if self.new_ones else one.disk.formatted)]
        found = [one.inspect() for one in named]
        known = [one.ballot for one in found if one.ballot is not None and one.state is DriveState.ONLINE]
        if not known:
            return named, self._parity
        newest = max(known, key=lambda one: one.epoch)
        paths = slots._arranged([one.path for one in named], found, newest).paths
        return [one for one in self.devices if one.path in paths], newest.parity

    def moment(self) -> None:
        """Nobody holds the lock: another process may act."""
        if self.shared.held:
            return
        self.moments += 1
        if self.beside is not None and self.beside[0] == self.moments:
            self.beside[1]()

    def step(self, drive: Drive, **change: Any) -> None:
        """Change what is durable on a drive. Raises DriveError, Killed."""
        self.moment()
        self.steps += 1
        accident = self.accidents.get(self.steps, Accident())
        if accident.end:
            self.alive = accident.end == "process"
            raise Killed
        drive.require()
        device = drive.device
        if not accident.at or accident.done:
            device.disk = replace(device.disk, **change)
        if accident.at:
            device.down = accident.gone
            raise DriveOffline(device.name, "an accident")


class Pool:
    """The drives as one process knows them."""

    deployment = "deployment"

    def __init__(self, host: Host, devices: Collection[Device], parity: int) -> None:
        self.host, self.parity = host, parity
        self.removed: frozenset[str] = frozenset()
        self.voters: Collection[str] = ()
        self.drives = [Drive(host, device) for device in devices]

    @property
    def write_quorum(self) -> int:
        return write_quorum(len(self.drives), self.parity)

    def online(self) -> list[Drive]:
        return [drive for drive in self.drives if drive.state is DriveState.ONLINE]

    def writable(self) -> list[Drive]:
        return [drive for drive in self.online() if not drive.draining and (not self.voters or drive.id in self.voters)]

    def let_vote(self, voters: Collection[str]) -> None:
        self.voters = voters

    def by_id(self, ident: str) -> Drive | None:
        return next((drive for drive in self.drives if drive.id == ident), None)

    def probe(self) -> None:
        for drive in self.drives:
            drive.look()

    async def join(self, path: Path) -> Drive:
        found = next((drive for drive in self.drives if str(drive.path) == str(path)), None)
        if found is None:
            found = Drive(self.host, next(one for one in self.host.devices if one.path == Path(path)))
            self.drives = [*self.drives, found]
        return found

    async def format_new(self, drive: Drive, ident: str | None = None) -> Drive:
        assert ident in (None, drive.device.name)
        self.host.step(drive, formatted=True)
        drive.look()
        return drive

    def leave(self, drive: Drive) -> None:
        self.removed |= {drive.device.name}
        self.forget(drive)

    def forget(self, drive: Drive) -> None:
        self.drives = [one for one in self.drives if one is not drive]


class Place:
    """A path, as far as the rules look at one."""

    def __init__(self, drive: Drive, name: str = "") -> None:
        self.device, self._drive, self._name = drive.device, drive, name

    def __truediv__(self, name: str) -> Place:
        return Place(self._drive, name)

    def __str__(self) -> str:
        return str(PurePosixPath("/", self.device.name, self._name))

    def exists(self) -> bool:
        return not self.device.down and self.device.disk.history is not None

    def remove(self) -> None:
        self._drive.host.step(self._drive, history=None, inode=self.device.disk.inode + 1)

    def iterdir(self) -> Iterator[Place]:
        raise FileNotFoundError

    @property
    def parent(self) -> Place:
        return Place(self._drive)


class Drive:
    """A drive as one process knows it: its calls do at once what the real ones do on files. `shunned`: the process
    thinks it faulty."""

    deadline, draining, crowded, faults, problem, system = 1.0, False, False, 0, None, None
    measured = SimpleNamespace(free=1 << 40)
    usage = SimpleNamespace(spare=1 << 40, reserve=0)

    def __init__(self, host: Host, device: Device) -> None:
        self.host, self.device = host, device
        self.path = Place(self)
        self.free = host.devices.index(device)  # those that join later have more room
        self.id: str | None = None
        self.shunned = False
        self.look()

    def look(self) -> None:
        """Whose the slot is becomes known when the drive is there."""
        if not self.device.down and self.device.disk.formatted:
            self.id = self.device.name

    @property
    def state(self) -> DriveState:
        if self.device.down:
            return DriveState.MISSING
        if self.shunned:
            return DriveState.FAULTY
        if self.device.disk.removed:
            return DriveState.REMOVED
        return (
            DriveState.ONLINE if self.id else DriveState.NEW if not self.device.disk.formatted else DriveState.MISSING
        )

    def require(self) -> None:
        if self.device.down or self.shunned:
            raise DriveOffline(self.device.name, "is away")

    def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self.require()
        disk = self.device.disk
        if work is ballots._vote:
            return Vote(disk.ballot, disk.promise, damaged=False)
        if work is ballots._promise:
            if disk.promise >= arguments[1]:
                raise BallotSuperseded(self.device.name, "promised")
            return self.host.step(self, promise=arguments[1])
        return work(*arguments)

    def write_ballot(self, ballot: Ballot) -> None:
        known = self.device.disk.ballot
        if known is not None and (known.epoch > ballot.epoch or (known.epoch == ballot.epoch and known != ballot)):
            raise BallotSuperseded(self.device.name, "superseded")
        self.host.step(self, ballot=ballot)

    async def retire(self) -> None:
        self.host.step(self, removed=True)

    def make(self, history: History) -> None:
        """Put a mirror here, as a copy does."""
        try:
            self.host.step(self, history=None, inode=self.device.disk.inode + 1)
            self.host.step(self, history=history)
        except DriveError as error:
            raise MirrorFailed(self.device.name, str(error)) from error


class Mirror:
    """The mirror of a drive as one process has it open."""

    abandoned = faulty = False
    connection = SimpleNamespace(pragma=lambda _: VERSION, execute=lambda _: SimpleNamespace(fetchone=lambda: ("ok",)))

    def __init__(self, member: str, path: Any, drive: Drive | None, *, strict: bool, host: Host | None = None) -> None:
        if drive is None:  # where its file was seen, of a drive that this process does not know
            assert host is not None
            drive = Drive(host, next(one for one in host.devices if one.name == member))
        self.id, self.path, self._drive = member, drive.path / "catalog.db", drive
        if drive.device.down or drive.device.disk.history is None:
            raise MirrorFailed(member, "is not there", intact=True)
        self.file = File(str(self.path), 0, drive.device.disk.inode)

    def problem(self) -> MirrorFailed | None:
        if self._drive.device.down or self._drive.shunned:
            return MirrorFailed(self.id, "its drive is away", intact=True)
        return None if self._drive.device.disk.inode == self.file.inode else MirrorFailed(self.id, "was replaced")

    def check(self) -> None:
        if (problem := self.problem()) is not None:
            raise problem

    @property
    def history(self) -> History:
        self.check()
        assert self._drive.device.disk.history is not None
        return self._drive.device.disk.history

    def position(self) -> Position:
        return _position(self.history)

    def size(self) -> int:
        return 0

    log_bytes = checkpoint = size

    def apply(self, step: Step) -> None:
        if self.position().chain != step.before.chain:
            raise OutOfStep(self.id, "stands elsewhere")

    def publish(self, step: Step) -> None:
        name: Any = step.statements[0][0]
        self.extend((*self.history, (name, step.after.epoch)))

    def extend(self, history: History) -> None:
        try:
            self._drive.host.step(self._drive, history=history)
        except DriveError as error:
            raise MirrorFailed(self.id, str(error)) from error

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        yield

    def rollback(self) -> None:
        pass

    def close(self, *, fold: bool = False) -> None:
        pass


def _position(history: History) -> Position:
    return Position(history[-1][1] if history else 0, len(history), repr(history).encode(), 0, ())


class Rows:
    """A `Transaction` over what a history wrote into two tables: `drives` and `settings`."""

    def __init__(self, history: History) -> None:
        self.rows: dict[tuple[str, Value], Value] = {}
        self.written: list[tuple[str, tuple[Value, ...]]] = []
        for name, _ in history:
            for sql, params in name[1] if isinstance(name, tuple) else ():
                self._do(sql, params)

    def _do(self, sql: str, params: tuple[Value, ...]) -> None:
        verb, _, table, *_ = sql.split()
        if verb == "INSERT":
            self.rows[table, params[0]] = params[1]
        elif verb == "DELETE":
            self.rows.pop((table, params[0]), None)

    def one(self, sql: str, *params: Value) -> Row | None:
        if sql.startswith("SELECT count"):  # of shards: there are none
            return 0, 0
        table = sql.split()[3]
        return (self.rows[table, params[0]],) if (table, params[0]) in self.rows else None

    steady = one

    def all(self, sql: str, *params: Value) -> list[Row]:
        table = sql[sql.index("FROM") :].split()[1]
        return [(key, value) for (one, key), value in sorted(self.rows.items()) if one == table and not params]  # type: ignore[type-var]

    def run(self, sql: str, *params: Value) -> int:
        self.written.append((sql, params))
        self._do(sql, params)
        return 1


class _Batch:
    """One function: that of a process, or the name of what it writes."""

    unsteady = False
    progress = None

    def __init__(self, members: Members, functions: list[Any]) -> None:
        self.outcomes: list[tuple[Any, BaseException | None]] = [(None, None)]
        self._function, self._epoch = functions[0], members.state.ballot.epoch

    def run(self, leader: Mirror) -> Step | None:
        history = leader.history
        name: Any = self._function
        if callable(name):
            rows = Rows(history)
            try:
                self.outcomes = [(name(rows), None)]
            except Exception as error:
                self.outcomes = [(None, error)]
                return None
            if not rows.written:
                return None
            name = (len(history), tuple(rows.written))
        after = (*history, (name, self._epoch))
        return Step(_position(history), _position(after), [(name, ())], 1, b"")


class Shared:
    """What the processes of a life share."""

    def __init__(self, host: Host) -> None:
        self.host, self.held = host, False
        self.generation, self.unfinished, self._state = 0, False, None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        self.host.moment()
        assert not self.held
        self.held = True
        try:
            yield
        finally:
            self.held = False

    def state(self) -> State:
        assert self._state is not None
        return self._state

    def save(self, state: State) -> None:
        self.generation, self._state = self.generation + 1, state  # type: ignore[assignment]

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


class Process:
    """A process of a life. `leads`: that of the jobs, which follows what was asked for of drives."""

    def __init__(self, host: Host, *, leads: bool = False) -> None:
        self.host, self.pool = host, host.pool()
        self.members = self._members(leads=False)
        self.upkeep = Upkeep(self._members(leads=leads), settle=0.0)

    def _members(self, *, leads: bool) -> Members:
        return Members(self.pool, self.host.shared, strict=True, leads=leads)  # type: ignore[arg-type]

    def ballot(self) -> Ballot:
        return self.host.shared.state().ballot

    def read(self, function: Callable[[Rows], Any]) -> Any:
        history = readable(self.host)
        if history is None:
            raise NoMirror("nobody answers")
        return function(Rows(history))

    def commit(self, function: Any) -> Any:
        with self.host.shared.locked():
            ((result, error),) = engine.commit(self.members, [function])
        if error is not None:
            raise error
        return result

    async def write(self, function: Any) -> Any:
        return self.commit(function)

    def follow(self) -> None:
        """What every process does every second."""
        self.pool.probe()
        _run(jobs.follow(self.pool, self))  # type: ignore[arg-type]

    def watch(self) -> None:
        """What that of the jobs does."""
        self.follow()
        _run(jobs.carry_out(self.pool, self, lambda _: None))  # type: ignore[arg-type]
        promised = jobs.joining(self)  # type: ignore[arg-type]
        for drive in [one for one in self.pool.drives if one.state is DriveState.NEW and str(one.path) not in promised]:
            _run(self.pool.format_new(drive))
        self.upkeep.run()


def _run(work: Coroutine[Any, Any, Any]) -> None:
    with contextlib.suppress(StopIteration):
        work.send(None)
        raise AssertionError("nothing here waits")


def readable(host: Host) -> History | None:
    """What readers see: the first of the members that can be read."""
    state = host.shared.state()
    devices = {device.name: device for device in host.devices}
    for member in state.ballot.members:
        device = devices[member]
        if not device.down and member in state.files and state.files[member].inode == device.disk.inode:
            return device.disk.history
    return None


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
    for module in (startup, upkeep, restoring):
        patch.setattr(module, "Mirror", Mirror)
    patch.setattr(Members, "open", _open)
    for module in (members, engine, upkeep):
        patch.setattr(module, "together", _together)
    for module in (startup, upkeep):
        patch.setattr(module, "opened", lambda _, __, opening: opening())
    for module in (engine, upkeep):
        patch.setattr(module, "attend", lambda mirror, work, _: work(mirror))
    patch.setattr(upkeep, "patiently", lambda _, __, work: work(Progress()))
    patch.setattr(engine, "_Batch", _Batch)
    for module in (members, upkeep):
        patch.setattr(module, "replay", _replay)
    patch.setattr(startup, "File", SimpleNamespace(at=lambda place: File(str(place), 0, place.device.disk.inode)))
    patch.setattr(copying, "create", lambda drive: drive.make(()))
    patch.setattr(copying, "copy", lambda source, drive, _: drive.make(source.history))
    patch.setattr(copying, "remove", lambda place, _: place.remove())
    patch.setattr(startup, "Shared", lambda host: host.shared)
    patch.setattr(members, "_PAUSE", 0.0)
    patch.setattr(jobs, "asyncio", SimpleNamespace(to_thread=_at_once))


def _open(members: Members, member: str) -> Mirror:
    """As `Members.open`."""
    pool: Any = members.pool
    mirror = Mirror(member, None, pool.by_id(member), strict=True, host=pool.host)
    if member not in members.state.files or mirror.file != members.state.files[member]:
        raise MirrorFailed(member, "was replaced")
    mirror.check()
    return mirror


async def _at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


@dataclass(frozen=True)
class World:
    """The drives of a host that does not run, and what was said of transactions: done, or failed."""

    disks: tuple[Disk, ...]
    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


MEND, TOLD, WATCH, FOLLOW = "mend", "told", "watch", "follow"


class Life:
    """One life: a start, and what its processes are told to do; asserts that nothing that was done is missing, and
    nothing that failed is there, wherever anybody may read."""

    def __init__(
        self, world: World, parity: int, there: Collection[int], accidents: Collection[Accident] = (), **given: Any
    ) -> None:
        self.host = Host(world.disks, parity, there, accidents)
        self.done, self.failed = list(world.done), set(world.failed)
        self.serves = False
        self._accept_loss: bool = given.get("accept_loss", False)
        self.host.new_ones = given.get("new_ones", self._accept_loss)

    def start(self) -> None:
        """Raises StartRefused, Killed."""
        startup.start(self.host.pool(), self.host, accept_loss=self._accept_loss)  # type: ignore[arg-type]
        self.process, self.jobs = Process(self.host), Process(self.host, leads=True)
        self.other = Process(self.host)
        self.serves = readable(self.host) is not None

    def commit(self, name: str) -> None:
        """A worker writes."""
        try:
            self.process.commit(name)
            self.done.append(name)
        except Undecided:
            pass
        except ReadOnly:
            self.failed.add(name)

    def look(self) -> None:
        """What readers see."""
        history = readable(self.host)
        if history is None:
            return
        seen = [name for name, _ in history if isinstance(name, str)]
        assert [name for name in seen if name in self.done] == self.done, (seen, self.done)
        assert not self.failed.intersection(seen), (seen, self.failed)
        ballot = self.host.shared.state().ballot
        voters = {drive for one in ballot.electorates for drive in one.drives}
        assert {*ballot.members} <= voters or not voters, "a start looks for no other drives"
        removed = {drive for drive, one in courses(Rows(history)).items() if one.stage is Stage.REMOVED}
        assert not removed & voters, "whoever reads that a drive was removed may take it away"

    def act(self, name: Any) -> None:
        """Do what a step of a script says: write a name, rows, or one of the words above."""
        if name == MEND:
            for device in self.host.devices:
                device.down = False
            for one in (self.process, self.jobs):
                one.pool.probe()
            with contextlib.suppress(ReadOnly):
                self.jobs.upkeep.run()
        elif name == TOLD:
            self.host.devices[1].down = True
            self.host.shared.save(self.host.shared.state())
        elif name == WATCH:
            with contextlib.suppress(CatalogError, DriveError):
                self.jobs.watch()
        elif name == FOLLOW:
            with contextlib.suppress(CatalogError):
                self.process.follow()
        elif callable(name):
            with contextlib.suppress(ReadOnly, Refused):
                self.process.commit(name)
        else:
            self.commit(name)

    def run(self, names: Collection[Any], *, wanted: int | None = None) -> World:
        """The world after all of it."""
        with contextlib.suppress(Killed, StartRefused):
            self.start()
            for name in names:
                self.look()
                if name == MEND and wanted is not None:
                    self.jobs.pool.parity = wanted
                try:
                    self.act(name)
                except Killed:
                    if not self.host.alive:
                        raise
                    self.process, self.jobs = Process(self.host), Process(self.host, leads=True)
            self.look()
        return self.world

    @property
    def world(self) -> World:
        return World(self.host.disks, tuple(self.done), tuple(sorted(self.failed)))


def live(
    world: World,
    parity: int,
    there: Collection[int],
    names: Collection[Any],
    accidents: Collection[Accident] = (),
    *,
    wanted: int | None = None,
) -> tuple[World, int]:
    """One life: a start, and commits of `names`; the world after it, and how many steps it took.

    For MEND all drives are back, another parity is `wanted`, if any, and upkeep does what it can. For TOLD the second
    drive goes away, and another process tells that something has changed."""
    life = Life(world, parity, there, accidents)
    return life.run(names, wanted=wanted), life.host.steps


def latest(world: World) -> Ballot:
    """The latest ballot of all."""
    known = [disk.ballot for disk in world.disks if disk.ballot is not None and not disk.removed]
    return max(known, key=lambda one: one.epoch)


def subsets(size: int, lost: int) -> list[tuple[int, ...]]:
    """The drives that are there when at most so many are not."""
    return [one for count in range(lost + 1) for one in itertools.combinations(range(size), size - count)]
