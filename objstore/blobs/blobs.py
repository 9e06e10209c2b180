"""The blobs of one process: write, read, heal, reap. What `store` and `jobs` hold."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

from erasure import SHARD_HEADER, Buffer
from objstore.blobs import reading, rebuild
from objstore.blobs.directory import Directory
from objstore.blobs.ids import INSTANCE_BYTES
from objstore.blobs.packing import LIMIT, Packer
from objstore.blobs.rebuild import Pace, Problem, at_once
from objstore.blobs.records import Record
from objstore.blobs.running import Read, Running
from objstore.blobs.shards import Damaged, Meet, Shards, nobody
from objstore.blobs.types import Append, BlobInfo, Extent, Leaves, Left, Written
from objstore.blobs.writer import Writer
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError, ShardNotFound
from objstore.drives.pool import Pool


async def _nobody(_: BlobInfo) -> None:
    """Nobody wants to know."""


class Blobs:
    """Bytes on the drives of `pool`, for one event loop.

    `instance` is this process life's tag (`new_instance`). `lookup` gives the catalog's row of a blob, synchronously
    and quickly. `damaged(blob, shard, offset, reason)` is told of every shard found bad in the append at `offset`,
    possibly many times, and also of what was given back meanwhile. `opened(info)` is awaited before the first append to
    a blob that many are packed into, and `sealed(info)` told when it takes no more. `left` is told of what a drive that
    fails keeps and should not, `unpublished`, by who writes, of what was finished and the catalog did not take, or
    nobody knows whether it did; `running` of every read, for the reaper's sake. `moved` tells, as `lookup` does, where
    an extent's bytes were moved. `meet(drive)` is awaited where a shard is on a drive that the pool does not know: it
    may have joined just now.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        instance: bytes,
        lookup: Callable[[bytes], BlobInfo | None],
        damaged: Damaged,
        opened: Callable[[BlobInfo], Awaitable[None]] = _nobody,
        sealed: Callable[[BlobInfo], None] = lambda _: None,
        left: Leaves = lambda _: None,
        unpublished: Callable[[Written], None] = lambda _: None,
        limit: int = LIMIT,
        running: Running | None = None,
        moved: Callable[[Extent], Extent | None] = lambda _: None,
        meet: Meet = nobody,
    ) -> None:
        assert len(instance) == INSTANCE_BYTES, "an instance tag has four bytes"
        self.pool = pool
        self.instance = instance
        self.directory = Directory(lookup, moved)
        self._lookup = lookup
        self._opened = opened
        self._sealed = sealed
        self.left = left
        self.unpublished = unpublished
        self._limit = limit
        self._running = running or Running()
        self._packers: dict[int, Packer] = {}
        self._shards = Shards(pool, self.directory, damaged, meet)

    # --- write

    def writer(self, parity: int, size: int | None = None, *, alone: bool = False) -> Writer:
        """Begin a write with `parity` shards to spare; `size` in bytes when it is known. Nothing happens yet.

        What is to be `alone` gets a blob of its own however small it is."""
        return Writer(self, self._packer(parity), parity, size, alone=alone)

    async def discard(self, written: Written) -> None:
        """Leave nothing of a write that was finished and will not be published."""
        for info, span in zip(written.blobs, written.spans, strict=True):
            if info.sealed and span.offset == SHARD_HEADER and span.offset + span.span == info.length:
                for shard in await self.remove(info):  # there is nothing else in it
                    self.left(Left(info.drives[shard], info.id, shard))
            else:
                await self.reap(info, [(span.offset, span.span)])

    async def seal_open(self) -> list[BlobInfo]:
        """Seal the open blobs of this process and wait for what runs in the background; what was sealed."""
        packers = list(self._packers.values())  # a write of another parity may bring one more meanwhile
        sealed = [info for packer in packers if (info := await packer.seal()) is not None]
        for packer in packers:
            await packer.drain()
        return sealed

    async def close(self) -> None:
        """Seal what is open; nothing may be read or written afterwards."""
        await self.seal_open()
        self._running.close()

    # --- read

    def begin_read(self) -> Read:
        """Nothing that is looked up from now on is given back before this is closed."""
        return self._running.begin()

    def read(self, extents: Sequence[Extent], start: int, length: int) -> AsyncIterator[Buffer]:
        """The verified bytes [start, start + length) of the extents put together, in pieces.

        Raises Unreadable, BlobUnknown while it is iterated. Close it (`aclose`) when it is left early.
        """
        assert start >= 0 and length >= 0 and start + length <= sum(e.length for e in extents), "inside the extents"
        return self._noted(reading.read(self._shards, extents, start, length))

    async def _noted(self, pieces: AsyncGenerator[Buffer, None]) -> AsyncIterator[Buffer]:
        with contextlib.closing(self.begin_read()):
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    yield piece

    def read_now(self, extents: Sequence[Extent], start: int, length: int) -> list[memoryview] | None:
        """The same bytes at once when they are few, in the page cache and good; else None: then `read`."""
        return reading.read_now(self._shards, extents, start, length)

    # --- keep

    async def rebuild(
        self, info: BlobInfo, shard: int, target: Drive, appends: Sequence[Append], pace: Pace = at_once
    ) -> int:
        """Make a shard of a sealed blob again on `target`, proved by reading it back; how many frames verified.

        `appends` are all of the blob that are alive. Raises Unreadable, DriveError; nothing is changed then. The caller
        records the shard's new drive and drops the old file.
        """
        return await rebuild.rebuild(self._shards, info, shard, target, appends, pace)

    async def record(self, info: BlobInfo, append: Append) -> Record:
        """The record in front of an append. Raises Unreadable."""
        return await rebuild.record_of(self._shards, info, append)

    async def verify_shard(
        self, info: BlobInfo, shard: int, appends: Sequence[Append], pace: Pace = at_once
    ) -> list[Problem]:
        """Everything wrong with a shard file and these appends in it. Raises DriveError when the drive is not there."""
        return await rebuild.verify(self._shards, info, shard, appends, pace)

    async def reap(self, info: BlobInfo, ranges: Sequence[tuple[int, int]]) -> dict[int, str]:
        """Give ranges (offset, span) of a blob back on every drive; shards where that failed, with the reason.

        Where a file system cannot punch, nothing is given back, and nothing has failed: it will not do so later."""
        return await self._everywhere(info, lambda drive, shard: drive.punch(info.id, shard, ranges))

    async def remove(self, info: BlobInfo) -> dict[int, str]:
        """Unlink every shard file of a blob; shards where that failed, with the reason."""
        failed = await self._everywhere(info, lambda drive, shard: drive.unlink(info.id, shard))
        self.directory.forget(info.id)
        return failed

    async def cut(self, info: BlobInfo) -> dict[int, str]:
        """Cut the shard files of a blob to its length: what was `reserved` by an instance that died goes back. Shards
        where that failed, with the reason."""
        return await self._everywhere(info, lambda drive, shard: drive.finish(info.id, shard, info.length))

    async def _everywhere(self, info: BlobInfo, call: Callable[[Drive, int], Awaitable[object]]) -> dict[int, str]:
        """Call for every shard at once; a shard file that is not there has nothing to be done."""
        drives = [self.pool.by_id(drive_id) for drive_id in info.drives]
        calls = [call(drive, shard) for shard, drive in enumerate(drives) if drive is not None]
        done = iter(await asyncio.gather(*calls, return_exceptions=True))
        failed: dict[int, str] = {}
        for shard, drive in enumerate(drives):
            outcome = next(done) if drive is not None else "its drive is not in the pool"
            if isinstance(outcome, DriveError) and not isinstance(outcome, ShardNotFound):
                failed[shard] = str(outcome)
            elif isinstance(outcome, BaseException) and not isinstance(outcome, DriveError):
                raise outcome
            elif isinstance(outcome, str):
                failed[shard] = outcome
        return failed

    def _packer(self, parity: int) -> Packer:
        packer = self._packers.get(parity)
        if packer is None:
            packer = Packer(self.pool, self.instance, parity, self._opened, self._changed, self.left, self._limit)
            self._packers[parity] = packer
        return packer

    def _changed(self, info: BlobInfo) -> None:
        self.directory.put(info)
        if info.sealed:
            self._sealed(info)
