"""What must always hold between the tables, whatever was done: checked after every step of a run."""

from __future__ import annotations

from collections import Counter
from typing import Any

from objstore.catalog.records import unpack
from objstore.store import catalog_snapshots, versions
from objstore.store.quotas import Position, Target
from objstore.store.types import Part, Version
from tests.store.fakes import MemoryBlobs, MemoryCatalog


def check(catalog: MemoryCatalog, blobs: MemoryBlobs) -> None:
    """The tables are sound, and what was written to the blobs is what they know."""
    rows(catalog)
    extents = {(blob, offset) for blob, offset in catalog.all("SELECT blob, offset FROM extents")}
    garbage = {(blob, offset) for blob, offset in catalog.all("SELECT blob, offset FROM garbage")}
    assert garbage | extents == set(blobs.appends), "what was written is referred to, or is garbage"
    assert {blob for blob, _ in blobs.appends} == {row[0] for row in catalog.all("SELECT id FROM blobs")}


def rows(catalog: Any) -> None:
    """References and counts are exact, nothing leaks, and the newest version is where it belongs. `catalog` is any
    transaction."""
    refs: Counter[tuple[bytes, int]] = Counter()
    payloads: Counter[int] = Counter()
    counts: dict[int, list[int]] = {bucket: [0, 0, 0] for (bucket,) in catalog.all("SELECT id FROM buckets")}
    newest: dict[tuple[int, bytes], tuple[int, bool, bool]] = {}
    nulls: Counter[tuple[int, bytes]] = Counter()
    for table in ("objects", "versions"):
        for bucket, key, ord_, record in catalog.all(f"SELECT bucket, key, ord, record FROM {table}"):
            version = unpack(record, Version)
            assert version.ord == ord_ and version.content is None
            assert version.is_null == (version.version_id == "null")
            if version.is_null:
                nulls[bucket, key] += 1
            else:
                assert versions.ord_of(version.version_id) == ord_
            assert not (table == "objects" and version.delete_marker)
            _count(catalog, version, refs, payloads)
            counts[bucket][table == "versions"] += 1
            counts[bucket][2] += version.size
            seen = (ord_, table == "objects", version.delete_marker)
            newest[bucket, key] = max(newest.get((bucket, key), seen), seen)
    for _, is_current, is_marker in newest.values():
        assert is_current != is_marker, "the newest version is an object in `objects` or a marker in `versions`"
    assert all(count == 1 for count in nulls.values()), "a key has one null version at most"
    for (record,) in catalog.all("SELECT record FROM parts"):
        part = unpack(record, Part)
        refs.update((extent.blob, extent.offset) for extent in part.extents)
        payloads.update([part.payload] if part.payload is not None else [])
    for (record,) in catalog.all("SELECT record FROM retained"):
        _count(catalog, unpack(record, Version), refs, payloads)
    for snapshot in catalog_snapshots.listed(catalog):
        refs.update((extent.blob, extent.offset) for extent in snapshot.extents)
    _compare(catalog, refs, payloads)
    for row in catalog.all("SELECT scope, bucket, name, objects, bytes, at_bucket, at_key, at_ord FROM quotas"):
        counted = Position(*row[5:]) if row[5] is not None else None
        assert row[3:5] == held(catalog, Target(*row[:3]), counted), "a quota holds what there is, as far as counted"
    assert {
        row[0]: list(row[1:]) for row in catalog.all("SELECT bucket, objects, versions, bytes FROM usage")
    } == counts


def held(catalog: Any, target: Target, counted: Position | None = None) -> tuple[int, int]:
    """Objects and bytes of a quota's target, looked for one by one; only those that a count has met, if told."""
    owners = dict(catalog.all("SELECT id, owner FROM buckets"))
    objects = size = 0
    for table in ("objects", "versions"):
        for bucket, key, record in catalog.all(f"SELECT bucket, key, record FROM {table}"):
            version = unpack(record, Version)
            belongs = {
                "account": owners[bucket] == target.name,
                "user": version.creator.encode() == target.name,
                "bucket": bucket == target.bucket,
                "prefix": bucket == target.bucket and key.startswith(target.name),
            }[target.scope]
            met = counted is None or counted.covers(Position(bucket, key, version.ord))
            if belongs and met and not version.delete_marker:
                objects, size = objects + 1, size + version.size
    return objects, size


def _count(catalog: Any, version: Version, refs: Counter[tuple[bytes, int]], payloads: Counter[int]) -> None:
    whole = versions.whole(catalog, version)
    refs.update((extent.blob, extent.offset) for extent in whole.extents)
    payloads.update(one for one in (version.payload, version.manifest) if one is not None)
    assert sum(extent.length for extent in whole.extents) + len(whole.content or b"") == version.size
    if whole.parts is not None:
        assert sum(part.size for part in whole.parts) == version.size
        assert len(whole.parts) == version.part_count


def _compare(catalog: Any, refs: Counter[tuple[bytes, int]], payloads: Counter[int]) -> None:
    extents = {(blob, offset): count for blob, offset, count in catalog.all("SELECT blob, offset, refs FROM extents")}
    garbage = {(blob, offset) for blob, offset in catalog.all("SELECT blob, offset FROM garbage")}
    moved = {row[:2]: row[2:] for row in catalog.all("SELECT blob, offset, to_blob, to_offset FROM moved")}
    for place in moved.keys() - refs.keys():
        assert moved[place] in garbage, "where it was moved is noted of what records name, or named until just now"
    here = {moved.get(place, place): count for place, count in refs.items()}
    assert extents == here, "an extent has as many references as records refer to it"
    assert not garbage & set(extents)
    parities = dict(catalog.all("SELECT id, parity FROM blobs"))
    counts = Counter(parities[blob] for blob in {blob for blob, _ in extents})
    kept = Counter(dict(catalog.all("SELECT parity, blobs FROM blob_counts")))
    assert +kept == counts, "blobs with something in them are counted by their parity"
    assert set(payloads.values()) <= {1}, "a payload belongs to one record"
    assert {row[0] for row in catalog.all("SELECT id FROM payloads")} == set(payloads)
    known = {row[0] for row in catalog.all("SELECT id FROM blobs")}
    assert {blob for blob, _ in garbage | set(extents)} <= known
