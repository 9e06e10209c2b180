"""What the snapshot has and the drives have no more: versions that were deleted or replaced after it was taken.

A version whose bytes are gone was deleted for good, or replaced; it is dropped, as it was then. What object lock
protects cannot have been deleted: it is kept, and told of, like what only waits for drives that are away.
"""

from __future__ import annotations

from collections.abc import Sequence

from objstore.blobs.types import Extent
from objstore.catalog.records import unpack
from objstore.catalog.session import Writing
from objstore.catalog.transaction import Transaction
from objstore.jobs.restore.reconciling import Place, Standing
from objstore.jobs.restore.report import Item, Report
from objstore.store import buckets, catalog_snapshots, extents, locks, snapshots, uploads, versions
from objstore.store.errors import ObjectLocked
from objstore.store.types import Part, Upload, Version

_GONE = "deleted or replaced after the snapshot, and its bytes were given back"
_AWAY = "too few of its shards are there"


def drop_gone(tx: Writing, standing: Standing, report: Report, now_us: int) -> None:
    """Drop what is gone, and tell of what cannot be read."""
    gone, unreadable = _names(tx, standing.gone), _names(tx, standing.unreadable)
    if not gone and not unreadable:
        return
    for table in ("objects", "versions"):
        for bucket, key, version in _hits(tx, table, gone | unreadable):
            if _places(versions.whole(tx, version).extents) & gone:
                _drop(tx, bucket, key, version, report, now_us)
            else:
                report.unreadable.append(_item(tx, bucket, key, version, _AWAY))
    for bucket, key, from_era, record in list(snapshots.retained(tx)):
        if _places(versions.whole(tx, unpack(record, Version)).extents) & gone:
            snapshots.forget(tx, bucket, key, from_era, record)
    _drop_parts(tx, gone, report)
    for one in catalog_snapshots.listed(tx):
        if _places(one.extents) & gone:
            extents.release(tx, one.extents)
            tx.run("DELETE FROM catalog_snapshots WHERE taken = ?", one.taken_us)


def _names(tx: Transaction, places: set[Place]) -> set[Place]:
    """The places by which records call them: that where an append was written, if it was moved."""
    found = set()
    for place in places:
        row = tx.one("SELECT blob, offset FROM moved WHERE to_blob = ? AND to_offset = ?", *place)
        found.add(place if row is None else (row[0], row[1]))
    return found


def _places(listed: Sequence[Extent]) -> set[Place]:
    return {(extent.blob, extent.offset) for extent in listed}


def _hits(tx: Writing, table: str, places: set[Place]) -> list[tuple[int, bytes, Version]]:
    """The versions of a table that refer to any of these places."""
    found = []
    for bucket, key, record in tx.rows(f"SELECT bucket, key, record FROM {table}"):
        version = unpack(record, Version)
        if (version.extents or version.manifest is not None) and _places(versions.whole(tx, version).extents) & places:
            found.append((bucket, key, version))
    return found


def _item(tx: Transaction, bucket: int, key: bytes, version: Version, why: str) -> Item:
    known = buckets.by_id(tx, bucket)
    name = known.name if known is not None else ""
    return Item(name, key.decode(), version.version_id, version.size, why)


def _drop(tx: Transaction, bucket: int, key: bytes, version: Version, report: Report, now_us: int) -> None:
    known = buckets.by_id(tx, bucket)
    assert known is not None, "a version has a bucket"
    try:
        locks.check_removal(version, now_us, bypass=False)
    except ObjectLocked:
        report.unreadable.append(_item(tx, bucket, key, version, "its bytes are not there, though it is locked"))
        return
    versions.forget(tx, known, key, version, now_us)
    report.gone.append(_item(tx, bucket, key, version, _GONE))


def _drop_parts(tx: Transaction, gone: set[Place], report: Report) -> None:
    for upload_id, number, record in tx.all("SELECT upload, number, record FROM parts"):
        part = unpack(record, Part)
        if not _places(part.extents) & gone:
            continue
        row = tx.one("SELECT bucket, record FROM uploads WHERE id = ?", upload_id)
        uploads.drop_part(tx, part)
        tx.run("DELETE FROM parts WHERE upload = ? AND number = ?", upload_id, number)
        if row is not None:
            upload, known = unpack(row[1], Upload), buckets.by_id(tx, row[0])
            name = known.name if known is not None else ""
            report.gone.append(Item(name, upload.key, f"{upload.id}.{number}", part.size, _GONE))
