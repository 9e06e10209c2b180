"""A snapshot shows for ever what was current when it was taken, and nothing leaks of it when it goes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objstore.store import snapshots
from objstore.store.errors import (
    BucketNotEmpty,
    InvalidArgument,
    NoSuchBucket,
    NoSuchKey,
    SnapshotAlreadyExists,
    StoreError,
)
from objstore.store.renaming import Renaming
from objstore.store.rewrapping import Cursor
from objstore.store.store import Store
from objstore.store.types import ENABLED, SUSPENDED, NewObject, ObjectName, Version
from tests.store import soundness
from tests.store.fakes import OWNER, MemoryBlobs, MemoryCatalog, make_store, source
from tests.store.test_sealed import new as encrypted

KEYS = ("a", "b", "c/d")
Shown = dict[str, tuple[bytes, dict[str, str]]]

keys = st.sampled_from(KEYS)
sizes = st.sampled_from([0, 100, 9_000])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, sizes),
        st.tuples(st.just("delete"), keys),
        st.tuples(st.just("delete-version"), keys, st.integers(0, 3)),
        st.tuples(st.just("tag"), keys),
        st.tuples(st.just("class"), keys),
        st.tuples(st.just("copy"), keys, keys),
        st.tuples(st.just("rename"), keys, keys),
        st.tuples(st.just("versioning"), st.sampled_from([ENABLED, SUSPENDED])),
        st.tuples(st.just("take")),
        st.tuples(st.just("drop"), st.integers(0, 5)),
        st.tuples(st.just("purge")),
        st.tuples(st.just("restore"), st.integers(0, 5)),
    ),
    max_size=30,
)


async def content(store: Store, version: Version) -> bytes:
    return b"".join([bytes(piece) async for piece in store.read(version)])


async def shown(store: Store, bucket: str) -> Shown:
    """What a bucket, or the view of a snapshot, shows: by listing, and by looking at each key."""
    listed = [entry.key for entry in (await store.list_objects(bucket)).items]
    found: Shown = {}
    for key in KEYS:
        try:
            version = store.current(bucket, key)
        except NoSuchKey:
            continue
        found[key] = (await content(store, version), version.tags)
    assert listed == sorted(found)
    return found


class Run:
    """Random steps over one bucket. `views` is what each snapshot must show."""

    def __init__(self, store: Store, catalog: MemoryCatalog, blobs: MemoryBlobs) -> None:
        self.store, self.catalog, self.blobs = store, catalog, blobs
        self.views: dict[str, Shown] = {}
        self.count = 0

    async def step(self, what: str, *arguments: Any) -> None:
        self.count += 1
        with contextlib.suppress(StoreError):  # a key that is not there: nothing happened
            await getattr(self, what.replace("-", "_"))(*arguments)
        soundness.check(self.catalog, self.blobs)
        for name, wanted in self.views.items():
            assert await shown(self.store, f"bucket--{name}--snap") == wanted, (name, what, arguments)

    async def put(self, key: str, size: int) -> None:
        await self.store.put("bucket", key, source(b"%d" % self.count * (size // 2)), NewObject(owner=OWNER))

    async def delete(self, key: str) -> None:
        await self.store.delete("bucket", key)

    async def delete_version(self, key: str, number: int) -> None:
        found = [one.version for one in (await self.store.list_versions("bucket", prefix=key)).items if one.key == key]
        if found:
            await self.store.delete("bucket", key, found[number % len(found)].version_id)

    async def tag(self, key: str) -> None:
        tags = {"n": str(self.count)}
        await self.store.update_version("bucket", key, None, lambda one: msgspec.structs.replace(one, tags=tags))

    async def class_(self, key: str) -> None:
        version = self.store.current("bucket", key)
        other = "STANDARD" if version.storage_class != "STANDARD" else "REDUCED_REDUNDANCY"
        await self.store.change_class("bucket", key, version, other)

    async def copy(self, key: str, to: str) -> None:
        name = f"bucket--{next(iter(self.views))}--snap" if self.views and self.count % 2 else "bucket"
        await self.store.copy(ObjectName(name, key), "bucket", to, lambda one: NewObject(owner=OWNER, tags=one.tags))

    async def rename(self, key: str, to: str) -> None:
        await self.store.rename("bucket", Renaming(key, to))

    async def versioning(self, status: str) -> None:
        await self.store.set_versioning("bucket", status)

    async def take(self) -> None:
        name = f"s{self.count}"
        await self.store.views.create("bucket", name)
        self.views[name] = await shown(self.store, "bucket")

    async def drop(self, number: int) -> None:
        if self.views:
            name = sorted(self.views)[number % len(self.views)]
            del self.views[name]
            await self.store.views.delete("bucket", name)
            with pytest.raises(NoSuchBucket):
                self.store.seen(f"bucket--{name}--snap")

    async def purge(self) -> None:
        while await self.store.views.purge():
            pass

    async def restore(self, number: int) -> None:
        if self.views:
            name = sorted(self.views)[number % len(self.views)]
            after = ""
            while (page := await self.store.views.restore("bucket", name, "bucket", after, 2)).next is not None:
                after = page.next
            assert await shown(self.store, "bucket") == self.views[name]


setattr(Run, "class", Run.class_)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_whatever_is_done(chosen: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        one = Run(*make_store())
        await one.store.create_bucket("bucket", OWNER)
        for step in chosen:
            await one.step(*step)
        if one.views:
            with pytest.raises(BucketNotEmpty):
                for key in KEYS:
                    for version in (await one.store.list_versions("bucket", prefix=key)).items:
                        await one.store.delete("bucket", version.key, version.version.version_id)
                await one.store.delete_bucket("bucket")
        while one.views:
            await one.step("drop", 0)
        await one.step("purge")
        assert one.catalog.all("SELECT * FROM retained") == []

    asyncio.run(run())


def test_taking_one_costs_the_same_however_much_there_is() -> None:
    async def run(objects: int) -> int:
        store, catalog, _ = make_store()
        await store.create_bucket("bucket", OWNER)
        for number in range(objects):
            await store.put("bucket", f"k{number}", source(b"x"), NewObject(owner=OWNER))
        before = catalog.statements
        await store.views.create("bucket", "one")
        return catalog.statements - before

    assert asyncio.run(run(300)) == asyncio.run(run(3))


def test_what_was_changed_is_kept_once_and_only_for_who_shows_it() -> None:
    async def run() -> None:
        store, catalog, blobs = make_store()
        await store.create_bucket("bucket", OWNER)
        new = NewObject(owner=OWNER)
        await store.put("bucket", "k", source(b"x" * 9_000), new)
        await store.views.create("bucket", "one")
        await store.views.create("bucket", "two")
        await store.put("bucket", "k", source(b"y" * 9_000), new)
        await store.put("bucket", "k", source(b"z" * 9_000), new)
        found, kept = await store.views.listed("bucket")
        assert ([one.name for one in found], [one.objects for one in found]) == (["one", "two"], [1, 1])
        assert (kept.objects, kept.bytes) == (1, 9_000), "not what came and went between two snapshots"
        assert (store.usage("bucket").objects, store.usage("bucket").bytes) == (1, 9_000)
        await store.views.delete("bucket", "one")
        assert not catalog.all("SELECT 1 FROM garbage") or await store.views.purge()
        assert (await store.views.listed("bucket"))[1].objects == 1
        with pytest.raises(SnapshotAlreadyExists):
            await store.views.create("bucket", "two")
        await store.views.delete("bucket", "two")
        await store.delete("bucket", "k")
        await store.delete_bucket("bucket")  # what is still kept goes with it
        assert catalog.all("SELECT * FROM retained") == catalog.all("SELECT * FROM snapshot_purges") == []
        soundness.check(catalog, blobs)

    asyncio.run(run())


def test_what_is_kept_is_sealed_under_a_rotated_key_too() -> None:
    async def run() -> None:
        store, _, _ = make_store()
        await store.create_bucket("bucket", OWNER)
        new = await encrypted()
        assert new.seal is not None
        await store.put("bucket", "k", source(b"old" * 5_000), new)
        await store.views.create("bucket", "one")
        await store.put("bucket", "k", source(b"new"), NewObject(owner=OWNER))

        async def anew(_: bytes) -> bytes:
            return b"anew"

        after: Cursor | None = Cursor()
        record = new.seal.record
        while after is not None:
            after = (await store.rewrap(record.engine, record.key_id, anew, after, 10)).next
        kept = store.current("bucket--one--snap", "k")
        assert kept.encryption is not None and kept.encryption.wrapping_key == b"anew"
        opened = b"".join([bytes(piece) async for piece in store.read(kept, key=new.seal.key)])
        assert opened == b"old" * 5_000

    asyncio.run(run())


@pytest.mark.parametrize("name", ["", "A", "a--b", "-a", "a-", "a.b", "ä", "a" * 60])
def test_names_that_a_snapshot_cannot_have(name: str) -> None:
    with pytest.raises(InvalidArgument):
        snapshots.check_name("bucket", name)


@given(
    st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True), st.from_regex(snapshots._NAME, fullmatch=True)
)
def test_a_view_is_named_by_its_bucket_and_snapshot(bucket: str, name: str) -> None:
    assert snapshots.split(snapshots.name_of(bucket, name)) == (bucket, name)
    assert snapshots.split(bucket) is None or bucket.endswith(snapshots.SUFFIX)
