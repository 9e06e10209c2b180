"""Small and middling writes: packed into the open blob of this process, one for each parity.

An open blob is sealed when it is full, old, or one of its drives failed, and whenever the drives online would give a
new blob another layout: when a drive is back, writes get their full width again at once.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from erasure import Buffer
from objstore.blobs.batches import OpenBlob
from objstore.blobs.coding import encode
from objstore.blobs.container import Container, choose_drives, make
from objstore.blobs.errors import BlobError, WriteQuorumLost
from objstore.blobs.quorum import settle
from objstore.blobs.records import placed
from objstore.blobs.types import BlobInfo, Leaves, Left, span_of
from objstore.drives.errors import DriveError
from objstore.drives.pool import Pool

LIMIT = 256 << 20
"""Length of the shard files at which an open blob is sealed."""
MAX_AGE = 3600.0
"""Seconds after which an open blob is sealed."""
PREALLOCATE = 16 << 20
_RECHECK = 1.0

T = TypeVar("T")


def reserved(info: BlobInfo) -> list[Left]:
    """What the shard files of a blob that is closed have of room that nobody used, until they are cut."""
    span = PREALLOCATE - info.length
    return [Left(drive, info.id, shard, info.length, span) for shard, drive in enumerate(info.drives) if span > 0]


class Packer:
    """Appends of one parity. `opened` is awaited before the first append to a blob, and enters it where others find it;
    `changed` is told of one as it opens and is sealed, `left` of what drives that fail keep."""

    def __init__(
        self,
        pool: Pool,
        instance: bytes,
        parity: int,
        opened: Callable[[BlobInfo], Awaitable[None]],
        changed: Callable[[BlobInfo], None],
        left: Leaves,
        limit: int = LIMIT,
    ) -> None:
        self._pool = pool
        self._instance = instance
        self._parity = parity
        self._opened = opened
        self._changed = changed
        self._left = left
        self._limit = limit
        self._open: OpenBlob | None = None
        self._opening: asyncio.Task[OpenBlob] | None = None
        self._checked = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def append(self, record: bytes, parts: Sequence[Buffer], size: int) -> tuple[Container, int]:
        """Make a record and `size` bytes in parts durable; the blob and the offset where. Raises WriteQuorumLost and
        as `make`.

        When the quorum is lost the bytes go once more, to a new blob on other drives.
        """
        try:
            return await self._append(record, parts, size)
        except WriteQuorumLost:
            return await self._append(record, parts, size)

    async def _append(self, record: bytes, parts: Sequence[Buffer], size: int) -> tuple[Container, int]:
        open_blob = await self._current(len(record), size)
        blob = open_blob.blob
        span = span_of(blob.layout, len(record), size)
        offset = open_blob.reserve(span)
        done: asyncio.Future[dict[int, DriveError]] | None = None
        try:
            frames = await encode(blob.layout, blob.id, offset + len(record), parts)
            head = placed(record, blob.id, offset)
            shards: list[list[Buffer]] = [[head, *buffers] for buffers in frames]
            done = open_blob.submit(offset, span, len(record) + blob.layout.framed(size), shards)
            failures = await asyncio.shield(done)
            if blob.layout.width - len(failures) < blob.quorum:
                raise blob.lost(failures)
        except BaseException:
            self._spawn(self._undo(open_blob, offset, span, done))
            raise
        open_blob.release()
        if failures:
            self._retire(open_blob)
        return blob, offset

    async def undo(self, blob: Container, offset: int, span: int) -> None:
        """Give the range of an append back that will not be published."""
        await settle({shard: blob.drives[shard].punch(blob.id, shard, [(offset, span)]) for shard in blob.alive()}, 0)

    async def seal(self) -> BlobInfo | None:
        """Seal the open blob now; its info, None when there is none."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        open_blob, self._open = self._open, None
        if open_blob is None:
            return None
        await self._close(open_blob)
        return open_blob.blob.info(sealed=True)

    async def drain(self) -> None:
        """Wait for what runs in the background."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _current(self, head: int, size: int) -> OpenBlob:
        while self._open is None or not self._usable(self._open, head, size):
            if self._opening is None:
                if self._open is not None:
                    self._retire(self._open)
                # it goes on when whoever asked first is gone: others wait for it too
                self._opening = opening = self._spawn(self._open_another())
                opening.add_done_callback(lambda done: done.cancelled() or done.exception())
                opened = await asyncio.shield(opening)
                if not opened.closed:  # it may have been sealed before this goes on
                    return opened
                continue
            await asyncio.wait([self._opening])
        return self._open

    async def _open_another(self) -> OpenBlob:
        try:
            reserved = min(PREALLOCATE, self._limit)
            blob = await make(self._pool, self._instance, self._parity, lambda _: reserved, self._left)
            try:
                await self._opened(blob.info(sealed=False))
            except BaseException:
                await blob.unlink()
                self._changed(blob.info(sealed=True))  # it may have been entered all the same
                raise
            self._open = OpenBlob(blob, self._limit)
            self._changed(blob.info(sealed=False))
            asyncio.get_running_loop().call_later(MAX_AGE, self._retire, self._open)
            return self._open
        finally:
            self._opening = None

    def _usable(self, open_blob: OpenBlob, head: int, size: int) -> bool:
        layout = open_blob.blob.layout
        if not open_blob.fits(span_of(layout, head, size)):
            return False
        now = asyncio.get_running_loop().time()
        if now - self._checked < _RECHECK:
            return True
        self._checked = now
        with contextlib.suppress(BlobError):  # as long as it takes appends, an open blob serves
            return choose_drives(self._pool, self._parity)[0] == layout
        return True

    def _retire(self, open_blob: OpenBlob) -> None:
        """Seal a blob in the background, once."""
        if self._open is open_blob:
            self._open = None
            self._spawn(self._close(open_blob))

    async def _close(self, open_blob: OpenBlob) -> None:
        uncut = await open_blob.close()
        info = open_blob.blob.info(sealed=True)
        for left in reserved(info):
            if left.shard in uncut:
                self._left(left)
        self._changed(info)

    async def _undo(
        self, open_blob: OpenBlob, offset: int, span: int, done: "asyncio.Future[dict[int, DriveError]] | None"
    ) -> None:
        try:
            if done is not None:
                await asyncio.wait([done])
            await self.undo(open_blob.blob, offset, span)
        finally:
            open_blob.release()
            if open_blob.blob.failed:
                self._retire(open_blob)

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
