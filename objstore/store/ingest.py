"""Taking a body in: from the wire to durable bytes and digests, in bounded memory, each byte looked at once.

A small body becomes a payload and needs no blob. A larger one goes to a writer of the blobs in steps of a few MiB; its
digests are computed on a thread beside the coding, for MD5 is slower than everything else. Digests of middling bodies
are computed where they are: a thread would cost more than it saves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import msgspec

from objstore.blobs.types import Written
from objstore.sealing import Stream
from objstore.store.errors import EntityTooLarge, IncompleteBody
from objstore.store.types import INLINE, Buffer, Digest, Source

STEP = 2 << 20
THREADED = 128 << 10
"""Bodies above this many bytes are hashed on a thread."""

_hashers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="digest")


class Writer(Protocol):
    """What the blobs give to write with."""

    async def write(self, data: Buffer, /) -> None: ...
    async def finish(self, record: bytes, /) -> Written: ...
    async def abort(self) -> None: ...


class Stored(msgspec.Struct, frozen=True):
    """A body taken in: durable in `written`, or small, in `content`. With `streams` both are sealed."""

    size: int
    digest: Digest
    content: bytes | None
    written: Written | None
    streams: tuple[Stream, ...] = ()


async def ingest(
    source: Source,
    writer: Callable[[int | None], Writer],
    record: Callable[[int, Digest], bytes],
    *,
    limit: int,
    inline: int = INLINE,
    step: int = STEP,
) -> Stored:
    """Take a body in. `writer` is opened with its length where it is known, `record` describes it to the blobs.
    All but the last of the buffers that are written have `step` bytes.

    Raises IncompleteBody, EntityTooLarge (above `limit`), what `source.finish` raises and what the blobs raise; nothing
    is left of the body then.
    """
    length = source.length
    if length is not None and length > limit:
        raise EntityTooLarge(ProposedSize=str(length), MaxSizeAllowed=str(limit))
    steps = _Steps(source, limit)
    first = await steps.next(step)
    if steps.ended:
        length = len(first)
        if length <= inline:
            source.update(first)
            return Stored(length, source.finish(), bytes(first), None)
    sink = writer(length)
    try:
        digest = await _pour(source, steps, step, first, sink, threaded=length is None or length > THREADED)
        written = await sink.finish(record(steps.taken, digest))
    except BaseException:
        await sink.abort()
        raise
    return Stored(steps.taken, digest, None, written)


async def _pour(source: Source, steps: _Steps, size: int, step: Buffer, sink: Writer, *, threaded: bool) -> Digest:
    """Write all steps and digest them, each on a thread while it is written and the next is received."""
    loop = asyncio.get_running_loop()
    hashing: asyncio.Future[object] | None = None
    try:
        while len(step):
            if hashing is not None:
                await hashing
            if threaded:
                hashing = loop.run_in_executor(_hashers, source.update, step)
            else:
                source.update(step)
            await sink.write(step)
            step = b"" if steps.ended else await steps.next(size)
    finally:
        if hashing is not None:
            await hashing
    return source.finish()


class _Steps:
    """Chunks of any size, regrouped into buffers of a given size; `taken` counts bytes.

    With the last bytes of a body of known length the end of the chunks is awaited too: trailers are behind them.
    """

    def __init__(self, source: Source, limit: int) -> None:
        self.taken = 0
        self._chunks = source.chunks
        self._length = source.length
        self._limit = limit
        self._rest = memoryview(b"")
        self._over = False

    @property
    def ended(self) -> bool:
        """Whether all was given."""
        return self._over and not len(self._rest)

    async def next(self, size: int) -> Buffer:
        """The next `size` bytes, fewer at the end of the body. Raises IncompleteBody, EntityTooLarge."""
        parts: list[Buffer] = [self._rest] if len(self._rest) else []
        held = len(self._rest)
        while not self._over and (held < size or self.taken + held == self._length):
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._over = True
                break
            parts.append(chunk)
            held += len(chunk)
            self._check(self.taken + held)
        if self._over and self._length not in (None, self.taken + held):
            raise IncompleteBody(expected=str(self._length), received=str(self.taken + held))
        view = memoryview(parts[0] if len(parts) == 1 else b"".join(parts))
        self._rest = view[size:]
        self.taken += min(size, held)
        return view[:size]

    def _check(self, received: int) -> None:
        if received > self._limit:
            raise EntityTooLarge(MaxSizeAllowed=str(self._limit))
        if self._length is not None and received > self._length:
            raise IncompleteBody(expected=str(self._length), received=str(received))
