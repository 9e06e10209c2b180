"""One open blob that many objects are packed into, in batches.

Whoever appends is given a range at the tail, encodes for that place, and hands the shards' buffers in. While a batch
is on its way to the drives the next one gathers; then all of it goes to each drive as one long write with one sync,
however many objects are in it. So the cost of a durable append is shared by all that wait. Where the loop is busy, more
will join soon: a batch goes when the loop has come to rest, or has had a few milliseconds.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from erasure import SHARD_HEADER, Buffer
from objstore.blobs.container import Container
from objstore.blobs.quorum import settle
from objstore.blobs.types import PAGE
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.state import DriveState

PIPELINE = 2
"""Batches on their way at once, of those that are long: one being synced, one that the drives already have in hand."""
LONG = 2 << 20
"""Bytes that wait for a shard file, from which on a batch goes beside another: fewer had better share one sync."""
BATCH_BYTES = 16 << 20
GATHERING = 0.004
"""Seconds for which a batch waits at most for what the loop is busy with."""
_REST = 50e-6
"""A turn of the loop that takes so many seconds has done nothing else."""
_ZEROS = memoryview(bytes(PAGE))


@dataclass(slots=True)
class Waiting:
    """An append that waits for its batch: `shards` has the buffers of each shard file, `used` their bytes."""

    offset: int
    span: int
    used: int
    shards: list[list[Buffer]]
    done: "asyncio.Future[dict[int, DriveError]]"


class OpenBlob:
    """The tail of an open blob. `limit` is the length at which it takes no more."""

    def __init__(self, blob: Container, limit: int) -> None:
        self.blob = blob
        self.born = asyncio.get_running_loop().time()
        self.closed = False
        self._limit = limit
        self._tail = SHARD_HEADER
        self._waiting: list[Waiting] = []
        self._waiting_bytes = 0
        self._batches = 0
        self._users = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def fits(self, span: int) -> bool:
        """Whether it takes an append of `span` bytes: it is open, not full, and none of its drives has failed or is
        to be emptied."""
        return not self.closed and self._tail + span <= self._limit and all(map(_takes, self.blob.drives))

    def reserve(self, span: int) -> int:
        """The offset of an append of `span` bytes; `submit` may follow, `release` must."""
        assert not self.closed and span % PAGE == 0, "an append goes to an open blob, in pages"
        offset = self._tail
        self._tail += span
        self.blob.length = self._tail
        self._users += 1
        self._idle.clear()
        return offset

    def release(self) -> None:
        """The append that reserved is over."""
        self._users -= 1
        if not self._users:
            self._idle.set()

    def submit(
        self, offset: int, span: int, used: int, shards: list[list[Buffer]]
    ) -> "asyncio.Future[dict[int, DriveError]]":
        """Put the append in the next batch. The future gives the drives' failures by shard, already noted in the
        blob."""
        done: asyncio.Future[dict[int, DriveError]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(offset, span, used, shards, done))
        self._waiting_bytes += span
        self._send_if_due()
        return done

    async def close(self) -> list[int]:
        """Take no more, wait for what is on its way, and cut the shard files to what was written; those that were not
        cut."""
        self.closed = True
        await self._idle.wait()
        blob = self.blob
        calls = {shard: blob.drives[shard].finish(blob.id, shard, blob.length) for shard in blob.alive()}
        return sorted(await settle(calls, len(calls)))

    def _send_if_due(self) -> None:
        fits = self._batches < PIPELINE and self._waiting_bytes >= LONG
        if not self._waiting or (self._batches and not fits):
            return
        self._batches += 1
        now = time.monotonic()
        asyncio.get_running_loop().call_soon(self._gather, now, now + GATHERING)

    def _gather(self, before: float, until: float) -> None:
        """Begin the batch, unless the loop was busy since `before` and may go on until `until`."""
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        if before + _REST < now < until:
            loop.call_soon(self._gather, now, until)
            return
        task = loop.create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            if batch := self._take():
                await self._deliver(batch)
        finally:
            self._batches -= 1
            self._send_if_due()

    def _take(self) -> list[Waiting]:
        """The next batch: all that wait, up to a bound, in the order of the file."""
        size = count = 0
        for count, item in enumerate(self._waiting, 1):  # noqa: B007 - the count is what is wanted
            size += item.span
            if size >= BATCH_BYTES:
                break
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_bytes -= size
        batch.sort(key=lambda item: item.offset)
        return batch

    async def _deliver(self, batch: Sequence[Waiting]) -> None:
        blob = self.blob
        try:
            calls = {shard: self._write(shard, batch) for shard in blob.alive()}
            failures = {**blob.failed, **await settle(calls, blob.quorum)}
        except BaseException as bug:
            for item in batch:
                if not item.done.done():
                    item.done.set_exception(bug)
            raise
        for shard, error in failures.items():
            blob.fail(shard, error, batch[0].offset)
            self.closed = True
        for item in batch:
            if not item.done.done():
                item.done.set_result(failures)

    def _write(self, shard: int, batch: Sequence[Waiting]) -> "asyncio.Future[Any]":
        drive, blob_id = self.blob.drives[shard], self.blob.id
        written = [drive.append(blob_id, shard, at, run) for at, run in runs(batch, shard)]
        return written[0] if len(written) == 1 else asyncio.gather(*written)


def _takes(drive: Drive) -> bool:
    return drive.state is DriveState.ONLINE and not drive.draining


def runs(batch: Sequence[Waiting], shard: int) -> list[tuple[int, list[Buffer]]]:
    """What to write of one shard file: (offset, buffers) of neighbours joined, the gaps between them filled with
    zeros."""
    found: list[tuple[int, list[Buffer]]] = []
    end = -1
    for item in batch:
        if item.offset != end:
            found.append((item.offset, []))
        buffers = found[-1][1]
        buffers += item.shards[shard]
        if item.used < item.span:
            buffers.append(_ZEROS[: item.span - item.used])
        end = item.offset + item.span
    return found
