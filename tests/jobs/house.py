"""A store over real drives, blobs and catalog in one process, as the jobs see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from objstore.blobs import Blobs
from objstore.blobs.ids import new_instance
from objstore.blobs.running import Running
from objstore.blobs.types import BlobInfo
from objstore.catalog.catalog import Catalog, attach
from objstore.catalog.startup import start
from objstore.drives.drive import DEADLINE, Drive
from objstore.drives.inspection import inspect
from objstore.drives.pool import Pool, format_new_drives
from objstore.drives.shardfiles import ShardFiles
from objstore.drives.system import System
from objstore.store import extents, repair
from objstore.store.reports import Reports
from objstore.store.store import Store
from objstore.store.types import NewObject
from tests.store.fakes import OWNER, source

BUCKET = "bucket"
NEW = NewObject(owner=OWNER)


class House:
    """Four drives with parity 2, and a bucket. `blobs` belong to an instance that lives."""

    def __init__(self, pool: Pool, catalog: Catalog, reads: Path) -> None:
        self.pool = pool
        self.catalog = catalog
        self.reads = reads
        self.instance = new_instance()
        self.reports = Reports(catalog)
        self.blobs = self.fresh(self.instance)
        self.store = Store(catalog, self.blobs)

    def fresh(self, instance: bytes | None = None) -> Blobs:
        """Blobs as another process has them."""
        tag = instance or new_instance()
        return Blobs(
            self.pool,
            instance=tag,
            lookup=lambda blob: self.catalog.read(lambda tx: repair.blob(tx, blob)),
            damaged=lambda *_: None,
            opened=lambda info: self.catalog.write(lambda tx: extents.enter(tx, info)),
            sealed=self.reports.sealed,
            left=self.reports.left,
            unpublished=self.reports.unpublished,
            running=Running(self.reads, tag),
            moved=lambda extent: self.catalog.read(lambda tx: extents.moved(tx, extent)),
        )

    async def put(self, key: str, data: bytes) -> None:
        await self.store.put(BUCKET, key, source(data, chunk=1 << 20), NEW)

    async def get(self, key: str, store: Store | None = None) -> bytes:
        reader = store or self.store
        return b"".join([bytes(piece) async for piece in reader.read(reader.current(BUCKET, key))])

    async def seal(self) -> None:
        """Have the open blobs sealed, and known to be."""
        await self.blobs.seal_open()
        await self.reports.flush()

    async def delete(self, *keys: str) -> None:
        for key in keys:
            await self.store.delete(BUCKET, key)

    def info(self, blob: bytes) -> BlobInfo:
        found = self.catalog.read(lambda tx: repair.blob(tx, blob))
        assert found is not None
        return found

    def blob_of(self, key: str) -> bytes:
        return self.store.current(BUCKET, key).extents[0].blob

    def file(self, info: BlobInfo, shard: int) -> Path:
        drive = self.pool.by_id(info.drives[shard])
        assert drive is not None
        return Path(ShardFiles(drive.path, System()).path((info.id, shard, False)))

    def used(self, info: BlobInfo) -> list[int]:
        """Bytes that each shard file of a blob takes on its disk; 0 for one that is not there."""
        files = [self.file(info, shard) for shard in range(len(info.drives))]
        return [file.stat().st_blocks * 512 if file.exists() else 0 for file in files]

    async def away(self, drive: Drive) -> Path:
        """The folder of a drive vanishes; where it went."""
        aside = drive.path.with_name(f"{drive.path.name}.away")
        drive.path.rename(aside)
        await self.pool.probe()
        return aside

    async def back(self, drive: Drive) -> None:
        drive.path.with_name(f"{drive.path.name}.away").rename(drive.path)
        await self.pool.probe()


def play(
    folder: Path,
    scene: Callable[[House], Awaitable[None]],
    *,
    system: System | None = None,
    deadline: float = DEADLINE,
) -> None:
    """Play a scene in a new house, then close everything."""
    paths = [folder / f"drive{number}" for number in range(4)]
    runtime = folder / "runtime"
    runtime.mkdir()
    format_new_drives(inspect(paths))
    pool = Pool.open(paths, strict=False, system=system, deadline=deadline)
    start(pool, runtime, strict=False)
    catalog = attach(pool, runtime, strict=False)

    async def main() -> None:
        house = House(pool, catalog, folder / "reads")
        await house.store.create_bucket(BUCKET, OWNER)
        try:
            await scene(house)
        finally:
            await house.blobs.close()

    try:
        asyncio.run(main())
    finally:
        catalog.close()
        pool.close()
