"""A store in which bytes are moved while drives fail and the power goes: restriped to another parity, drained off
drives and spread again, compacted; drives that come back are looked through, and what was moved is given back at once.

Everything goes on beside everything else, as in the jobs process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random

from objstore.blobs import running
from objstore.catalog.catalog import Catalog
from objstore.drives.drive import Drive
from objstore.drives.inspection import Inspection
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.jobs import census, doubts, membership
from objstore.jobs.compact import compact
from objstore.jobs.heal import heal, queue_lost
from objstore.jobs.pace import unpaced
from objstore.jobs.reap import clear, reap
from objstore.jobs.relocate import balance, empty, homeless
from objstore.jobs.restripe import restripe
from objstore.jobs.scrub import scrub
from objstore.jobs.seal import collect_orphans, seal_abandoned
from objstore.store import balancing, parity, redundancy, restriping
from objstore.store.membership import Stage, courses, drain, emptying
from objstore.store.membership import keep as let_stay
from objstore.store.store import now_us
from tests.faults.histories import History
from tests.faults.injection import Board, FaultySystem
from tests.faults.world import House, World

_STEPS = 200  # more than anything here takes to come to its end


class MovingHouse(House):
    """A house whose jobs move bytes, too; `moved` counts what they did, by name."""

    def __init__(self, pool: Pool, catalog: Catalog, runtime: Path) -> None:
        super().__init__(pool, catalog, runtime)
        self.moved = {"restriped": 0, "relocated": 0, "compacted": 0}
        self._returned: set[str] = set()
        self._placing = asyncio.Lock()
        self._pace = unpaced()
        pool.on_change(self._drive_changed)

    def begin(self, found: Sequence[Inspection]) -> None:
        self._returned |= doubts.changed(found) | doubts.strangers(self.pool, self.catalog)

    def _drive_changed(self, drive: Drive, old: DriveState, new: DriveState) -> None:
        if new is DriveState.ONLINE and old is not DriveState.FAULTY and drive.id is not None:
            self._returned.add(drive.id)

    def loops(self) -> list[Callable[[], Awaitable[None]]]:
        """What goes on side by side."""
        return [self.look, self.heal, self.sweep, self.scrub_on, self.move, self.restripe]

    async def keep(self) -> None:
        for job in self.loops():
            await job()

    async def look(self) -> None:
        await self._follow()
        if self.writable():
            await membership.carry_out(self.pool, self.catalog, lambda _: None)
        await super().look()
        if self.writable():
            await queue_lost(self.pool, self.catalog)
            for name in list(self._returned):
                await self.catalog.write(lambda tx, name=name: census.begin(tx, name))  # type: ignore[misc]
                self._returned.discard(name)

    async def _follow(self) -> None:
        """As the server follows what was decided. No drive joins or leaves: its path would be that of another life."""
        ballot, course = self.catalog.ballot(), self.catalog.read(courses)
        draining = {drive for drive, one in course.items() if one.stage is Stage.DRAINING}
        before = (self.pool.parity, {one.id for one in self.pool.drives if one.draining})
        if ballot.before is None and ballot.drives:
            self.pool.parity = ballot.parity
        for one in self.pool.drives:
            one.draining = one.id in draining
        if before != (self.pool.parity, {one.id for one in self.pool.drives if one.draining}):
            await self._seal()

    async def _seal(self) -> None:
        for info in await self.blobs.seal_open():
            self.reports.sealed(info)
        await self.reports.flush()

    async def heal(self) -> None:
        if self.writable():
            await heal(self.pool, self.catalog, self.blobs, placing=self._placing)
            await census.look_through(self.catalog, self.blobs)

    async def sweep(self) -> None:
        if not self.writable():
            return
        await seal_abandoned(self.catalog, self.blobs, self.lives)
        async with self._placing:
            await collect_orphans(self.catalog, self.pool.online(), self.lives)
        await reap(
            self.catalog,
            self.blobs,
            0.0,
            lambda: running.oldest(self.reads, self.lives),
            placing=self._placing,
        )
        async with self._placing:
            await clear(self.catalog, self.pool)
        after: bytes | None = None
        while after != b"":
            after, count = await compact(self.pool, self.catalog, self.blobs, after or b"", old_seconds=0.0)
            self.moved["compacted"] += count

    async def scrub_on(self) -> None:
        if self.writable():
            await scrub(self.catalog, self.blobs, now_us())

    async def move(self) -> None:
        if not self.writable():
            return
        rooms, how = (self.pool, self.catalog, self.blobs), {"placing": self._placing, "pace": self._pace}
        draining = [drive for drive, one in self.catalog.read(courses).items() if one.stage is Stage.DRAINING]
        for drive in [*draining, *homeless(self.pool, self.catalog)]:
            self.moved["relocated"] += (await empty(*rooms, drive, lambda: True, **how)).moves
        if not self.catalog.read(emptying) and self.catalog.read(balancing.standing) is not None:
            self.moved["relocated"] += (await balance(*rooms, lambda: True, **how)).moves

    async def restripe(self) -> None:
        if self.writable():
            rooms = (self.pool, self.catalog, self.blobs)
            self.moved["restriped"] += await restripe(*rooms, {}, lambda: True, pace=self._pace)

    # --- an administrator

    async def ask(self, chance: Random, least: int) -> None:
        """Ask for something that moves bytes; nothing has less parity than `least` by it."""
        if not self.writable():
            return
        write, most, now = self.catalog.write, len(self.pool.drives) // 2, now_us()
        drives = [one for one in self.pool.drives if one.id is not None]
        match chance.choice(("restripe", "parity", "drain", "keep", "spread")):
            case "restripe":
                await write(lambda tx: restriping.start(tx, now))
            case "parity":
                wanted = chance.randint(least, most)
                if self._staying() >= max(1, 2 * wanted):
                    await write(lambda tx: parity.want(tx, wanted))
                    await write(lambda tx: restriping.start(tx, now))
            case "drain" if drives:
                name = chance.choice(drives).id
                wanted = max(self.pool.parity, self.catalog.read(parity.wanted) or 0)
                enough = self._staying() - 1 >= max(1, 2 * wanted)
                if enough and name is not None and name not in self.catalog.read(courses):
                    await write(lambda tx: drain(tx, name, name, now))
            case "keep":
                await self._keep_all()
            case _:
                await write(lambda tx: balancing.start(tx, now))

    def _staying(self) -> int:
        return len(self.pool.drives) - len(self.catalog.read(courses))

    async def _keep_all(self) -> None:
        for drive, one in self.catalog.read(courses).items():
            if one.stage is Stage.DRAINING:
                await self.catalog.write(lambda tx, drive=drive: let_stay(tx, drive, drive))  # type: ignore[misc]

    async def settle(self, wanted: int) -> None:
        """Bring all moves to their end, and everything to the parity `wanted`: the drives are whole."""
        await self._keep_all()
        await self.catalog.write(lambda tx: parity.want(tx, wanted))
        await self._until(lambda: self.catalog.read(parity.wanted) is None and self.catalog.ballot().before is None)
        assert self.catalog.ballot().parity == wanted
        await self.catalog.write(lambda tx: restriping.start(tx, now_us()))
        await self._until(lambda: self.catalog.read(restriping.standing) is None)
        await self._until(lambda: not self.catalog.read(census.waiting) and not self.missing())
        await self._seal()
        await self._until(lambda: self.catalog.read(balancing.standing) is None)
        there = [one.id for one in self.pool.online() if one.id is not None]
        for promise in self.catalog.read(lambda tx: redundancy.promises(tx, there)):
            assert promise.parity == promise.may_fail == wanted, f"not parity {wanted}: {promise}"

    async def _until(self, done: Callable[[], bool]) -> None:
        for _ in range(_STEPS):
            if done():
                return
            await self.keep()
        raise AssertionError("what was begun comes to no end")


class Unpunchable(FaultySystem):
    """Disks of which nothing is given back but whole files, so that compaction has something to do."""

    def punch(self, fd: int, offset: int, length: int) -> bool:
        return False


class MovingHistory(History):
    """A history in which bytes are moved. Never more drives are hurt than the least parity that anything has."""

    world: MovingWorld

    def __init__(self, folder: Path, board: Board, seed: int) -> None:
        super().__init__(folder, board, seed)
        self._moves = Random(f"{seed} moves")

    def build(self, folder: Path, board: Board, drives: int, parity: int) -> World:
        return MovingWorld(folder, board, drives=drives, parity=parity, punches=self.seed % 2 == 0)

    async def jobs(self, house: House) -> None:
        assert isinstance(house, MovingHouse)
        asked = lambda: house.ask(self._moves, len(self.bad))  # noqa: E731
        await asyncio.gather(*map(self.again_and_again, [*house.loops(), asked]))

    async def settle(self, house: House) -> None:
        assert isinstance(house, MovingHouse)
        self.parity = self._moves.randint(min(1, self.world.size // 2), self.world.size // 2)
        await house.settle(self.parity)


class MovingWorld(World):
    """A world of such houses."""

    house = MovingHouse

    def __init__(self, folder: Path, board: Board, *, drives: int, parity: int, punches: bool) -> None:
        super().__init__(folder, board, drives=drives, parity=parity)
        if not punches:
            self.system = Unpunchable(board)
