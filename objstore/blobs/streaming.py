"""A blob of its own for a large write, streamed: coded step by step, written to all drives at once.

While the drives take one step the next is coded, so a stream holds two steps and never more. What is written is made
durable in the background as it goes, so that the sync at the end is short. A drive that fails is left out from then on,
and its whole shard counts as missing: what it took before may never have reached the medium.
"""

import asyncio
from collections.abc import Sequence

from erasure import SHARD_HEADER, Buffer, Layout
from objstore.blobs.coding import encode
from objstore.blobs.container import Container, make
from objstore.blobs.quorum import settle
from objstore.blobs.records import placed
from objstore.blobs.types import PAGE, Leaves, span_of
from objstore.drives.errors import DriveError
from objstore.drives.pool import Pool

STEP = 4 << 20
"""Logical bytes that are coded and written at once, at least, but for the last."""
SYNC_EVERY = 32 << 20
"""Bytes of a shard that may wait in memory to be made durable."""

RECORD_AT = SHARD_HEADER
FRAMES_AT = SHARD_HEADER + PAGE


class Stream:
    """The writer of one blob: steps in order, then `finish`, or `abort` at any time."""

    def __init__(self, blob: Container, *, reserved: bool) -> None:
        self.blob = blob
        self.size = 0
        self._reserved = reserved
        self._at = FRAMES_AT
        self._unsynced = 0
        self._writing: asyncio.Task[None] | None = None
        self._syncing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, pool: Pool, instance: bytes, parity: int, size: int | None, left: Leaves) -> "Stream":
        """Make the blob; with a known size its room is reserved on every drive. Raises as `make`."""

        def reserve(layout: Layout) -> int:
            return SHARD_HEADER + span_of(layout, PAGE, size) if size is not None else 0

        return cls(await make(pool, instance, parity, reserve, left), reserved=size is not None)

    async def step(self, parts: Sequence[Buffer]) -> None:
        """Append parts of whole blocks, the very last one of any length. Returns when the step before is written.

        Raises WriteQuorumLost.
        """
        blob = self.blob
        shards = await encode(blob.layout, blob.id, self._at, parts)
        await self._written()
        at = self._at
        size = sum(map(len, parts))
        framed = blob.layout.framed(size)
        self._at += framed
        self.size += size
        self._unsynced += framed
        self._writing = asyncio.create_task(self._write(at, shards))
        if self._unsynced >= SYNC_EVERY and (self._syncing is None or self._syncing.done()):
            self._unsynced = 0
            self._syncing = asyncio.create_task(self._sync())

    async def flush(self) -> None:
        """Make durable what was written so far. Raises WriteQuorumLost."""
        await self._written()
        if self._unsynced:
            self._unsynced = 0
            await self._sync()

    async def finish(self, record: bytes) -> None:
        """Write the record in front and make everything durable. Raises WriteQuorumLost."""
        assert len(record) <= PAGE, "a record fits in its page"
        blob = self.blob
        await self._written()
        if self._syncing is not None:
            await self._syncing
        blob.length = SHARD_HEADER + span_of(blob.layout, PAGE, self.size)
        await self._write(RECORD_AT, [[placed(record, blob.id, RECORD_AT)]] * blob.layout.width)
        if self._reserved:
            await self._sync()
        else:
            calls = {shard: blob.drives[shard].finish(blob.id, shard, blob.length) for shard in blob.alive()}
            self._note(await settle(calls, blob.quorum))

    async def abort(self) -> None:
        """Stop and remove every shard file."""
        for task in (self._writing, self._syncing):
            if task is not None:
                await asyncio.wait([task])
                task.exception()
        await self.blob.unlink()

    async def _written(self) -> None:
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write(self, at: int, shards: list[list[Buffer]]) -> None:
        blob = self.blob
        calls = {shard: blob.drives[shard].write(blob.id, shard, at, shards[shard]) for shard in blob.alive()}
        self._note(await settle(calls, blob.quorum))

    async def _sync(self) -> None:
        blob = self.blob
        self._note(
            await settle({shard: blob.drives[shard].sync(blob.id, shard) for shard in blob.alive()}, blob.quorum)
        )

    def _note(self, failures: dict[int, DriveError]) -> None:
        for shard, error in failures.items():
            self.blob.fail(shard, error, 0)
        self.blob.require_quorum()
