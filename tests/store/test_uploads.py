"""A multipart upload becomes one object of exactly the parts that were named, or nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import pytest

from objstore.store import completing
from objstore.store.errors import (
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    InvalidRange,
    InvalidRequest,
    NoSuchUpload,
    PreconditionFailed,
)
from objstore.store.store import Store
from objstore.store.types import (
    Checksum,
    CompletedPart,
    Digest,
    Digester,
    NewObject,
    NewUpload,
    ObjectName,
    Part,
    Preconditions,
    Upload,
)
from tests.store import soundness
from tests.store.fakes import OWNER, MemoryBlobs, MemoryCatalog, make_store, md5, source

NEW = NewUpload(owner=OWNER, initiator=OWNER)
Body = Callable[[Store, MemoryCatalog, MemoryBlobs], Awaitable[None]]


def run(body: Body) -> None:
    async def main() -> None:
        store, catalog, blobs = make_store()
        await store.create_bucket("b", OWNER)
        await body(store, catalog, blobs)
        soundness.check(catalog, blobs)

    asyncio.run(main())


async def upload_of(store: Store, *parts: bytes) -> tuple[str, list[CompletedPart]]:
    upload = await store.multipart.create("b", "k", NEW)
    named = []
    for number, data in enumerate(parts, 1):
        checksum = Checksum("CRC32", f"sum{number}")
        part = await store.multipart.put_part("b", "k", upload.id, number, source(data, checksum=checksum))
        named.append(CompletedPart(number, f'"{part.etag}"'))
    return upload.id, named


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "MIN_PART", 8193)


def test_the_parts_named_must_be_there_in_order_and_large_enough() -> None:
    async def body(store: Store, *_: object) -> None:
        one = b"1" * 9000
        upload, named = await upload_of(store, one, b"2")
        wrong = [
            ([], InvalidRequest),
            (named[::-1], InvalidPartOrder),
            (named, EntityTooSmall),
            ([*named[:1], CompletedPart(3, named[1].etag)], InvalidPart),
            ([CompletedPart(1, md5(b"other"))], InvalidPart),
            ([CompletedPart(1, named[0].etag, "sum2")], InvalidPart),
        ]
        for parts, error in wrong:
            with pytest.raises(error):
                await store.multipart.complete("b", "k", upload, parts)
        with pytest.raises(InvalidRequest):
            await store.multipart.complete("b", "k", upload, named[:1], size=1)
        made = await store.multipart.complete(
            "b", "k", upload, [CompletedPart(1, named[0].etag, "sum1", "CRC32")], size=9000
        )
        assert made.version.etag == hashlib.md5(bytes.fromhex(md5(one))).hexdigest() + "-1"

    run(body)


def test_of_a_part_named_twice_the_last_one_counts() -> None:
    async def body(store: Store, *_: object) -> None:
        upload, old = await upload_of(store, b"first")
        part = await store.multipart.put_part("b", "k", upload, 1, source(b"again"))
        made = await store.multipart.complete("b", "k", upload, [*old, CompletedPart(1, part.etag)])
        assert store.current("b", "k").content == b"again"
        assert (
            await store.multipart.complete("b", "k", upload, [*old, CompletedPart(1, part.etag)])
        ).version == made.version

    run(body)


def test_completing_twice_tells_the_same_even_behind_newer_versions() -> None:
    async def body(store: Store, *_: object) -> None:
        await store.set_versioning("b", "Enabled")
        upload, named = await upload_of(store, b"data")
        made = await store.multipart.complete("b", "k", upload, named)
        await store.put("b", "k", source(b"newer"), NewObject(owner=OWNER))
        assert (await store.multipart.complete("b", "k", upload, named)).version_id == made.version_id
        with pytest.raises(NoSuchUpload):
            await store.multipart.complete("b", "k", upload, [CompletedPart(1, md5(b"other"))])
        with pytest.raises(NoSuchUpload):
            await store.multipart.complete("b", "k", "not an id", named)

    run(body)


def test_a_refused_complete_leaves_the_upload_as_it_was() -> None:
    async def body(store: Store, *_: object) -> None:
        await store.put("b", "k", source(b"there"), NewObject(owner=OWNER))
        upload, named = await upload_of(store, b"data")
        with pytest.raises(PreconditionFailed):
            await store.multipart.complete("b", "k", upload, named, conditions=Preconditions(if_none_match="*"))

        def refuse(_: Upload, __: object) -> None:
            raise InvalidRequest("another checksum")

        with pytest.raises(InvalidRequest):
            await store.multipart.complete("b", "k", upload, named, combine=refuse)
        assert [part.number for part in (await store.multipart.list_parts("b", "k", upload)).items] == [1]
        await store.multipart.complete(
            "b", "k", upload, named, combine=lambda _, parts: Checksum("CRC32", "whole", "COMPOSITE")
        )
        assert store.current("b", "k").checksum == Checksum("CRC32", "whole", "COMPOSITE")

    run(body)


def test_an_object_of_many_parts_keeps_its_record_small(small_parts: None) -> None:
    async def body(store: Store, catalog: MemoryCatalog, _: object) -> None:
        data = [bytes([number]) * 9000 for number in range(40)]
        upload, named = await upload_of(store, *data)
        page = await store.multipart.list_parts("b", "k", upload, after=10, limit=7)
        assert [part.number for part in page.items] == list(range(11, 18)) and page.next == 17
        await store.multipart.complete("b", "k", upload, named)
        row = catalog.one("SELECT length(record) FROM objects")
        assert row is not None and row[0] < 500
        version = store.current("b", "k")
        assert version.parts is not None and [part.number for part in version.parts] == list(range(1, 41))
        await store.copy(ObjectName("b", "k"), "b", "copy", lambda _: NewObject(owner=OWNER))
        await store.delete("b", "k")
        whole = b"".join(data)
        copy = store.current("b", "copy")
        assert b"".join([bytes(chunk) async for chunk in store.read(copy, 8999, 20_000)]) == whole[8999:28_999]

    run(body)


def test_a_digester_sees_the_bytes_of_a_copied_part() -> None:
    async def body(store: Store, *_: object) -> None:
        data = bytes(range(256)) * 40
        await store.put("b", "from", source(data), NewObject(owner=OWNER))
        upload = await store.multipart.create("b", "k", NEW)
        digest = hashlib.md5()
        digester = Digester(digest.update, lambda: Digest(digest.hexdigest(), Checksum("CRC32", "computed")))
        copied = await store.multipart.copy_part(
            "b", "k", upload.id, 1, ObjectName("b", "from"), span=(10, 10_000), digester=lambda _: digester
        )
        assert isinstance(copied.made, Part)
        assert copied.made.etag == md5(data[10:10_010]) and copied.made.checksum == Checksum("CRC32", "computed")
        with pytest.raises(InvalidRange):
            await store.multipart.copy_part("b", "k", upload.id, 1, ObjectName("b", "from"), span=(10_000, 241))

    run(body)


def test_deleting_a_bucket_forgets_its_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objstore.store.buckets._PURGE", 3)

    async def body(store: Store, catalog: MemoryCatalog, _: object) -> None:
        for _number in range(4):
            await upload_of(store, *[b"x" * 9000] * 5)
        await store.multipart.create("b", "none", NEW)
        await store.delete_bucket("b")
        assert catalog.one("SELECT count(*) FROM parts") == (0,)
        assert catalog.one("SELECT count(*) FROM uploads") == (0,)
        assert catalog.one("SELECT count(*) FROM garbage") == (20,)

    run(body)
