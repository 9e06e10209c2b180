"""Real drives in a folder, blobs over them, and a dictionary in the catalog's place."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from objstore.blobs import Blobs
from objstore.blobs.ids import new_instance
from objstore.blobs.packing import LIMIT
from objstore.blobs.records import Record, pack_record
from objstore.blobs.types import Append, BlobInfo, Extent, Written
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveFaulty
from objstore.drives.inspection import inspect
from objstore.drives.pool import Pool, format_new_drives
from objstore.drives.shardfiles import ShardFiles

RECORD = pack_record(Record("bucket", b"some/key", "null", 0, "0" * 32))


async def opened(_: BlobInfo) -> None:
    """A blob is entered where others find it."""


class Setting:
    """`rows` is the catalog: what `record` was told. `damages` is what the blobs reported."""

    def __init__(self, pool: Pool, limit: int = LIMIT) -> None:
        self.pool = pool
        self.rows: dict[bytes, BlobInfo] = {}
        self.appends: dict[bytes, list[Append]] = {}
        self.moved: dict[tuple[bytes, int], Extent] = {}
        self.damages: list[tuple[bytes, int]] = []
        self.sealed: list[BlobInfo] = []
        self.opened: Callable[[BlobInfo], Awaitable[None]] = opened
        self.blobs = self.fresh(limit)

    def fresh(self, limit: int = LIMIT) -> Blobs:
        """Blobs as another process would have them, that know only what the catalog knows."""
        return Blobs(
            self.pool,
            instance=new_instance(),
            lookup=self.rows.get,
            damaged=lambda blob, shard, offset, reason: self.damages.append((blob, shard)),
            opened=lambda info: self.opened(info),
            sealed=self.sealed.append,
            limit=limit,
            moved=lambda extent: self.moved.get((extent.blob, extent.offset)),
        )

    def record(self, written: Written) -> None:
        for info in written.blobs:
            known = self.rows.get(info.id, info)
            missing = {
                shard: min(m.get(shard, 1 << 62) for m in (known.missing, info.missing))
                for shard in {*known.missing, *info.missing}
            }
            length = max(known.length, info.length)
            self.rows[info.id] = msgspec.structs.replace(info, missing=missing, length=length)
        for extent in written.extents:
            self.appends.setdefault(extent.blob, []).append(Append(extent.offset, extent.head, extent.size))

    async def put(self, data: bytes, *, parity: int | None = None, known: bool = True, chunk: int = 1 << 20) -> Extent:
        """Write and publish; the extent of it all."""
        writer = self.blobs.writer(self.pool.parity if parity is None else parity, len(data) if known else None)
        for start in range(0, len(data), chunk):
            await writer.write(data[start : start + chunk])
        written = await writer.finish(RECORD)
        self.record(written)
        return written.extents[0]

    async def get(self, extents: Sequence[Extent] | Extent, start: int = 0, length: int | None = None) -> bytes:
        """Read as a process does that knows only the catalog."""
        some = [extents] if isinstance(extents, Extent) else list(extents)
        if length is None:
            length = sum(extent.length for extent in some) - start
        return b"".join([bytes(piece) async for piece in self.fresh().read(some, start, length)])

    def info(self, extent: Extent) -> BlobInfo:
        return self.rows[extent.blob]

    def drive(self, extent: Extent, shard: int) -> Drive:
        found = self.pool.by_id(self.info(extent).drives[shard])
        assert found is not None
        return found

    def file(self, extent: Extent, shard: int) -> Path:
        files = ShardFiles(self.drive(extent, shard).path, None)  # type: ignore[arg-type]
        return Path(files.path((extent.blob, shard, False)))

    def files(self) -> list[Path]:
        """Every shard file there is."""
        return [path for drive in self.pool.drives for path in drive.path.glob("shards/*/*")]

    async def lose(self, drive: Drive) -> None:
        """The folder of a drive vanishes."""
        shutil.rmtree(drive.path)
        await self.pool.probe()

    async def replace(self, slot: int) -> Drive:
        """A lost drive comes back as an empty folder and is formatted."""
        self.pool.drives[slot].path.mkdir()
        await self.pool.probe()
        return await self.pool.format_new(self.pool.drives[slot])


def flip(path: Path, offset: int) -> None:
    """Flip a bit of the byte at `offset`."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


class Faulted:
    """A drive with something between it and its callers: `before(name)` is awaited ahead of each named call."""

    def __init__(self, drive: Drive, names: Sequence[str], before: Callable[[str], Awaitable[None]]) -> None:
        self._drive = drive
        self._names = names
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._drive, name)
        if name == "read_now" and "read" in self._names:
            return lambda *_: None
        if name not in self._names:
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._before(name)
            return await found(*arguments, **named)

        return call

    def __eq__(self, other: object) -> bool:
        return other is self or other is self._drive

    def __hash__(self) -> int:
        return hash(self._drive)


def put_between(pool: Pool, slot: int, names: Sequence[str], before: Callable[[str], Awaitable[None]]) -> None:
    """Have `before` awaited ahead of these calls of the drive at `slot`."""
    pool.drives[slot] = Faulted(pool.drives[slot], names, before)  # type: ignore[call-overload]


def failing_after(calls: int) -> Callable[[str], Awaitable[None]]:
    """Let so many calls pass, then fail all."""
    left = calls

    async def before(name: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise DriveFaulty("drive", f"{name} failed by test")

    return before


def run(
    folder: Path,
    scene: Callable[[Setting], Awaitable[None]],
    *,
    drives: int = 4,
    parity: int | None = None,
    strict: bool = False,
    **how: Any,
) -> None:
    """Play a scene on new drives in `folder`, then close everything."""
    paths = [folder / f"disk{number}" for number in range(drives)]
    for path in paths:
        path.mkdir(parents=True)
    format_new_drives(inspect(paths))
    pool = Pool.open(paths, parity=parity, strict=strict)

    async def play() -> None:
        setting = Setting(pool, **how)
        try:
            await scene(setting)
        finally:
            await setting.blobs.close()

    try:
        asyncio.run(play())
    finally:
        pool.close()
        shutil.rmtree(folder)
