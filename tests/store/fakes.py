"""An engine in memory with the real schema, and blobs that are dictionaries: to test what the store means."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import apsw
import msgspec

from objstore.blobs.ids import new_blob_id
from objstore.blobs.running import Read
from objstore.blobs.types import BlobInfo, Extent, Span, Written
from objstore.catalog.schema import MIGRATIONS
from objstore.store import extents
from objstore.store.store import Store
from objstore.store.types import Digest, Owner, Source

T = TypeVar("T")

OWNER = Owner("0123abcd", "somebody")
INSTANCE = b"test"


class MemoryCatalog:
    """The transaction protocol over one SQLite database in memory; also its own transaction."""

    def __init__(self) -> None:
        self.db = apsw.Connection(":memory:")
        self.statements = 0
        for migration in MIGRATIONS:
            for sql in migration:
                self.db.execute(sql)

    def one(self, sql: str, *params: Any) -> tuple[Any, ...] | None:
        self.statements += 1
        return next(iter(self.db.execute(sql, params)), None)

    def steady(self, sql: str, *params: Any) -> tuple[Any, ...] | None:
        return self.one(sql, *params)

    def all(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        self.statements += 1
        return list(self.db.execute(sql, params))

    def run(self, sql: str, *params: Any) -> int:
        self.statements += 1
        self.db.execute(sql, params)
        return self.db.changes()

    async def write(self, fn: Callable[[Any], T]) -> T:
        with self.db:
            return fn(self)

    def read(self, fn: Callable[[Any], T]) -> T:
        return fn(self)

    def require_room(self) -> None:
        """There is always room."""


def record(tx: MemoryCatalog, written: Written) -> None:
    """`extents.record`, as of writes that were published before their blobs were sealed as they say."""
    for info in written.blobs:
        if tx.one("SELECT 1 FROM blobs WHERE id = ?", info.id) is None:
            extents.enter(tx, msgspec.structs.replace(info, sealed=False))
        tx.run("UPDATE blobs SET sealed = 0 WHERE id = ?", info.id)
    unsealed = tuple(msgspec.structs.replace(info, sealed=False) for info in written.blobs)
    extents.record(tx, dataclasses.replace(written, blobs=unsealed))
    for info in written.blobs:
        tx.run("UPDATE blobs SET sealed = ?, length = ? WHERE id = ?", int(info.sealed), info.length, info.id)


class MemoryBlobs:
    """Appends in a dictionary; a blob takes a few, then the next is begun, and entered into the catalog."""

    def __init__(self, catalog: MemoryCatalog) -> None:
        self._catalog = catalog
        self.pool = SimpleNamespace(parity=2)
        self.appends: dict[tuple[bytes, int], bytes] = {}
        self.parities: dict[bytes, int] = {}
        self.aborted = 0
        self._open: dict[int, tuple[bytes, int]] = {}

    def writer(self, parity: int, size: int | None = None) -> MemoryWriter:
        return MemoryWriter(self, parity)

    def place(self, parity: int, data: bytes) -> Written:
        blob, offset = self._open.get(parity) or (new_blob_id(INSTANCE), 4096)
        span = -(-len(data) // 4096) * 4096
        self.appends[blob, offset] = data
        self.parities[blob] = parity
        info = BlobInfo(blob, (2, parity, 1 << 20, "isal"), ("one", "two"), {}, False, offset + span)
        if offset == 4096:
            extents.enter(self._catalog, info)
        if offset > 40_000:
            self._open.pop(parity, None)
        else:
            self._open[parity] = (blob, offset + span)
        return Written((Extent(blob, offset, 64, len(data), 0, len(data)),), (info,), (Span(blob, offset, span),))

    def begin_read(self) -> Read:
        return Read(lambda: None)

    def read_now(self, extents: Sequence[Extent], start: int, length: int) -> None:
        """Nothing is at hand: `read` brings it."""

    async def read(self, extents: Sequence[Extent], start: int, length: int) -> AsyncIterator[bytes]:
        data = b"".join(
            self.appends[extent.blob, extent.offset][extent.start : extent.start + extent.length] for extent in extents
        )
        yield data[start : start + length]


class MemoryWriter:
    """Collects what is written and places it when it is finished."""

    def __init__(self, blobs: MemoryBlobs, parity: int) -> None:
        self._blobs = blobs
        self._parity = parity
        self._data = b""

    async def write(self, data: Any) -> None:
        self._data += bytes(data)

    async def finish(self, record: bytes) -> Written:
        assert len(record) % 64 == 0
        return self._blobs.place(self._parity, self._data)

    async def abort(self) -> None:
        self._blobs.aborted += 1


class Clock:
    """Microseconds that stand still now and then."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return 1_700_000_000_000_000 + self.calls // 3


def make_store() -> tuple[Store, MemoryCatalog, MemoryBlobs]:
    """A store in memory."""
    catalog = MemoryCatalog()
    blobs = MemoryBlobs(catalog)
    return Store(catalog, blobs, clock=Clock()), catalog, blobs  # type: ignore[arg-type]


def source(data: bytes, *, chunk: int = 3000, length: int | str | None = "true", checksum: Any = None) -> Source:
    """A body, in chunks; its declared length is true unless another is given."""
    digest = hashlib.md5(usedforsecurity=False)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), chunk):
            await asyncio.sleep(0)
            yield data[start : start + chunk]

    declared = len(data) if length == "true" else length
    return Source(chunks(), declared, digest.update, lambda: Digest(digest.hexdigest(), checksum))  # type: ignore[arg-type]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
