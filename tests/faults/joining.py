"""A store whose drives join and leave while the power goes: drives are added, replaced, drained and removed by the
admin API, beside clients and everything else that moves bytes; some are lost meanwhile.

The disks keep their paths over all lives, for ballots and what was asked for name them. A start finds its drives as the
server does, by a list that may not be true any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from objstore.aws.errors import AwsError
from objstore.catalog.catalog import Catalog
from objstore.drives.crew import Crew
from objstore.drives.inspection import inspect
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.jobs import membership
from objstore.server.drives import DrivePages
from objstore.server.node import Node
from objstore.server.parities import ParityPages
from objstore.server.settings import SettingsError
from objstore.server.slots import find_slots
from objstore.store import repair
from objstore.store.membership import Stage, courses
from tests.faults.histories import empty, gone, rotten
from tests.faults.injection import Board, Faults
from tests.faults.moving import MovingHistory, MovingHouse, MovingWorld
from tests.faults.world import House, World

_SPARE = 2  # empty folders that may be made drives, at each start
_MOST = 6  # drives
_PATIENCE = 2.0
_HARMLESS = ("drive-watchdog", "digest", "pages")  # threads that touch no disk by themselves


class JoiningHouse(MovingHouse):
    """A house whose drives join and leave; `answers` counts what the administrator was told."""

    def __init__(self, pool: Pool, catalog: Catalog, runtime: Path) -> None:
        super().__init__(pool, catalog, runtime)
        self.answers: Counter[str] = Counter()
        self._following = asyncio.Lock()

        async def inventory() -> Any:
            return SimpleNamespace(drives=(), rebalancing=None)

        desk = SimpleNamespace(
            pool=pool,
            catalog=catalog,
            store=SimpleNamespace(storage_classes={}),
            settings=SimpleNamespace(drive_deadline=10.0, parity=None),
            inventory=inventory,
            follow=self._follow,
        )
        self._admin = DrivePages(cast(Node, desk))
        self.parities = ParityPages(cast(Node, desk))

    async def _follow(self) -> None:
        async with self._following:
            before = self.pool.parity
            begun = await membership.follow(self.pool, self.catalog)
        if begun or before != self.pool.parity:
            await self._seal()

    async def move(self) -> None:
        await self._follow()
        await super().move()

    def _staying(self) -> int:
        ballot, ways = self.catalog.ballot(), self.catalog.read(courses)
        leaving = {drive for drive, one in ways.items() if one.stage in (Stage.DRAINING, Stage.LEAVING)}
        leaving |= {one.replaces for drive, one in ways.items() if drive in ballot.drives}
        return len({*ballot.drives} - leaving)

    # --- an administrator

    async def ask(self, chance: Random, least: int) -> None:
        if not self.writable():
            return
        if chance.random() < 0.2:
            await super().ask(chance, least)
            return
        ballot, ways = self.catalog.ballot(), self.catalog.read(courses)
        drive = chance.choice(sorted(ballot.places.values()))
        joining = sorted(one.path for one in ways.values() if one.stage is Stage.JOINING)
        # what has references of several kinds keeps a parity that was lowered since, and so many drives
        few = self._staying() - 2 < max((info.layout.parity for info in self.infos()), default=0)
        root = Path(drive).parent
        free = sorted(str(path) for path in root.iterdir() if str(path) not in ballot.places.values())
        match chance.choice(("add", "replace", "drain", "leave", "remove", "lose", "keep")):
            case "add" | "replace" if not free or len(ballot.drives) >= _MOST:
                return
            case "drain" | "leave" | "remove" | "lose" if few:
                return
            case "add":
                await self.order("POST", path=chance.choice(free))
            case "replace":
                await self.order("POST", path=chance.choice(free), replaces=drive)
            case "drain":
                await self.order("PUT", drive=drive, action="drain")
            case "leave":
                await self.order("PUT", drive=drive, action="drain", remove="true")
            case "keep" if joining:
                await self.order("DELETE", drive=joining[0])
            case "keep":
                await self.order("PUT", drive=drive, action="keep")
            case "remove":
                await self.order("DELETE", drive=drive)
            case "lose":
                away = [one for one in self.pool.drives if one.state is not DriveState.ONLINE and one.id]
                if away:
                    await self.order("DELETE", drive=chance.choice(away).id or "", accept_loss="true")

    async def order(self, method: str, **given: str) -> None:
        name = " ".join([method, *(key for key in given if key not in ("path", "drive"))])
        try:
            await self._admin(method, given)
        except AwsError as error:
            self.answers[f"{name} {error.code}"] += 1
        else:
            self.answers[name] += 1

    async def finish(self) -> None:
        """Bring to its end what was asked for, but for drives that are emptied to stay."""

        def done() -> bool:
            ways = self.catalog.read(courses).values()
            on = [one for one in ways if one.stage is not Stage.REMOVED]
            ended = all(one.stage is Stage.DRAINING and not one.leave for one in on)
            return ended and self.catalog.ballot().before is None

        await self._until(done)

    def left(self) -> None:
        """Nothing counts that is on a drive that was removed, and nobody asks for its vote."""
        ballot, ways = self.catalog.ballot(), self.catalog.read(courses)
        removed = {drive for drive, one in ways.items() if one.stage is Stage.REMOVED}
        voters = {drive for one in ballot.electorates for drive in one.drives}
        assert not removed & {*ballot.members, *voters}, "a drive that was removed has a vote"
        assert not removed & {*self.catalog.read(lambda tx: repair.drives_of(tx, "shards"))}, "shards left with it"
        assert {one.id for one in self.pool.drives} == voters == {*ballot.places}, "the pool is what the ballot says"


class JoiningWorld(MovingWorld):
    """Disks at the same paths in every life. `names` are those of all that there ever were, `listed` what the operator
    names, `voters` those that were drives of the deployment when all was at rest last."""

    house = JoiningHouse

    def __init__(self, folder: Path, board: Board, *, drives: int, parity: int, punches: bool) -> None:
        self.names = self.listed = self.voters = [f"drive{number}" for number in range(drives)]
        super().__init__(folder, board, drives=drives, parity=parity, punches=punches)

    @property
    def paths(self) -> list[Path]:
        return [self.root / name for name in self.names]

    def placed(self, after: Path) -> Path:
        return after.rename(self.root)

    def provide(self) -> None:
        """Empty folders, for drives to come."""
        fresh = [path for path in self.paths if path.is_dir() and not any(path.iterdir())]
        for number in range(len(self.names), len(self.names) + _SPARE - len(fresh)):
            self.names = [*self.names, f"drive{number}"]
            self.paths[-1].mkdir()

    def slots(self) -> list[Path]:
        """As the server finds them; the operator puts the list right where it is told to."""
        if not self._has_run():
            return [self.root / name for name in self.listed]
        found = inspect([self.root / name for name in self.listed])
        if not any(one.ballot and one.state is DriveState.ONLINE for one in found):
            found = inspect(self.paths)
        try:
            return find_slots([one.path for one in found], 10.0).paths
        except SettingsError:
            return find_slots([one.path for one in found if one.state is not DriveState.NEW], 10.0).paths

    @contextlib.asynccontextmanager
    async def life(
        self, faults: Faults | None = None, off_at: int | None = None, *, deadline: float = 10.0
    ) -> AsyncIterator[House]:
        """As ever; and with the process all its threads are gone, for the next one is at the same paths."""
        before, threads = asyncio.all_tasks(), {*threading.enumerate()}
        hands = ThreadPoolExecutor()
        asyncio.get_running_loop().set_default_executor(hands)
        try:
            async with super().life(faults, off_at, deadline=deadline) as house:
                yield house
        finally:
            for task in (tasks := asyncio.all_tasks() - before):
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            hands.shutdown()
            deadline = time.monotonic() + _PATIENCE
            while left := [one.name for one in {*threading.enumerate()} - threads if _works(one)]:
                assert time.monotonic() < deadline, f"{left} outlive their process"
                await asyncio.sleep(0.01)


def _works(thread: threading.Thread) -> bool:
    """Whether a thread may yet touch a disk; one of a drive that waits for work gets none any more."""
    frame = sys._current_frames().get(thread.ident or 0)
    idle = frame is not None and frame.f_code is Crew._work.__code__
    return not idle and not thread.name.startswith(_HARMLESS)


class JoiningHistory(MovingHistory):
    """A history in which drives join and leave."""

    world: JoiningWorld

    def build(self, folder: Path, board: Board, drives: int, parity: int) -> World:
        return JoiningWorld(folder, board, drives=drives, parity=parity, punches=self.seed % 2 == 0)

    async def play(self) -> None:
        await self.begin()
        for era in range(3):
            some = self.chance.random() < 0.5
            most = min(self.parity, len(self.world.voters))
            self.bad = self.chance.sample(self.world.voters, self.chance.randint(0, most)) if some else []
            await self.work(era)
            hurt = self.chance.random() < 0.6
            self.crash(f"{era}", self.hurt if hurt else None)
            await self.mend(era)

    def crash(self, when: str, between: Callable[[list[Path]], None] | None = None) -> None:
        """The power goes, or only the processes; afterwards there are folders for new drives."""

        def meanwhile(paths: list[Path]) -> None:
            if between is not None:
                between(paths)
            self.world.provide()

        self.world.lose_power(f"{self.seed} {when}", meanwhile, power=self.chance.random() < 0.4)

    def hurt(self, paths: list[Path]) -> None:
        for path in paths:
            if path.name in self.bad and path.exists():
                self.chance.choice([gone, empty, rotten, self.replaced_by_old])(path)

    async def mend(self, era: int) -> None:
        """Start, and lose power in that again or while what was begun goes on; then all must be there."""
        for turn in range(self.chance.choice((0, 0, 1, 2))):
            at = self.chance.choice((self.chance.randint(1, 200), self.chance.randint(1, 2000)))
            await self.cut_short(at)
            self.crash(f"{era} {turn}")
        async with self.world.life() as house:
            await self.check(house)
            await house.keep()
            await self.check(house)
        self.crash(f"{era} mended", self.give_back)
        async with self.world.life() as house:
            assert isinstance(house, JoiningHouse)
            await self.check(house)
            await house.finish()
            await house.recover()
            await house.scrub()
            await house.recover()
            await house.verify()
            await self.settle(house)
            await house.drained()
            house.left()
            await self.check(house)
            places = house.catalog.ballot().places.values()
            removed = {one.path for one in house.catalog.read(courses).values() if one.stage is Stage.REMOVED}
        assert self.world.medium.missed() == [], "something went past the medium"
        if self.chance.random() < 0.5:
            self.keep_old()
        self._remember([Path(place).name for place in places])
        cleared = [path for path in sorted(removed - {*places}) if self.chance.random() < 0.5]
        self.crash(f"{era} stopped", lambda paths: self._clear(Path(path) for path in cleared))

    async def settle(self, house: House) -> None:
        self.world.size = len(house.catalog.ballot().drives)
        await super().settle(house)

    def _remember(self, voters: list[str]) -> None:
        self.world.voters = sorted(voters)
        if self.chance.random() < 0.6 or not {*voters} & {*self.world.listed}:
            self.world.listed = self.world.voters

    def _clear(self, paths: Any) -> None:
        """A drive that was removed is emptied, to be added anew."""
        for path in paths:
            if path.exists() and path.parent == self.world.root:
                empty(path)

    async def cut_short(self, at: int) -> None:
        try:
            async with self.world.life(off_at=at) as house:
                for _ in range(10):
                    await house.keep()
                self.world.medium.off = True
        except Exception:
            if not self.world.medium.off:
                raise
