"""The store over real drives, blobs and catalog: what was put is got, and what is gone is garbage."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from objstore.blobs import Blobs
from objstore.blobs.ids import new_instance
from objstore.catalog.catalog import attach
from objstore.catalog.startup import start
from objstore.drives.inspection import inspect
from objstore.drives.pool import Pool, format_new_drives
from objstore.store import extents, repair
from objstore.store.errors import IncompleteBody, NoSuchKey, PreconditionFailed
from objstore.store.store import Store
from objstore.store.types import (
    CompletedPart,
    CopyKeys,
    NewObject,
    NewUpload,
    ObjectName,
    Preconditions,
    Version,
)
from tests.store.fakes import OWNER, md5, source

MIB = 1 << 20
NEW = NewObject(owner=OWNER)


@pytest.fixture
def with_store(tmp_path: Path) -> Callable[[Callable[[Store, Any], Coroutine[Any, Any, None]]], None]:
    """Runs a coroutine function of (store, catalog) over four drives with parity 2."""

    def run(body: Callable[[Store, Any], Coroutine[Any, Any, None]]) -> None:
        paths = [tmp_path / f"drive{number}" for number in range(4)]
        runtime = tmp_path / "runtime"
        runtime.mkdir()
        format_new_drives(inspect(paths))
        pool = Pool.open(paths, strict=False)
        start(pool, runtime, strict=False)
        catalog = attach(pool, runtime, strict=False)

        async def main() -> None:
            blobs = Blobs(
                pool,
                instance=new_instance(),
                lookup=lambda blob: catalog.read(lambda tx: repair.blob(tx, blob)),
                damaged=lambda *_: None,
                opened=lambda info: catalog.write(lambda tx: extents.enter(tx, info)),
            )
            await body(Store(catalog, blobs), catalog)
            await blobs.close()

        try:
            asyncio.run(main())
        finally:
            catalog.close()
            pool.close()

    return run


async def read(store: Store, bucket: str, key: str, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([bytes(chunk) async for chunk in store.read(store.current(bucket, key), start, length)])


def test_bytes_of_every_size_come_back(with_store: Any) -> None:
    async def body(store: Store, catalog: Any) -> None:
        await store.create_bucket("b", OWNER)
        for size in (0, 1, 8192, 8193, 200_000, 2 * MIB, 3 * MIB + 1, 9 * MIB + 7):
            data = os.urandom(size)
            for length in ("true", None):
                made = await store.put("b", f"k{size}", source(data, chunk=65536, length=length), NEW)
                assert (made.version.etag, made.version.size) == (md5(data), size)
                assert await read(store, "b", f"k{size}") == data
                at, count = size // 3, size // 2
                assert await read(store, "b", f"k{size}", at, count) == data[at : at + count]
                now = store.read_now(store.current("b", f"k{size}"), at, count)
                assert now is None or b"".join(now) == data[at : at + count]

    with_store(body)


def test_multipart_and_copies_share_bytes(with_store: Any) -> None:
    async def body(store: Store, catalog: Any) -> None:
        await store.create_bucket("b", OWNER)
        big, tail = os.urandom(5 * MIB + 100), os.urandom(300)
        upload = await store.multipart.create("b", "joined", NewUpload(owner=OWNER, initiator=OWNER))
        parts = []
        for number, data in ((1, big), (2, big[::-1]), (3, tail)):
            part = await store.multipart.put_part("b", "joined", upload.id, number, source(data, chunk=MIB))
            parts.append(CompletedPart(number, part.etag))
        whole = big + big[::-1] + tail
        await store.multipart.complete("b", "joined", upload.id, parts, size=len(whole))
        assert await read(store, "b", "joined") == whole
        spans = catalog.read(lambda tx: tx.one("SELECT sum(span) FROM extents"))

        await store.copy(ObjectName("b", "joined"), "b", "copy", lambda _: NEW)
        assert catalog.read(lambda tx: tx.one("SELECT sum(span) FROM extents")) == spans
        await store.delete("b", "joined")
        assert await read(store, "b", "copy") == whole
        assert (await store.counters()).garbage_bytes == 0

        again = await store.multipart.create("b", "pieces", NewUpload(owner=OWNER, initiator=OWNER))
        first = await store.multipart.copy_part("b", "pieces", again.id, 1, ObjectName("b", "copy"), span=(7, 6 * MIB))
        last = await store.multipart.copy_part(
            "b", "pieces", again.id, 2, ObjectName("b", "copy"), span=(6 * MIB + 7, len(whole) - 6 * MIB - 7)
        )
        named = [CompletedPart(1, first.made.etag), CompletedPart(2, last.made.etag)]
        await store.multipart.complete("b", "pieces", again.id, named)
        assert await read(store, "b", "pieces") == whole[7:]

        small = NewObject(owner=OWNER, storage_class="REDUCED_REDUNDANCY")
        await store.copy(ObjectName("b", "pieces"), "b", "reduced", lambda _: small)
        assert await read(store, "b", "reduced") == whole[7:]
        for key in ("copy", "pieces", "reduced"):
            await store.delete("b", key)
        assert catalog.read(lambda tx: tx.one("SELECT count(*) FROM extents")) == (0,)

    with_store(body)


def test_what_a_put_refuses_leaves_nothing_but_garbage(with_store: Any) -> None:
    async def body(store: Store, catalog: Any) -> None:
        await store.create_bucket("b", OWNER)
        data = os.urandom(100_000)
        with pytest.raises(IncompleteBody):
            await store.put("b", "k", source(data, length=len(data) + 1), NEW)

        async def lose(key: str) -> None:
            held = source(data)
            late = held.chunks

            async def chunks() -> Any:
                async for chunk in late:
                    yield chunk
                await store.put("b", key, source(b"winner"), NEW)

            held.chunks = chunks()
            with pytest.raises(PreconditionFailed):
                await store.put("b", key, held, NEW, Preconditions(if_none_match="*"))

        await lose("k")
        assert await read(store, "b", "k") == b"winner"
        assert catalog.read(lambda tx: tx.one("SELECT count(*) FROM extents")) == (0,)
        assert catalog.read(lambda tx: tx.one("SELECT count(*) FROM garbage")) == (1,)
        with pytest.raises(NoSuchKey):
            store.current("b", "other")

    with_store(body)


def test_a_copy_is_as_safe_as_its_class_says_though_its_source_changes_class_meanwhile(with_store: Any) -> None:
    """Bytes are shared only where the class that is found in the end has the geometry that was looked for."""

    async def body(store: Store, catalog: Any) -> None:
        await store.create_bucket("b", OWNER)
        await store.put("b", "source", source(data := os.urandom(50_000)), NEW)
        changed: list[bool] = []

        async def keys(version: Version) -> CopyKeys:
            if not changed:
                changed.append(await store.change_class("b", "source", version, "REDUCED_REDUNDANCY"))
            return CopyKeys()

        await store.copy(ObjectName("b", "source"), "b", "copy", lambda _: NEW, keys=keys)
        assert changed == [True]
        (extent,) = store.current("b", "copy").extents
        info = catalog.read(lambda tx: repair.blob(tx, extent.blob))
        assert info.layout.parity == 2
        assert await read(store, "b", "copy") == data

    with_store(body)
