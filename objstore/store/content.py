"""The bytes of objects: taken in with a record that describes them, read, cut, and published or thrown away.

Publishing is one transaction. When it refuses, the same transaction puts the bytes into the garbage, so a write that
loses leaves nothing behind, even if its client is gone by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from objstore.blobs.geometry import reduced_parity
from objstore.blobs.types import Extent, Written
from objstore.catalog.transaction import Transaction
from objstore.sealing import DataKey, Seal, Stream
from objstore.store import buckets, described, extents, sealed
from objstore.store.errors import StoreError
from objstore.store.ingest import Stored, ingest
from objstore.store.types import (
    ENABLED,
    INLINE,
    MAX_OBJECT,
    Buffer,
    Digest,
    Digester,
    NewObject,
    Source,
    Stamp,
    Upload,
    Version,
)

if TYPE_CHECKING:
    from objstore.blobs.blobs import Blobs
    from objstore.blobs.running import Read
    from objstore.blobs.writer import Writer
    from objstore.store.events.cause import Caused

T = TypeVar("T")


class Content:
    """Bytes over `blobs`, made visible through `catalog`. `clock` gives microseconds since 1970. `unpublished` is told
    of bytes that are durable, of which the catalog did not say that they are published, or garbage."""

    def __init__(
        self,
        catalog: Caused,
        blobs: Blobs,
        clock: Callable[[], int],
        classes: Mapping[str, int] | None = None,
        unpublished: Callable[[Written], None] = lambda _: None,
    ) -> None:
        self.catalog = catalog
        self._unpublished = unpublished
        self._blobs = blobs
        self.clock = clock
        self._further = dict(classes or {})

    def stamp(self) -> Stamp:
        """A fresh stamp of a write."""
        return Stamp(self.clock(), f"{random.getrandbits(64):016x}")  # seeded anew in each process; no secret

    @property
    def classes(self) -> Mapping[str, int]:
        """The storage classes, with the parity of each as of now."""
        parity = self._blobs.pool.parity
        return {"STANDARD": parity, "REDUCED_REDUNDANCY": reduced_parity(parity), **self._further}

    def parity(self, storage_class: str) -> int:
        """The parity that a storage class promises; one that the settings no longer name is as safe as STANDARD."""
        return self.classes.get(storage_class, self._blobs.pool.parity)

    async def take(
        self,
        source: Source,
        storage_class: str,
        describe: tuple[str, str, str],
        *,
        limit: int,
        inline: int = INLINE,
        seal: Seal | None = None,
        new: NewObject | Upload | None = None,
        at: int = 0,
    ) -> Stored:
        """Make a body durable, sealed if there is a `seal`.

        `describe` is bucket, key and version id (or upload and part) for its record, `new` what else it tells, and `at`
        where in the object the bytes will stand.
        """

        def writer(length: int | None) -> Writer:
            return self._blobs.writer(self.parity(storage_class), length)

        bucket = self.catalog.read(lambda tx: buckets.find(tx, describe[0])) if new is not None else None
        versioned = bucket is not None and bucket.versioning == ENABLED

        def record(size: int, digest: Digest, streams: tuple[Stream, ...] = ()) -> bytes:
            return described.packed(
                describe, size, digest, at=at, new=new, seal=seal, streams=streams, versioned=versioned
            )

        if seal is not None:
            return await sealed.take(seal, source, writer, record, limit=limit, inline=inline)
        return await ingest(source, writer, record, limit=limit, inline=inline)

    async def rewrite(self, version: Version, storage_class: str, describe: tuple[str, str, str]) -> Written | None:
        """Write what the extents of a whole version hold once more, as it is, in the geometry of another class."""
        length = sum(extent.length for extent in version.extents)
        body = Source(
            self._blobs.read(version.extents, 0, length),
            length,
            lambda _: None,
            lambda: Digest(version.etag, version.checksum) if version.encryption is None else Digest(""),
        )
        return (await self.take(body, storage_class, describe, limit=MAX_OBJECT, inline=-1)).written

    async def publish(self, stored: Written | None, now_us: int, fn: Callable[[Transaction], T]) -> T:
        """Run a transaction function that publishes bytes; what it refuses becomes garbage in the same transaction.

        `fn` looks first and writes after: a StoreError from it means that it wrote nothing. Raises NotPublished where
        that comes too late for the bytes.
        """
        if stored is None:
            return await self.catalog.write(fn)

        def attempt(tx: Transaction) -> T | StoreError:
            try:
                return fn(tx)
            except StoreError as error:
                extents.discard(tx, stored, now_us)
                return error

        outcome = await self.commit(stored, attempt)
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    async def commit(self, written: Written | None, fn: Callable[[Transaction], T]) -> T:
        """Run a transaction function that decides about bytes that are durable, whatever it decides."""
        try:
            return await self.catalog.write(fn)
        except BaseException:
            if written is not None:
                self._unpublished(written)
            raise

    async def give_back(self, written: Written | None) -> None:
        """Put bytes that are durable and will not be published into the garbage."""
        if written is not None:
            now_us = self.clock()
            await self.commit(written, lambda tx: extents.discard(tx, written, now_us))

    async def begin_read(self) -> Read:
        """Whatever version is looked up from now on keeps its bytes before this is closed."""
        begun = self._blobs.begin_read()
        await asyncio.sleep(0)  # what was read in this turn of the loop is from before
        return begun

    def read_now(
        self, version: Version, start: int, length: int | None, key: DataKey | None = None
    ) -> list[memoryview] | None:
        """The bytes where no waiting is needed, else None."""
        length = _length(version, start, length)
        record = version.encryption
        if record is None or not length:
            return self._stored_now(version, start, length)
        assert key is not None, "who reads an encrypted object has its data key"
        return sealed.read_now(lambda at, size: self._stored_now(version, at, size), record, key, start, length)

    def read(
        self,
        version: Version,
        start: int = 0,
        length: int | None = None,
        key: DataKey | None = None,
        begun: Read | None = None,
    ) -> AsyncIterator[Buffer]:
        """The bytes [start, start + length) of a whole version; `key` is that of an encrypted one. A read that has
        `begun` before is closed at the end."""
        if begun is not None:
            return _closing(begun, self.read(version, start, length, key))
        length = _length(version, start, length)
        record = version.encryption
        if record is None or not length:
            return self._stored(version, start, length)
        assert key is not None, "who reads an encrypted object has its data key"
        return sealed.read(lambda at, size: self._stored(version, at, size), record, key, start, length)

    def _stored_now(self, version: Version, start: int, length: int) -> list[memoryview] | None:
        """Bytes as they are stored, where no waiting is needed."""
        if not version.extents:
            return [memoryview(version.content or b"")[start : start + length]]
        if version.content is not None:
            return None
        return self._blobs.read_now(version.extents, start, length)

    def _stored(self, version: Version, start: int, length: int) -> AsyncIterator[Buffer]:
        """Bytes as they are stored."""
        tail = version.content or b""
        covered = sealed.stored_size(version) - len(tail)
        if start + length <= covered:
            return self._blobs.read(version.extents, start, length)
        rest = memoryview(tail)[max(start, covered) - covered : start + length - covered]
        return self._with_tail(version, start, covered, rest)

    async def _with_tail(self, version: Version, start: int, covered: int, rest: memoryview) -> AsyncIterator[Buffer]:
        if start < covered:
            async for chunk in self._blobs.read(version.extents, start, covered - start):
                yield chunk
        yield rest

    async def digest(
        self, version: Version, start: int, length: int, digester: Digester, key: DataKey | None = None
    ) -> Digest:
        """Read a range through a digester, on threads."""
        async for chunk in self.read(version, start, length, key):
            await asyncio.to_thread(digester.update, chunk)
        return digester.finish()


async def _closing(begun: Read, pieces: AsyncIterator[Buffer]) -> AsyncIterator[Buffer]:
    with contextlib.closing(begun):
        async with contextlib.aclosing(pieces):  # type: ignore[type-var]
            async for piece in pieces:
                yield piece


def drafted(new: NewObject, stored: Stored, stamp: Stamp, now_us: int) -> Version:
    """The draft of the version of a body taken in."""
    return Version(
        version_id=stamp.version_id,
        ord=stamp.now_us,
        is_null=False,
        delete_marker=False,
        etag=stored.digest.etag,
        size=stored.size,
        modified_us=now_us,
        owner=new.owner,
        storage_class=new.storage_class,
        metadata=new.metadata,
        headers=new.headers,
        checksum=stored.digest.checksum,
        extents=stored.written.extents if stored.written is not None else (),
        acl=new.acl,
        content=stored.content,
        tags=new.tags,
        lock=new.lock,
        creator=new.creator,
        encryption=new.seal.record.of(new.seal.key, stored.streams) if new.seal is not None else None,
    )


def _length(version: Version, start: int, length: int | None) -> int:
    """The length of a range, which is checked; to the end without one."""
    end = version.size if length is None else start + length
    assert 0 <= start <= end <= version.size, "a range lies inside its object"
    return end - start


def cut(version: Version, start: int, length: int) -> tuple[tuple[Extent, ...], bytes]:
    """The extents, and the bytes behind them, that hold [start, start + length) of a whole version."""
    found = []
    position = 0
    for extent in version.extents:
        first = max(start, position)
        last = min(start + length, position + extent.length)
        if first < last:
            found.append(extent.slice(first - position, last - first))
        position += extent.length
    tail = version.content or b""
    return tuple(found), bytes(tail[max(start - position, 0) : max(start + length - position, 0)])
