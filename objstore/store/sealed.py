"""Encrypted objects: sealed as their bytes are taken in, opened as they are read.

Digests are of the plaintext, blobs and payloads get what is sealed. What the digests would tell of the plaintext is
kept from whoever has the drives, in the catalog as in the records: checksums are hidden under the data key, and the
ETag is no MD5 unless the scheme is SSE-S3.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from objstore.blobs.types import Written
from objstore.sealing import CHUNK, SEGMENT, DataKey, Encryption, Seal, Stream, Unsealer, plan, sealed_size
from objstore.sealing.segments import SegmentCipher
from objstore.store.ingest import Stored, Writer, ingest
from objstore.store.types import Buffer, Checksum, Digest, PartInfo, Source, Version

STEP = 32 * CHUNK
"""Bytes that are sealed at once: 2 MiB when they are."""
THREADED = 8 * SEGMENT
"""Above this many bytes are sealed and opened on a thread."""
BATCH = 1 << 20

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sealing")


class SealingWriter:
    """Seals what goes to another writer, one buffer behind: which is the last is known when no other follows."""

    def __init__(self, sink: Writer, key: DataKey) -> None:
        stream_key, self._wrapped = key.new_stream()
        self._cipher = SegmentCipher(stream_key)
        self._sink = sink
        self._held: Buffer = b""
        self._size = 0

    @property
    def stream(self) -> Stream:
        """What was sealed so far."""
        return self.stream_of(self._size)

    def stream_of(self, size: int) -> Stream:
        """What will have been sealed when `size` bytes were written."""
        return Stream(self._wrapped, size)

    async def write(self, data: Buffer) -> None:
        """Take the next bytes; all buffers but the last hold whole segments."""
        await self._seal(last=False)
        self._held = data

    async def finish(self, record: bytes) -> Written:
        """Seal the last buffer and make everything durable."""
        await self._seal(last=True)
        return await self._sink.finish(record)

    async def abort(self) -> None:
        """Leave nothing."""
        self._held = b""
        await self._sink.abort()

    async def _seal(self, *, last: bool) -> None:
        data, self._held = self._held, b""
        if not len(data):
            return
        first, self._size = self._size // CHUNK, self._size + len(data)
        if len(data) <= THREADED:
            await self._sink.write(self._cipher.seal(first, data, last=last))
            return
        loop = asyncio.get_running_loop()
        await self._sink.write(await loop.run_in_executor(_threads, lambda: self._cipher.seal(first, data, last=last)))


async def take(
    seal: Seal,
    source: Source,
    writer: Callable[[int | None], Writer],
    record: Callable[[int, Digest, tuple[Stream, ...]], bytes],
    *,
    limit: int,
    inline: int,
) -> Stored:
    """Take a body in as `ingest` does, sealed."""
    made: list[SealingWriter] = []

    def sealing(length: int | None) -> Writer:
        made.append(SealingWriter(writer(None if length is None else sealed_size(length)), seal.key))
        return made[0]

    def told(size: int, digest: Digest) -> bytes:
        return record(size, _covered(seal, digest), (made[0].stream_of(size),))

    stored = await ingest(source, sealing, told, limit=limit, inline=inline, step=STEP)
    content, streams = stored.content, tuple(one.stream for one in made)
    if content:
        key, wrapped = seal.key.new_stream()
        streams = (Stream(wrapped, len(content)),)
        content = bytes(SegmentCipher(key).seal(0, content, last=True))
    return Stored(stored.size, _covered(seal, stored.digest), content, stored.written, streams)


def _covered(seal: Seal, digest: Digest) -> Digest:
    """A digest as it may be stored."""
    return Digest(seal.key.mask(digest.etag) if seal.opaque else digest.etag, hidden(seal.key, digest.checksum))


def hidden(key: DataKey, checksum: Checksum | None) -> Checksum | None:
    """A checksum with its value hidden."""
    return checksum and msgspec.structs.replace(checksum, value=key.hide(checksum.value))


def revealed(key: DataKey | None, checksum: Checksum | None) -> Checksum | None:
    """A checksum as the client sees it; without a key it was never hidden. Raises SealBroken."""
    if key is None or checksum is None:
        return checksum
    return msgspec.structs.replace(checksum, value=key.reveal(checksum.value))


def laid_open(version: Version, key: DataKey | None) -> Version:
    """A version with its checksums, and those of its parts, revealed. Raises SealBroken."""
    if key is None:
        return version
    parts = version.parts and tuple(
        PartInfo(part.number, part.size, revealed(key, part.checksum)) for part in version.parts
    )
    return msgspec.structs.replace(version, checksum=revealed(key, version.checksum), parts=parts)


def covered(version: Version, key: DataKey) -> Version:
    """The opposite of `laid_open`."""
    parts = version.parts and tuple(
        PartInfo(part.number, part.size, hidden(key, part.checksum)) for part in version.parts
    )
    return msgspec.structs.replace(version, checksum=hidden(key, version.checksum), parts=parts)


def stored_size(version: Version) -> int:
    """Bytes that a whole version has where it is stored."""
    if version.encryption is None:
        return version.size
    return sum(sealed_size(stream.size) for stream in version.encryption.streams)


def read_now(
    raw: Callable[[int, int], list[memoryview] | None], record: Encryption, key: DataKey, start: int, length: int
) -> list[memoryview] | None:
    """The plaintext of a range, where its sealed bytes are at hand. Raises SealBroken."""
    record.check(key)
    wanted = plan(record.streams, start, length)
    found = raw(wanted.start, wanted.length)
    return None if found is None else Unsealer(key, wanted).feed(found)


async def read(
    raw: Callable[[int, int], AsyncIterator[Buffer]], record: Encryption, key: DataKey, start: int, length: int
) -> AsyncIterator[Buffer]:
    """The plaintext of a range, segment by segment as `raw` gives its sealed bytes. Raises SealBroken."""
    record.check(key)
    wanted = plan(record.streams, start, length)
    unsealer, loop = Unsealer(key, wanted), asyncio.get_running_loop()
    batches = _batches(raw(wanted.start, wanted.length))
    async with contextlib.aclosing(batches):
        async for batch in batches:
            if sum(map(len, batch)) <= THREADED:
                opened = unsealer.feed(batch)
            else:
                opened = await loop.run_in_executor(_threads, unsealer.feed, batch)
            for view in opened:
                yield view
    assert unsealer.done, "an object's sealed bytes hold its plaintext"


async def _batches(pieces: AsyncIterator[Buffer]) -> AsyncGenerator[list[Buffer], None]:
    """Pieces, about as many together as are worth a thread."""
    held: list[Buffer] = []
    size = 0
    try:
        async for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size >= BATCH:
                yield held
                held, size = [], 0
        yield held
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
