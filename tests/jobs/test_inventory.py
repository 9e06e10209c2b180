"""Inventory lists say what listings say, whatever the page, and are whole or not there."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objstore.aws.service import operation_model
from objstore.iam import acl
from objstore.jobs.inventory import lists, tables
from objstore.jobs.inventory.columns import columns
from objstore.s3.inventory import NOT_HERE
from objstore.sealing import KMS, Encryption
from objstore.store.configuration import changed
from objstore.store.errors import StoreError
from objstore.store.inventories import ALL, CURRENT, DAILY, WEEKLY, Entry, Inventory, Outcome, Place, next_due
from objstore.store.lifecycle.rules import Expiration, Lifecycle, Rule
from objstore.store.store import Store
from objstore.store.types import Bucket, Checksum, Grant, Lock, NewObject, Version
from tests.store.fakes import OWNER, make_store, source

NEW = NewObject(owner=OWNER)
NO_KEYS: Any = None  # nothing is encrypted here


def wanted(**change: Any) -> Inventory:
    given = {"id": "i", "enabled": True, "bucket": "lists", "format": "CSV", "frequency": DAILY, "versions": ALL}
    return Inventory(**given | change)


def nobody(_account: str, _bucket: Bucket) -> bool:
    return False


def everybody(_source: Bucket, _target: Bucket, _key: str) -> bool:
    return True


@contextlib.contextmanager
def small() -> Iterator[None]:
    """Pages and files of few rows."""
    with patch.object(lists, "_PAGE", 3), patch.object(lists, "MOST_ROWS", 10):
        yield


async def body(store: Store, key: str) -> bytes:
    version = store.current("lists", key)
    return b"".join([bytes(piece) async for piece in store.read(version)])


async def listed(store: Store, prefix: str = "") -> list[tuple[str, str, bool, bool]]:
    """Every version by the listing: key, id, whether it is the latest and a delete marker."""
    found = await store.list_versions("b", prefix=prefix, limit=10_000)
    return [(one.key, one.version.version_id, one.is_latest, one.version.delete_marker) for one in found.items]


changes = st.lists(st.tuples(st.sampled_from(["a", "a/b", "a/c", "b", "ü"]), st.booleans()), max_size=25)


@settings(max_examples=40)
@given(changes, st.integers(1, 4), st.sampled_from(["", "a", "a/", "z"]))
def test_pages_of_rows_say_what_the_listing_says(done: list[tuple[str, bool]], limit: int, prefix: str) -> None:
    async def main() -> None:
        store, _, _ = make_store()
        bucket = await store.create_bucket("b", OWNER, versioning="Enabled")
        for key, delete in done:
            await (store.delete("b", key) if delete else store.put("b", key, source(b"x"), NEW))
        for versions in (ALL, CURRENT):
            asked = wanted(versions=versions, only=prefix or None)
            rows, after = [], Place()
            while page := store.inventories.rows(bucket.id, asked, after, limit):
                rows += page
                after = Place(page[-1].key.encode(), page[-1].version.ord)
            told = [(row.key, row.version.version_id, row.is_latest, row.version.delete_marker) for row in rows]
            everything = await listed(store, prefix)
            assert told == (everything if versions == ALL else [one for one in everything if one[2] and not one[3]])

    asyncio.run(main())


async def filled(count: int = 25) -> Store:
    """A store with a bucket of some keys, and one for lists."""
    store, _, _ = make_store()
    await store.create_bucket("b", OWNER, versioning="Enabled")
    await store.create_bucket("lists", OWNER)
    for number in range(count):
        await store.put("b", f'key "{number:03}", ü', source(b"x" * number), NEW)
    await store.delete("b", 'key "003", ü')
    return store


FIELDS = ("Size", "LastModifiedDate", "ETag", "StorageClass", "IsMultipartUploaded", "ObjectOwner", "ReplicationStatus")


@pytest.mark.parametrize("format_", ["CSV", "Parquet"])
def test_a_list_has_every_row_in_files_that_its_manifest_names(format_: str) -> None:
    async def main() -> None:
        store = await filled()
        await store.inventories.put("b", wanted(format=format_, prefix="in/here", fields=FIELDS))
        with (
            patch.object(lists, "_PAGE", 3),
            patch.object(lists, "MOST_ROWS", 10),
            patch.object(tables, "ROW_GROUP", 5),
        ):
            assert await lists.run(store, NO_KEYS, everybody, nobody) == 1
        outcome = store.inventories.find("b", "i")[1]
        assert outcome is not None and outcome.problem is None and outcome.manifest is not None
        manifest = json.loads(await body(store, outcome.manifest))
        began = datetime.fromtimestamp(outcome.began_us // 1_000_000, UTC)
        assert outcome.manifest == f"in/here/b/i/{began:%Y-%m-%dT%H-%MZ}/manifest.json"
        assert (manifest["sourceBucket"], manifest["destinationBucket"]) == ("b", "arn:aws:s3:::lists")
        assert (manifest["fileFormat"], len(manifest["files"])) == (format_, 3)
        read = read_csv if format_ == "CSV" else read_parquet
        rows: list[dict[str, Any]] = []
        for file in manifest["files"]:
            data = await body(store, file["key"])
            assert (len(data), hashlib.md5(data).hexdigest()) == (file["size"], file["MD5checksum"])
            rows += read(data, manifest["fileSchema"])
        assert len(rows) == outcome.rows == 26
        assert [(row["key"], row["version_id"], row["is_latest"], row["is_delete_marker"]) for row in rows] == (
            await listed(store)
        )
        sizes = [row["size"] for row in rows if not row["is_delete_marker"]]
        assert sizes == list(range(25))
        assert {row["object_owner"] for row in rows} == {OWNER.id}
        checksum = await body(store, outcome.manifest.replace("manifest.json", "manifest.checksum"))
        assert checksum.decode() == hashlib.md5(await body(store, outcome.manifest)).hexdigest()
        links = await body(store, f"in/here/b/i/hive/dt={began:%Y-%m-%d-%H-%M}/symlink.txt")
        assert links.decode().split("\n") == [f"s3://lists/{file['key']}" for file in manifest["files"]]

    asyncio.run(main())


def read_csv(data: bytes, schema: str) -> list[dict[str, Any]]:
    names = {"Key": "key", "VersionId": "version_id", "IsLatest": "is_latest", "IsDeleteMarker": "is_delete_marker"}
    names |= {"Size": "size", "ObjectOwner": "object_owner"}
    found = []
    for line in csv.reader(io.StringIO(gzip.decompress(data).decode()), strict=True):
        row: dict[str, Any] = {names.get(name, name): text for name, text in zip(schema.split(", "), line, strict=True)}
        row |= {name: row[name] == "true" for name in ("is_latest", "is_delete_marker")}
        row["key"] = unquote(row["key"])
        row["size"] = int(row["size"]) if row["size"] else None
        found.append(row)
    return found


def read_parquet(data: bytes, schema: str) -> list[dict[str, Any]]:
    table = pq.read_table(io.BytesIO(data))
    assert [name for name in table.column_names if name in schema] == table.column_names
    rows: list[dict[str, Any]] = table.to_pylist()
    assert all(isinstance(row["last_modified_date"], datetime) for row in rows)
    return rows


def test_every_field_of_a_version_is_told() -> None:
    grants = (Grant(acl.GROUP, "READ", uri=acl.ALL_USERS), acl.user_grant(OWNER, "FULL_CONTROL"))
    version = Version(
        *("v1", 1, False, False, "abc-2", 5, 1_700_000_000_123_000, OWNER, "STANDARD_IA"),
        checksum=Checksum("CRC32", "AAAAAA=="),
        acl=grants,
        lock=Lock("GOVERNANCE", 1_800_000_000_000_000, True),
        encryption=Encryption(KMS, b"", bucket_key=True),
    )
    marker = Version("v2", 2, False, True, "", 0, 1_700_000_000_000_000, OWNER)
    rule = Rule(id="r", status="Enabled", prefix="", expiration=Expiration(days=1))
    bucket = changed(Bucket(1, "b", OWNER, 0), "lifecycle", Lifecycle(rules=(rule,)))
    shape = operation_model("PutBucketInventoryConfiguration").input_shape
    assert shape is not None
    offered = shape.members["InventoryConfiguration"].members["OptionalFields"].member.enum  # type: ignore[attr-defined]
    fields = tuple(name for name in offered if name not in NOT_HERE)
    chosen = columns(wanted(fields=fields))

    def told(entry: Entry) -> dict[str, Any]:
        return {column.name: column.value(bucket, entry) for column in chosen}

    row = told(Entry("k", version, True))
    assert json.loads(base64.b64decode(row.pop("ObjectAccessControlList"))) == {
        "version": "2022-11-10",
        "status": "AVAILABLE",
        "grants": [
            {"uri": acl.ALL_USERS, "type": "Group", "permission": "READ"},
            {"canonicalId": OWNER.id, "type": "CanonicalUser", "permission": "FULL_CONTROL"},
        ],
    }
    assert row == {
        "Bucket": "b",
        "Key": "k",
        "VersionId": "v1",
        "IsLatest": True,
        "IsDeleteMarker": False,
        "Size": 5,
        "LastModifiedDate": 1_700_000_000_000_000,
        "ETag": "abc-2",
        "StorageClass": "STANDARD_IA",
        "IsMultipartUploaded": True,
        "ReplicationStatus": None,
        "EncryptionStatus": "SSE-KMS",
        "ObjectLockRetainUntilDate": 1_800_000_000_000_000,
        "ObjectLockMode": "GOVERNANCE",
        "ObjectLockLegalHoldStatus": "On",
        "IntelligentTieringAccessTier": None,
        "BucketKeyStatus": "ENABLED",
        "ChecksumAlgorithm": "CRC32",
        "ObjectOwner": OWNER.id,
        "LifecycleExpirationDate": 1_700_092_800_000_000,
    }
    assert set(row) | {"ObjectAccessControlList"} == {
        "Bucket",
        "Key",
        "VersionId",
        "IsLatest",
        "IsDeleteMarker",
        *fields,
    }
    given = {name: value for name, value in told(Entry("k", marker, False)).items() if value is not None}
    assert given.keys() == {
        "Bucket",
        "Key",
        "VersionId",
        "IsLatest",
        "IsDeleteMarker",
        "LastModifiedDate",
        "ObjectOwner",
    }


def test_an_empty_list_has_a_manifest_without_files() -> None:
    async def main() -> None:
        store = await filled()
        await store.inventories.put("b", wanted(only="nothing/"))
        await lists.run(store, NO_KEYS, everybody, nobody)
        outcome = store.inventories.find("b", "i")[1]
        assert outcome is not None and outcome.manifest is not None and outcome.rows == 0
        assert json.loads(await body(store, outcome.manifest))["files"] == []

    asyncio.run(main())


def test_a_list_that_may_not_be_written_says_why_and_leaves_nothing() -> None:
    async def main() -> None:
        store = await filled()
        await store.inventories.put("b", wanted())
        await store.inventories.put("b", wanted(id="j", bucket="gone"))
        await lists.run(store, NO_KEYS, lambda source, target, key: False, nobody)
        for ident, why in (("i", "policy"), ("j", "not there")):
            outcome = store.inventories.find("b", ident)[1]
            assert outcome is not None and why in (outcome.problem or "")
        assert (await store.list_objects("lists")).items == []

    asyncio.run(main())


def test_a_list_that_fails_midway_leaves_nothing() -> None:
    async def main() -> None:
        store = await filled()
        await store.inventories.put("b", wanted())
        put, count = store.put, 0

        async def failing(*args: Any) -> Any:
            nonlocal count
            count += 1
            if count == 3:
                raise StoreError("no more")
            return await put(*args)

        with small(), patch.object(store, "put", failing):
            await lists.run(store, NO_KEYS, everybody, nobody)
        outcome = store.inventories.find("b", "i")[1]
        assert outcome is not None and "no more" in (outcome.problem or "")
        assert count == 3 and (await store.list_objects("lists")).items == []

    asyncio.run(main())


def test_a_list_is_due_at_once_and_then_by_its_schedule() -> None:
    def at(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000

    assert next_due(DAILY, at("2026-02-28T23:59:59")) == at("2026-03-01")
    assert next_due(DAILY, at("2026-03-01")) == at("2026-03-02")
    assert next_due(WEEKLY, at("2026-11-24T12:00")) == at("2026-11-29")  # a Tuesday
    assert next_due(WEEKLY, at("2026-11-29")) == at("2026-12-06")

    async def main() -> None:
        store = await filled(1)
        await store.inventories.put("b", wanted(enabled=False))
        assert store.inventories.due() is None
        await store.inventories.ask("b", "i")
        assert await lists.run(store, NO_KEYS, everybody, nobody) == 1
        assert store.inventories.due() is None
        await store.inventories.put("b", wanted())
        bucket, one = store.inventories.due() or pytest.fail("not due")
        now = store.inventories.clock()
        await store.inventories.done(bucket.id, one, Outcome(began_us=now, done_us=now), next_due(DAILY, now))
        assert store.inventories.due() is None

    asyncio.run(main())
