"""Buckets have one owner, one name and pages in order of name."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from objstore.store.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    IllegalVersioningConfiguration,
    NoSuchBucket,
)
from objstore.store.types import Grant, NewObject, Owner, Usage
from tests.store.fakes import OWNER, make_store, source


def test_a_name_is_given_once() -> None:
    async def main() -> None:
        store, _, _ = make_store()
        made = await store.create_bucket("b", OWNER, region="here")
        assert store.bucket("b") == made
        with pytest.raises(BucketAlreadyOwnedByYou):
            await store.create_bucket("b", OWNER)
        with pytest.raises(BucketAlreadyExists):
            await store.create_bucket("b", Owner("another"))
        await store.delete_bucket("b")
        for gone in (lambda: store.bucket("b"), lambda: store.usage("b"), lambda: store.current("b", "k")):
            with pytest.raises(NoSuchBucket):
                gone()
        assert (await store.create_bucket("b", OWNER)).id != made.id, "an id never comes back"

    asyncio.run(main())


def test_pages_of_buckets_by_owner_and_prefix() -> None:
    async def main() -> None:
        store, _, _ = make_store()
        for number in range(6):
            await store.create_bucket(f"b{number}", OWNER if number % 2 else Owner("another"))
        assert [bucket.name for bucket in store.list_buckets().items] == [f"b{number}" for number in range(6)]
        page = store.list_buckets(owner=OWNER.id, limit=2)
        assert [bucket.name for bucket in page.items] == ["b1", "b3"] and page.next == "b3"
        page = store.list_buckets(owner=OWNER.id, limit=2, after=page.next)
        assert [bucket.name for bucket in page.items] == ["b5"] and page.next is None
        assert [bucket.name for bucket in store.list_buckets(prefix="b4").items] == ["b4"]

    asyncio.run(main())


def test_what_a_bucket_and_a_version_say_of_themselves_changes() -> None:
    async def main() -> None:
        store, _, _ = make_store()
        await store.create_bucket("b", OWNER)
        acl = (Grant("CanonicalUser", "READ", id="x"),)
        changed = await store.update_bucket("b", lambda bucket: msgspec.structs.replace(bucket, acl=acl))
        assert store.bucket("b") == changed and changed.acl == acl
        with pytest.raises(IllegalVersioningConfiguration):
            await store.set_versioning("b", "enabled")
        await store.set_versioning("b", "Enabled")
        old = (await store.put("b", "k", source(b"old"), NewObject(owner=OWNER))).version
        await store.put("b", "k", source(b"newer"), NewObject(owner=OWNER))
        for version_id in (None, old.version_id):
            await store.update_version("b", "k", version_id, lambda version: msgspec.structs.replace(version, acl=acl))
            assert store.current("b", "k", version_id).acl == acl
        assert store.current("b", "k", old.version_id).content == b"old"
        assert store.usage("b") == Usage(1, 1, 8)

    asyncio.run(main())
