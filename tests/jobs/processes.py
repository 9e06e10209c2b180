"""The processes of a stepped server (`town.py`): workers, and the jobs process, joined as the server joins them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import msgspec

from objstore.blobs import Blobs, running
from objstore.blobs.running import Running
from objstore.catalog import ballots
from objstore.catalog.errors import CatalogError
from objstore.drives.drive import Drive
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.jobs import census, membership
from objstore.jobs.compact import compact
from objstore.jobs.heal import heal, queue_lost
from objstore.jobs.reap import clear, reap
from objstore.jobs.relocate import balance, empty, homeless
from objstore.jobs.restripe import restripe
from objstore.jobs.scrub import scrub
from objstore.jobs.seal import collect_orphans, seal_abandoned
from objstore.server.returns import Returns
from objstore.store import balancing, extents, repair, settling
from objstore.store.membership import Stage, courses, emptying
from objstore.store.reports import Reports
from objstore.store.store import Store
from tests.jobs.stepping import SteppedCatalog, SteppedPace

if TYPE_CHECKING:
    from tests.jobs.town import Town

GRACE = 60.0
OPEN_BLOB = 40 << 10


class Process:
    """A worker, as `server/node.py` joins one."""

    def __init__(self, town: Town) -> None:
        self.town = town
        town.instances += 1
        self.instance = town.instances.to_bytes(4, "big")
        self.pool = Pool.open(town.paths, parity=town.ballot.parity, strict=False, system=town.system)
        self.catalog: Any = SteppedCatalog(town.stage, town.shared, town)
        catalog: Any = self.catalog
        self.reports = Reports(catalog)
        self.reads = town.folder / "reads"
        self.running = Running(self.reads, self.instance, town.now_us)
        self.blobs = Blobs(
            self.pool,
            instance=self.instance,
            lookup=lambda blob: catalog.read(lambda tx: repair.blob(tx, blob)),
            damaged=self.reports.damaged,
            opened=lambda info: catalog.write(lambda tx: extents.enter(tx, info)),
            sealed=self.reports.sealed,
            left=self.reports.left,
            unpublished=self.reports.unpublished,
            limit=OPEN_BLOB,
            running=self.running,
            moved=lambda extent: catalog.read(lambda tx: extents.moved(tx, extent)),
            meet=self._meet,
        )
        self.returns = Returns(self.pool, catalog)
        self.store = Store(catalog, self.blobs, clock=town.now_us, unpublished=self.reports.unpublished)
        self._tasks: set[asyncio.Task[None]] = set()
        town.probed[self] = []
        town.run(self._start())

    async def _start(self) -> None:
        self.pool.on_change(self._drive_changed)
        await self.probe()
        await self.follow()

    def close(self) -> None:
        """Let go of what the end of a process lets go of."""
        self.pool.close()
        self.running.close()

    async def probe(self) -> None:
        at = self.town.changes
        for drive in self.pool.drives:
            drive.faults = 0  # one that fails comes back at once
        await self.returns.probe()
        self.town.probed[self].append(at)

    def _drive_changed(self, drive: Drive, old: DriveState, _: DriveState) -> None:
        if old is DriveState.ONLINE:
            task = self.town.stage.loop.create_task(self.seal())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _meet(self, _: str) -> None:
        await self.follow()

    async def follow(self) -> None:
        before = self.pool.parity
        if await membership.follow(self.pool, self.catalog) or before != self.pool.parity:
            await self.seal()

    async def seal(self) -> None:
        for info in await self.blobs.seal_open():
            self.reports.sealed(info)

    async def watch(self) -> None:
        await self.probe()
        with contextlib.suppress(CatalogError):
            if self.catalog.read(lambda tx: settling.open_and_damaged(tx, self.instance)):
                await self.seal()
            await self.returns.enter()
        await self.follow()
        await self.reports.flush()


class Keeper(Process):
    """The jobs process, as `server/janitor.py` has it."""

    def __init__(self, town: Town) -> None:
        self.placing = asyncio.Lock()
        self.pace = SteppedPace(town.stage)
        self._compacted = b""
        super().__init__(town)
        self.unswept = set(self.pool.online())
        self._dead = town.instances

    def jobs(self) -> dict[str, Callable[[], Coroutine[Any, Any, Any]]]:
        return {
            "watch": self.watch, "heal": self.heal, "sweep": self.sweep, "scrub": self.scrub, "move": self.move,
            "restripe": self.restripe, "compact": self.compact, "purge": self.purge,
        }  # fmt: skip

    def _drive_changed(self, drive: Drive, old: DriveState, new: DriveState) -> None:
        super()._drive_changed(drive, old, new)
        if new is DriveState.ONLINE and hasattr(self, "unswept"):
            self.unswept.add(drive)

    async def watch(self) -> None:
        await self.probe()
        await self.reports.flush()
        await self.follow()
        if not self.town.read_only():
            await membership.carry_out(self.pool, self.catalog, lambda _: None)
        promised = membership.joining(self.catalog)
        for drive in [one for one in self.pool.drives if one.state is DriveState.NEW]:
            if str(drive.path) not in promised:
                made = await self.pool.format_new(drive)
                with contextlib.suppress(CatalogError):
                    await self.catalog.write(lambda tx, made=made: census.fresh(tx, made.id or ""))
        self.elect()
        if not self.town.read_only():
            await queue_lost(self.pool, self.catalog)
            await self.returns.enter()

    def elect(self) -> None:
        """The ballot becomes what the pool is, a step at a time."""
        before = self.town.ballot
        if before.before is not None:
            following = msgspec.structs.replace(before, before=None)
        else:
            wanted = ballots.next_electorate(self.pool, before)
            following = ballots.succeeding(self.pool, before, (), wanted, epoch=before.epoch)
        here = {self.town.ident(path) for path in self.town.paths}
        if following != before and ballots.enough(following, [one for one in here if one]):
            self.town.ballot = msgspec.structs.replace(following, epoch=before.epoch + 1)

    async def heal(self) -> None:
        await heal(self.pool, self.catalog, self.blobs, placing=self.placing, pace=self.pace)
        await census.look_through(self.catalog, self.blobs, self.pace)

    async def sweep(self) -> None:
        town = self.town
        await self.catalog.settled()
        died, self._dead = self._dead != town.instances, town.instances
        if await seal_abandoned(self.catalog, self.blobs, town.lives) or died:
            self.unswept.update(self.pool.online())
        drives, self.unswept = self.unswept, set()
        try:
            async with self.placing:
                by_slot = sorted(drives, key=lambda drive: (drive.path, drive.id or ""))
                await collect_orphans(self.catalog, by_slot, town.lives)
        except BaseException:
            self.unswept |= drives
            raise
        oldest = lambda: running.oldest(self.reads, town.lives)  # noqa: E731
        await reap(self.catalog, self.blobs, GRACE, oldest, placing=self.placing)
        async with self.placing:
            await clear(self.catalog, self.pool)

    async def compact(self) -> None:
        rooms = (self.pool, self.catalog, self.blobs)
        self._compacted, _ = await compact(*rooms, self._compacted, old_seconds=0.0, pace=self.pace)

    async def scrub(self) -> bytes | None:
        return await scrub(self.catalog, self.blobs, self.town.now_us(), mend=self._mend)

    async def _mend(self) -> None:
        await self.reports.flush()
        for process in self.town.processes():
            await process.watch()
        await heal(self.pool, self.catalog, self.blobs, placing=self.placing, pace=self.pace)

    async def move(self) -> None:
        await self.follow()
        rooms = (self.pool, self.catalog, self.blobs)
        how: dict[str, Any] = {"placing": self.placing, "pace": self.pace}
        left = iter(range(100))
        proceed = lambda: next(left, None) is not None  # noqa: E731
        draining = [drive for drive, one in self.catalog.read(courses).items() if one.stage is Stage.DRAINING]
        for drive in [*draining, *homeless(self.pool, self.catalog)]:
            await empty(*rooms, drive, proceed, **how)
        if not self.catalog.read(emptying) and self.catalog.read(balancing.standing) is not None:
            await balance(*rooms, proceed, **how)

    async def restripe(self) -> None:
        rooms, left = (self.pool, self.catalog, self.blobs), iter(range(100))
        proceed = lambda: next(left, None) is not None  # noqa: E731
        await restripe(*rooms, self.store.storage_classes, proceed, pace=self.pace)

    async def purge(self) -> None:
        while await self.store.views.purge():
            pass
