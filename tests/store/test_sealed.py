"""Encrypted objects in the store: bytes that were altered where the drives' hashes do not see it never come back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from objstore.kms.envelopes import Envelopes, Wanted
from objstore.kms.keyring import S3_KEY, Key, Keyring, KeyVersion
from objstore.sealing import CHUNK, CUSTOMER, S3, SEGMENT, Encryption, Seal, SealBroken
from objstore.store.sealed import STEP
from objstore.store.store import Store
from objstore.store.types import CompletedPart, CopyKeys, NewObject, NewUpload, ObjectName, Version
from tests.store.fakes import OWNER, make_store, source

MIB = 1 << 20


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(body)


def keyring() -> Keyring:
    """One with the key of SSE-S3 alone."""
    key = Key(S3_KEY, 0, True, (KeyVersion(1, 0, os.urandom(32)),))
    return Keyring("keyring", "", {S3_KEY: key}.get, lambda _, version: version.sealed)


async def new(scheme: str = S3, customer_key: bytes | None = None) -> NewObject:
    ring = keyring()
    seal = await Envelopes(ring, ring).seal(Wanted(scheme, customer_key=customer_key), 1)
    return NewObject(owner=OWNER, seal=seal)


async def read(store: Store, version: Version, seal: Seal | None, start: int = 0, length: int | None = None) -> bytes:
    key = seal.key if seal is not None else None
    return b"".join([bytes(chunk) async for chunk in store.read(version, start, length, key)])


@pytest.mark.parametrize("size", [0, 1, 8192, 8193, CHUNK, STEP - 1, STEP, STEP + 1, 2 * STEP, 2 * STEP + CHUNK])
@pytest.mark.parametrize("length", ["true", None])
def test_bodies_of_every_size_come_back_known_or_not(size: int, length: str | None) -> None:
    async def body() -> None:
        store, _, blobs = make_store()
        await store.create_bucket("b", OWNER)
        data, made = os.urandom(size), await new()
        await store.put("b", "k", source(data, chunk=60_000, length=length), made)
        version = store.current("b", "k")
        assert version.size == size
        assert await read(store, version, made.seal) == data
        assert await read(store, version, made.seal, size // 3, size // 2) == data[size // 3 : size // 3 + size // 2]
        assert all(data[:64] not in stored for stored in blobs.appends.values()) or size < 64

    run(body())


def test_an_altered_byte_ends_the_read_before_it() -> None:
    async def body() -> None:
        store, _, blobs = make_store()
        await store.create_bucket("b", OWNER)
        data, made = os.urandom(5 * CHUNK), await new()
        await store.put("b", "k", source(data), made)
        version = store.current("b", "k")
        (place, good), *_ = blobs.appends.items()
        for at in (0, SEGMENT - 1, 3 * SEGMENT + 17, len(good) - 1):
            blobs.appends[place] = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
            with pytest.raises(SealBroken):
                await read(store, version, made.seal)
            whole = at // SEGMENT * CHUNK
            assert await read(store, version, made.seal, 0, whole) == data[:whole]

    run(body())


def test_objects_whose_bytes_were_exchanged_do_not_open() -> None:
    async def body() -> None:
        store, _, blobs = make_store()
        await store.create_bucket("b", OWNER)
        made = [await new(), await new()]
        for name, one in zip("xy", made, strict=True):
            await store.put("b", name, source(name.encode() * 100_000), one)
        (one, first), (two, second) = blobs.appends.items()
        blobs.appends |= {one: second, two: first}
        for name, sealed in zip("xy", made, strict=True):
            with pytest.raises(SealBroken):
                await read(store, store.current("b", name), sealed.seal)

    run(body())


def altered(version: Version, **changes: Any) -> Version:
    assert version.encryption is not None
    return msgspec.structs.replace(version, encryption=msgspec.structs.replace(version.encryption, **changes))


async def of_parts(store: Store, seal: Seal) -> Version:
    upload = await store.multipart.create("b", "k", NewUpload(owner=OWNER, initiator=OWNER, encryption=seal.record))
    parts = []
    for number in (1, 2, 3):
        part = await store.multipart.put_part("b", "k", upload.id, number, source(os.urandom(5 * MIB), chunk=MIB), seal)
        parts.append(CompletedPart(number, part.etag))
    await store.multipart.complete("b", "k", upload.id, parts, data_key=seal.key)
    return store.current("b", "k")


def test_a_record_that_was_altered_does_not_open() -> None:
    async def body() -> None:
        store, _, _ = make_store()
        await store.create_bucket("b", OWNER)
        seal = (await new()).seal
        assert seal is not None
        version = await of_parts(store, seal)
        streams = version.encryption.streams if version.encryption else ()
        size = 5 * MIB
        for changed in (
            altered(version, streams=streams[::-1]),
            altered(msgspec.structs.replace(version, size=2 * size, extents=version.extents[:2]), streams=streams[:2]),
            altered(version, proof=bytes(16)),
        ):
            with pytest.raises(SealBroken):
                await read(store, changed, seal)
        moved = msgspec.structs.replace(version, extents=version.extents[::-1])
        with pytest.raises(SealBroken):
            await read(store, moved, seal)

    run(body())


def test_many_parts_keep_their_streams_beside_the_record() -> None:
    async def body() -> None:
        store, _, _ = make_store()
        await store.create_bucket("b", OWNER)
        seal = (await new()).seal
        assert seal is not None
        upload = await store.multipart.create("b", "k", NewUpload(owner=OWNER, initiator=OWNER, encryption=seal.record))
        data, parts = os.urandom(5 * MIB), []
        for number in range(1, 11):
            part = await store.multipart.put_part("b", "k", upload.id, number, source(data, chunk=MIB), seal)
            parts.append(CompletedPart(number, part.etag))
        await store.multipart.complete("b", "k", upload.id, parts, data_key=seal.key)
        assert await read(store, store.current("b", "k"), seal) == data * 10
        (entry,) = (await store.list_objects("b")).items
        assert entry.version.size == 50 * MIB

    run(body())


def test_another_storage_class_needs_no_key() -> None:
    async def body() -> None:
        store, _, _ = make_store()
        await store.create_bucket("b", OWNER)
        seal = (await new()).seal
        assert seal is not None
        version = await of_parts(store, seal)
        before = await read(store, version, seal)
        assert await store.change_class("b", "k", version, "REDUCED_REDUNDANCY")
        after = store.current("b", "k")
        assert after.storage_class == "REDUCED_REDUNDANCY"
        assert await read(store, after, seal) == before

    run(body())


def test_a_copy_under_the_same_key_shares_bytes_and_one_under_another_does_not() -> None:
    async def body() -> None:
        store, catalog, _ = make_store()
        await store.create_bucket("b", OWNER)
        ring = keyring()
        envelopes = Envelopes(ring, ring)
        mine, other = os.urandom(32), os.urandom(32)
        first = await envelopes.seal(Wanted(CUSTOMER, customer_key=mine), 1)
        data = os.urandom(300_000)
        await store.put("b", "k", source(data), NewObject(owner=OWNER, seal=first))

        async def same(version: Version) -> CopyKeys:
            return CopyKeys(first.key, await envelopes.seal(Wanted(CUSTOMER, customer_key=mine), 1, first.key), True)

        async def another(version: Version) -> CopyKeys:
            return CopyKeys(first.key, await envelopes.seal(Wanted(CUSTOMER, customer_key=other), 1))

        appends = catalog.one("SELECT count(*) FROM extents")
        for key, keys in (("same", same), ("other", another)):
            await store.copy(ObjectName("b", "k"), "b", key, lambda _: NewObject(owner=OWNER), keys=keys)
            if key == "same":
                assert catalog.one("SELECT count(*) FROM extents") == appends
        records: list[Encryption] = [store.current("b", key).encryption for key in ("k", "same", "other")]  # type: ignore[misc]
        assert records[0].data_key != records[1].data_key, "the data key is sealed anew"
        await store.delete("b", "k")
        for key, record, secret in (("same", records[1], mine), ("other", records[2], other)):
            opened = await envelopes.open(record, secret)
            assert await read(store, store.current("b", key), Seal(opened, record)) == data

    run(body())
