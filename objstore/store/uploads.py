"""Multipart uploads: parts that are kept under a number until a complete makes them one object.

A complete moves references from the parts to the version, so it costs the same for any size. The id of an upload is 32
hex digits, the time first, so that uploads of a key are listed in the order they began.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from objstore.blobs.types import Extent, Written
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.store import extents, locks, payloads, quotas
from objstore.store.errors import NoSuchUpload
from objstore.store.lifecycle import queue
from objstore.store.types import Bucket, Part, PartsPage, Upload


def begin(tx: Transaction, bucket: Bucket, upload: Upload) -> Upload:
    """Enter an upload. Raises InvalidRequest for one with a lock in a bucket without."""
    locks.check_new(bucket, upload.lock)
    queue.began(tx, bucket, upload.key.encode(), upload.initiated_us)
    tx.run(
        "INSERT INTO uploads (bucket, key, id, record) VALUES (?, ?, ?, ?)",
        bucket.id,
        upload.key.encode(),
        bytes.fromhex(upload.id),
        pack(upload),
    )
    return upload


def raw_id(upload_id: str) -> bytes:
    """An upload's id as the tables have it; raises NoSuchUpload for what cannot be one."""
    try:
        return bytes.fromhex(upload_id)
    except ValueError:
        raise NoSuchUpload(UploadId=upload_id) from None


def find(tx: Transaction, bucket: Bucket, key: str, upload_id: str) -> Upload | None:
    """The upload of that id and key."""
    row = tx.one(
        "SELECT record FROM uploads WHERE bucket = ? AND key = ? AND id = ?",
        bucket.id,
        key.encode(),
        raw_id(upload_id),
    )
    return unpack(row[0], Upload) if row is not None else None


def require(tx: Transaction, bucket: Bucket, key: str, upload_id: str) -> Upload:
    """The upload of that id and key; raises NoSuchUpload."""
    upload = find(tx, bucket, key, upload_id)
    if upload is None:
        raise NoSuchUpload(UploadId=upload_id)
    return upload


def open_for(tx: Transaction, bucket: Bucket, key: str, upload_id: str, size: int | None) -> Upload:
    """The upload, for a part of that size. Refuses early what `enter` would refuse."""
    upload = require(tx, bucket, key, upload_id)
    quotas.check_alone(tx, bucket, key.encode(), upload.creator, size or 0)
    return upload


def put_part(tx: Transaction, upload: Upload, part: Part, content: bytes | None, now_us: int) -> Part:
    """Enter a part, in place of an earlier one of its number, whose bytes become garbage.

    References to its extents were taken before; `content` is stored as its payload.
    """
    upload_id = bytes.fromhex(upload.id)
    row = tx.one("SELECT record FROM parts WHERE upload = ? AND number = ?", upload_id, part.number)
    if content:
        payload = payloads.add(tx, content, now_us)
        part = msgspec.structs.replace(part, payload=payload)
    tx.run(
        "INSERT INTO parts (upload, number, record) VALUES (?, ?, ?)"
        " ON CONFLICT (upload, number) DO UPDATE SET record = excluded.record",
        upload_id,
        part.number,
        pack(part),
    )
    if row is not None:
        drop_part(tx, unpack(row[0], Part))
    return part


def parts_of(tx: Transaction, upload_id: bytes) -> dict[int, Part]:
    """All parts by number."""
    rows = tx.all("SELECT record FROM parts WHERE upload = ? ORDER BY number", upload_id)
    parts = [unpack(record, Part) for (record,) in rows]
    return {part.number: part for part in parts}


def page_of_parts(tx: Transaction, upload: Upload, after: int, limit: int) -> PartsPage:
    """Parts by number behind `after`."""
    rows = tx.all(
        "SELECT record FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
        bytes.fromhex(upload.id),
        after,
        limit + 1,
    )
    items = [unpack(record, Part) for (record,) in rows[:limit]]
    return PartsPage(upload, items, items[-1].number if items and len(rows) > limit else None)


def drop_part(tx: Transaction, part: Part) -> None:
    """Give back what the record of a part, now gone, referred to."""
    extents.release(tx, part.extents)
    if part.payload is not None:
        payloads.drop(tx, part.payload)


def forget(tx: Transaction, bucket: int, key: bytes, upload_id: bytes) -> None:
    """Delete the rows of an upload and its parts; what they referred to is the caller's."""
    tx.run("DELETE FROM parts WHERE upload = ?", upload_id)
    tx.run("DELETE FROM uploads WHERE bucket = ? AND key = ? AND id = ?", bucket, key, upload_id)


def abort(tx: Transaction, bucket: Bucket, key: str, upload_id: str) -> None:
    """Forget an upload; the bytes of its parts become garbage."""
    upload = require(tx, bucket, key, upload_id)
    raw = bytes.fromhex(upload.id)
    for part in parts_of(tx, raw).values():
        drop_part(tx, part)
    forget(tx, bucket.id, key.encode(), raw)


def purge(tx: Transaction, bucket: int, limit: int) -> bool:
    """Forget uploads of a bucket until `limit` parts were dropped; True when more may be left."""
    while row := tx.one("SELECT key, id FROM uploads WHERE bucket = ? ORDER BY key, id LIMIT 1", bucket):
        if limit <= 0:
            return True
        key, upload_id = row
        rows = tx.all("SELECT number, record FROM parts WHERE upload = ? ORDER BY number LIMIT ?", upload_id, limit + 1)
        for number, record in rows[:limit]:
            drop_part(tx, unpack(record, Part))
            tx.run("DELETE FROM parts WHERE upload = ? AND number = ?", upload_id, number)
        limit -= len(rows)
        if limit >= 0:
            forget(tx, bucket, key, upload_id)
        limit -= 1
    return False


def enter(
    tx: Transaction,
    bucket: Bucket,
    key: str,
    upload_id: str,
    part: Part,
    content: bytes | None,
    written: Written | None,
    now_us: int,
) -> Part:
    """Enter a part whose bytes were just written."""
    upload = require(tx, bucket, key, upload_id)
    quotas.check_alone(tx, bucket, key.encode(), upload.creator, part.size)
    if written is not None:
        extents.record(tx, written)
    return put_part(tx, upload, part, content, now_us)


def joined(parts: Sequence[Part]) -> tuple[tuple[Extent, ...], int | None]:
    """The bytes of parts one behind the other: extents, and the payload of the last one.

    Only the last part is small enough to have a payload, so no payload has bytes behind it.
    """
    assert all(part.payload is None for part in parts[:-1] if part.size), "a payload is the tail of an object"
    return tuple(extent for part in parts for extent in part.extents), parts[-1].payload if parts else None
