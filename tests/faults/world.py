"""A store on disks that lose power: drives, catalog and blobs of one process, started again and again.

Each start is on a folder of its own, which holds what the power loss before left of the last one.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from objstore.blobs import Blobs, packing, running
from objstore.blobs.ids import new_instance
from objstore.blobs.running import Running
from objstore.blobs.types import BlobInfo
from objstore.catalog.catalog import Catalog, attach
from objstore.catalog.startup import start
from objstore.drives.format import BALLOT_FILE
from objstore.drives.inspection import Inspection, inspect
from objstore.drives.pool import Pool, format_new_drives
from objstore.drives.state import DriveState
from objstore.jobs import membership
from objstore.jobs.heal import heal, queue_lost
from objstore.jobs.reap import clear, reap
from objstore.jobs.scrub import order, scrub, standing
from objstore.jobs.seal import collect_orphans, seal_abandoned
from objstore.store import extents, repair
from objstore.store.reports import Reports
from objstore.store.store import Store, now_us
from objstore.store.types import INLINE
from tests.faults.injection import Board, Faults, FaultySystem
from tests.faults.medium import Medium
from tests.store import soundness

OPEN_BLOB = 1 << 20


class World:
    """Folders of `drives` drives below `folder`, plugged into `board`. `medium` is the disk of the life that runs."""

    house: type[House]

    def __init__(self, folder: Path, board: Board, *, drives: int = 4, parity: int | None = None, strict: bool = True):
        self.folder = folder
        self.board = board
        self.strict = strict
        self.parity = parity
        self.size = drives
        self.lives = 0
        self.system = FaultySystem(board)
        self.root = folder / "life0"
        for path in self.paths:
            path.mkdir(parents=True)
        self.medium = self._plug()

    @property
    def paths(self) -> list[Path]:
        return [self.root / f"drive{number}" for number in range(self.size)]

    def _plug(self, off_at: int | None = None) -> Medium:
        medium = Medium(self.root, off_at)
        self.board.mediums[:] = [medium]
        return medium

    def sync(self) -> None:
        """Make all that is there durable, as time does."""
        self.medium.sync()

    def lose_power(
        self, seed: str, between: Callable[[list[Path]], None] = lambda _: None, *, power: bool = False
    ) -> None:
        """What the drives hold afterwards is below a new root; `between` may do something to them before they start.

        `power`: only the processes die, nothing of what they wrote is lost."""
        self.board.faults.end()
        self.lives += 1
        after = self.folder / f"life{self.lives}"
        self.medium.crash(after, None if power else seed)
        shutil.rmtree(self.root, ignore_errors=True)
        self.root = self.placed(after)
        between(self.paths)
        self.medium = self._plug()

    def placed(self, after: Path) -> Path:
        """Where the next life finds what is left `after` a power loss."""
        return after

    def slots(self) -> list[Path]:
        """Where a start looks for drives."""
        return self.paths

    def _has_run(self) -> bool:
        return any((path / BALLOT_FILE).exists() for path in self.paths)

    @contextlib.asynccontextmanager
    async def life(
        self, faults: Faults | None = None, off_at: int | None = None, *, deadline: float = 10.0
    ) -> AsyncIterator[House]:
        """Start, and stop at the end. The power goes at the change `off_at` from now; `faults` begin then."""
        if off_at is not None:
            self.medium.off_at = self.medium.changes + off_at
        runtime = self.folder / f"runtime{self.lives}"
        shutil.rmtree(runtime, ignore_errors=True)
        runtime.mkdir()
        slots = self.slots()
        if not self._has_run():
            format_new_drives(inspect(slots, system=self.system), self.system)
        found = inspect(slots, system=self.system)
        parity = None if self._has_run() else self.parity
        pool = Pool.open(slots, parity=parity, strict=self.strict, deadline=deadline, system=self.system)
        try:
            start(pool, runtime, strict=self.strict)
            catalog = attach(pool, runtime, strict=self.strict, settle=0.0)
        except BaseException:
            pool.close()
            raise
        house = self.house(pool, catalog, runtime)
        try:
            house.begin(found)
            self.board.faults = faults or Faults("none")
            yield house
        finally:
            self.board.faults.end()
            with contextlib.ExitStack() as closing:
                closing.callback(pool.close)
                if self.medium.off:  # nothing can be closed well
                    closing.enter_context(contextlib.suppress(Exception))
                closing.callback(catalog.close)
                await house.close()


class House:
    """What one process has open, and the jobs of the jobs process."""

    def __init__(self, pool: Pool, catalog: Catalog, runtime: Path) -> None:
        self.pool = pool
        self.catalog = catalog
        self.reads = runtime / "reads"
        self.instance = new_instance()
        self.reports = Reports(catalog)
        self.blobs = Blobs(
            pool,
            instance=self.instance,
            lookup=lambda blob: catalog.read(lambda tx: repair.blob(tx, blob)),
            damaged=self.reports.damaged,
            opened=lambda info: catalog.write(lambda tx: extents.enter(tx, info)),
            sealed=self.reports.sealed,
            left=self.reports.left,
            limit=OPEN_BLOB,
            running=Running(self.reads, self.instance),
            moved=lambda extent: catalog.read(lambda tx: extents.moved(tx, extent)),
        )
        self.store = Store(catalog, self.blobs, unpublished=self.reports.unpublished)

    def begin(self, found: Sequence[Inspection]) -> None:
        """The store has started; `found` was there before."""

    async def close(self) -> None:
        for info in await self.blobs.seal_open():
            self.reports.sealed(info)
        await self.reports.flush()
        await self.blobs.close()

    async def look(self) -> None:
        """What the server does each second."""
        await self.pool.probe()
        await self.reports.flush()
        promised = membership.joining(self.catalog)
        for drive in self.pool.drives:
            if drive.state is DriveState.NEW and str(drive.path) not in promised:
                await self.pool.format_new(drive)
        await self.catalog.maintain()

    def writable(self) -> bool:
        return self.catalog.status().read_only is None

    async def keep(self) -> None:
        """What the jobs process does, once."""
        await self.look()
        if not self.writable():
            return
        await queue_lost(self.pool, self.catalog)
        await heal(self.pool, self.catalog, self.blobs)
        await seal_abandoned(self.catalog, self.blobs, self.lives)
        await collect_orphans(self.catalog, self.pool.online(), self.lives)
        await reap(self.catalog, self.blobs, 0.0, lambda: running.oldest(self.reads, self.lives))
        await clear(self.catalog, self.pool)
        await scrub(self.catalog, self.blobs, now_us())

    def lives(self, instance: bytes) -> bool:
        return instance == self.instance

    async def scrub(self) -> None:
        """A whole round, whatever one is under way: what that looked at before may be bad by now."""
        began_us = await order(self.catalog, now_us())
        while await scrub(self.catalog, self.blobs, now_us()):
            pass
        last = self.catalog.read(standing)
        assert last is not None
        assert (last.began_us, last.ended) == (began_us, True), "no round was made"

    async def recover(self) -> None:
        """Until all drives are online again, the catalog is mirrored, and nothing waits to be healed."""
        for _ in range(50):
            for drive in self.pool.drives:
                drive.faults = 0  # so that it comes back at once
            for info in await self.blobs.seal_open():
                self.reports.sealed(info)
            await self.keep()
            status = self.catalog.status()
            whole = len(status.members) >= status.wanted and not self.missing()
            if whole and self.writable() and all(drive.state is DriveState.ONLINE for drive in self.pool.drives):
                return
        raise AssertionError(f"it does not recover: {self.catalog.status()} {self.missing()} {self.pool.drives}")

    # --- looking closely

    def infos(self) -> list[BlobInfo]:
        return self.catalog.read(lambda tx: [info for blob in repair.blob_ids(tx) if (info := repair.blob(tx, blob))])

    def missing(self) -> list[tuple[str, dict[int, int]]]:
        return [(info.id.hex(), info.missing) for info in self.infos() if info.missing]

    async def verify(self) -> int:
        """Every shard has every append that is alive, save what is known to be missing; how many were looked at."""
        looked = 0
        for info in self.infos():
            alive = self.catalog.read(lambda tx, info=info: repair.appends(tx, info.id))
            for shard, drive in enumerate(info.drives):
                expected = [append for append in alive if info.has(shard, append.offset)]
                if not expected:
                    continue
                problems = await self.blobs.verify_shard(info, shard, expected)
                assert not problems, f"shard {shard} of {info} on {drive}: {problems}"
                looked += 1
        return looked

    def sound(self) -> None:
        """The tables agree with each other; counts are exact."""
        self.catalog.read(soundness.rows)

    async def drained(self) -> None:
        """After everything was given back, the drives hold shard files of blobs in the catalog and no others."""
        await self.keep()
        await self.keep()
        assert self.catalog.read(lambda tx: tx.all("SELECT * FROM garbage")) == []
        known = {(info.id, shard, drive) for info in self.infos() for shard, drive in enumerate(info.drives)}
        for drive in self.pool.online():
            for blob, shard, _, _ in await drive.shards():
                assert (blob, shard, drive.id) in known, f"{blob.hex()}.{shard} on {drive} belongs to nothing"


World.house = House


def small_steps(monkeypatch: object) -> None:
    """Streams and packed blobs of a size that a test can have many of."""
    set_ = monkeypatch.setattr  # type: ignore[attr-defined]
    set_("objstore.blobs.writer.PACK_MAX", 128 << 10)
    set_("objstore.blobs.writer.STEP", 1 << 20)
    set_(packing, "PREALLOCATE", 256 << 10)
    set_("objstore.store.completing.MIN_PART", INLINE + 1)
    set_("objstore.catalog.members._PAUSE", 0.0)
    set_("objstore.blobs.quorum.GRACE", 0.5)
