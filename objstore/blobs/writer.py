"""One write, from first byte to durable: packed when it turns out small, streamed into a blob of its own when not.

A write of known size knows its way at once. One of unknown size is buffered up to the bound of packing; only when more
comes a blob is made for it.
"""

import asyncio
from typing import TYPE_CHECKING

from erasure import Buffer
from objstore.blobs.geometry import BLOCK
from objstore.blobs.streaming import RECORD_AT, STEP, Stream
from objstore.blobs.types import PAGE, Extent, Span, Written, span_of

if TYPE_CHECKING:
    from objstore.blobs.blobs import Blobs
    from objstore.blobs.container import Container
    from objstore.blobs.packing import Packer

PACK_MAX = 4 << 20
"""Bytes of the largest write that is packed: it is held in memory until it is whole."""


class Writer:
    """Made by `Blobs.writer`. `write` in order, then `finish`; `abort` instead of it, or after it when the bytes are
    not to be published. Buffers given to `write` must not change until `finish` returns. One task at a time."""

    def __init__(self, blobs: "Blobs", packer: "Packer", parity: int, size: int | None, *, alone: bool = False) -> None:
        self._blobs = blobs
        self._packer = packer
        self._parity = parity
        self._size = size
        self._pack_max = 0 if alone else PACK_MAX
        self._held: list[Buffer] = []
        self._bytes = 0
        self._stream: Stream | None = None
        self._packed: tuple[Container, Span] | None = None

    async def write(self, data: Buffer) -> None:
        """Take the next bytes; waits while the drives are behind.

        Raises WriteQuorumLost, NotEnoughDrives, OutOfSpace; then only `abort` is left.
        """
        if len(data) <= STEP:
            await self._take_in(data)
            return
        view = memoryview(data)
        for start in range(0, len(view), STEP):
            await self._take_in(view[start : start + STEP])

    async def _take_in(self, data: Buffer) -> None:
        if not len(data):
            return
        self._held.append(data)
        self._bytes += len(data)
        if self._stream is None and self._bytes <= self._pack_max and (self._size or 0) <= self._pack_max:
            return
        if self._bytes < STEP:
            return
        stream = await self._streaming(self._size)
        parts = self._take()
        rest = len(parts[-1]) % BLOCK
        if rest:
            last = memoryview(parts[-1])
            parts[-1], self._held, self._bytes = last[:-rest], [last[-rest:]], rest
        await stream.step(parts)

    async def flush(self) -> None:
        """Make durable what went to the drives so far, so that there is less to do at once at the end. For whoever has
        time. Errors as `write`."""
        if self._stream is not None:
            await self._stream.flush()

    async def finish(self, record: bytes) -> Written:
        """Make everything durable, with `record` (as `pack_record` gives it) in front. Errors as `write`."""
        assert len(record) <= PAGE and len(record) % 64 == 0, "a record as pack_record gives it"
        if self._stream is not None:
            return await self._finish_stream(self._stream, record)
        size = self._bytes
        if not size:
            return Written()
        if size > self._pack_max:
            return await self._finish_stream(await self._streaming(size), record)
        blob, offset = await self._packer.append(record, self._take(), size)
        span = Span(blob.id, offset, span_of(blob.layout, len(record), size))
        self._packed = (blob, span)
        extent = Extent(blob.id, offset, len(record), size, 0, size)
        return Written((extent,), (blob.info(sealed=False),), (span,))

    async def abort(self) -> None:
        """Leave nothing: remove the blob of its own, or punch the packed range. Never raises for a failing drive."""
        self._held, self._bytes = [], 0
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await asyncio.shield(stream.abort())
            self._blobs.directory.forget(stream.blob.id)
        if self._packed is not None:
            (blob, span), self._packed = self._packed, None
            await asyncio.shield(self._packer.undo(blob, span.offset, span.span))

    async def _finish_stream(self, stream: Stream, record: bytes) -> Written:
        if self._bytes:
            await stream.step(self._take())
        await stream.finish(record)
        blob, size = stream.blob, stream.size
        info = blob.info(sealed=True)
        self._blobs.directory.put(info)
        span = Span(blob.id, RECORD_AT, span_of(blob.layout, PAGE, size))
        return Written((Extent(blob.id, RECORD_AT, PAGE, size, 0, size),), (info,), (span,))

    def _take(self) -> list[Buffer]:
        """What is held, as parts of whole blocks but for the last."""
        held, self._held, self._bytes = self._held, [], 0
        if any(len(part) % BLOCK for part in held[:-1]):
            return [b"".join(held)]
        return held

    async def _streaming(self, size: int | None) -> Stream:
        if self._stream is None:
            blobs = self._blobs
            self._stream = await Stream.open(blobs.pool, blobs.instance, self._parity, size, blobs.left)
        return self._stream
