"""Conditions decide on what is there when the write is published, as AWS decides them."""

from __future__ import annotations

import asyncio

import pytest

from objstore.store.errors import NoSuchKey, NotModified, PreconditionFailed
from objstore.store.preconditions import check_read, check_source
from objstore.store.store import Store
from objstore.store.types import (
    Deleted,
    DeleteItem,
    NewObject,
    ObjectName,
    Preconditions,
    Version,
)
from tests.store.fakes import OWNER, make_store, source

NEW = NewObject(owner=OWNER)
VERSION = Version("null", 1, True, False, "abcd", 5, 1_700_000_000_500_000, OWNER)
THEN = 1_700_000_000


def test_reads_follow_the_order_of_rfc_9110() -> None:
    held = [
        Preconditions(),
        Preconditions(if_match='"abcd"'),
        Preconditions(if_match='"x", "abcd"'),
        Preconditions(if_match="*"),
        Preconditions(if_match="abcd", if_unmodified_since=THEN - 9),
        Preconditions(if_unmodified_since=THEN),
        Preconditions(if_none_match="x", if_modified_since=THEN + 9),
        Preconditions(if_modified_since=THEN - 1),
    ]
    for given in held:
        check_read(given, VERSION)
    for given in (Preconditions(if_match="x"), Preconditions(if_unmodified_since=THEN - 1)):
        with pytest.raises(PreconditionFailed):
            check_read(given, VERSION)
    for given in (
        Preconditions(if_none_match='W/"abcd"'),
        Preconditions(if_none_match="*"),
        Preconditions(if_modified_since=THEN),
    ):
        with pytest.raises(NotModified):
            check_read(given, VERSION)
        with pytest.raises(PreconditionFailed) as caught:
            check_source(given, VERSION)
        assert caught.value.detail["Condition"].startswith("x-amz-copy-source-If-")


async def _put(store: Store, key: str, data: bytes = b"", given: Preconditions | None = None) -> Version:
    return (await store.put("b", key, source(data), NEW, given or Preconditions())).version


def test_a_delete_looks_at_etag_size_and_time() -> None:
    async def main() -> None:
        store, _, _ = make_store()
        await store.create_bucket("b", OWNER)
        for wrong, right in (
            (Preconditions(if_match="bad"), lambda v: Preconditions(if_match=f'"{v.etag}"')),
            (Preconditions(match_size=9), lambda v: Preconditions(match_size=v.size)),
            (
                Preconditions(match_last_modified=5),
                lambda v: Preconditions(match_last_modified=v.modified_us // 1_000_000),
            ),
        ):
            version = await _put(store, "k")
            with pytest.raises(PreconditionFailed):
                await store.delete("b", "k", None, wrong)
            assert await store.delete("b", "k", None, right(version)) == Deleted()
            assert await store.delete("b", "k", None, wrong) == Deleted(), "what is not there is deleted well"

    asyncio.run(main())


def test_in_a_versioned_bucket_a_delete_marker_is_what_conditions_meet() -> None:
    async def main() -> None:
        store, _, _ = make_store()
        await store.create_bucket("b", OWNER)
        await store.set_versioning("b", "Enabled")
        anything, bad = Preconditions(if_match="*"), Preconditions(if_match="bad")
        assert await store.delete("b", "k", None, anything) == Deleted()
        assert await store.delete("b", "k", None, bad) == Deleted(), "no marker was made without anything to hide"
        version = await _put(store, "k")
        with pytest.raises(PreconditionFailed):
            await store.delete("b", "k", None, bad)
        assert (await store.delete("b", "k", None, Preconditions(if_match=version.etag))).delete_marker
        assert (await store.delete("b", "k", None, anything)).delete_marker
        for given in (bad, Preconditions(match_size=9999), Preconditions(match_last_modified=5)):
            with pytest.raises(PreconditionFailed):
                await store.delete("b", "k", None, given)
        with pytest.raises(PreconditionFailed):
            await store.delete("b", "k", version.version_id, bad)
        gone = await store.delete("b", "k", version.version_id, Preconditions(if_match=version.etag))
        assert gone == Deleted(version.version_id, False)
        assert await store.delete("b", "k", version.version_id, bad) == gone
        with pytest.raises(NoSuchKey):
            await _put(store, "k", given=anything)

    asyncio.run(main())


def test_of_many_deletes_each_has_its_outcome() -> None:
    async def main() -> None:
        store, _, _ = make_store()
        await store.create_bucket("b", OWNER)
        await _put(store, "one")
        await _put(store, "two")
        outcome = await store.delete_many(
            "b",
            [
                DeleteItem("one", None, Preconditions(if_match="bad")),
                DeleteItem("two"),
                DeleteItem("three"),
                DeleteItem("one", "null"),
            ],
        )
        assert isinstance(outcome[0], PreconditionFailed)
        assert outcome[1:] == [Deleted(), Deleted(), Deleted("null", False)]
        assert (await store.list_objects("b")).items == []

    asyncio.run(main())


def test_a_copy_looks_at_source_and_target() -> None:
    async def main() -> None:
        store, _, _ = make_store()
        await store.create_bucket("b", OWNER)
        version = await _put(store, "k", b"x" * 9000)

        async def copy(source_given: Preconditions, given: Preconditions) -> None:
            await store.copy(
                ObjectName("b", "k"), "b", "to", lambda _: NEW, source_conditions=source_given, conditions=given
            )

        for bad in (Preconditions(if_match="bad"), Preconditions(if_none_match=version.etag)):
            with pytest.raises(PreconditionFailed):
                await copy(bad, Preconditions())
        await copy(Preconditions(if_match=version.etag), Preconditions(if_none_match="*"))
        with pytest.raises(PreconditionFailed):
            await copy(Preconditions(), Preconditions(if_none_match="*"))

    asyncio.run(main())
