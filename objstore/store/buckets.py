"""Buckets: transaction functions over `buckets` and the counts that belong to each."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.counting import number_of
from objstore.store import configuration, locks, quotas, snapshots, uploads
from objstore.store.errors import (
    BucketAlreadyExists,
    BucketAlreadyOwnedByYou,
    BucketNotEmpty,
    IllegalVersioningConfiguration,
    NoSuchBucket,
    TooManyBuckets,
)
from objstore.store.events import outbox, rules
from objstore.store.events.rules import Notification
from objstore.store.lifecycle import queue
from objstore.store.lifecycle.rules import Lifecycle
from objstore.store.types import ENABLED, SUSPENDED, Bucket, Page

_PURGE = 1000


def find(tx: Transaction, name: str) -> Bucket | None:
    """The bucket of that name."""
    row = tx.steady("SELECT record FROM buckets WHERE name = ?", name.encode())
    return _decoded(row[0]) if row is not None else None


@lru_cache(maxsize=256)
def _decoded(record: bytes) -> Bucket:
    """What a record says: decoded once for each that there is, not twice for each request. Raises CorruptRecord."""
    return unpack(record, Bucket)


def by_id(tx: Transaction, bucket: int) -> Bucket | None:
    """The bucket of that id."""
    row = tx.one("SELECT record FROM buckets WHERE id = ?", bucket)
    return unpack(row[0], Bucket) if row is not None else None


def seen(tx: Transaction, name: str) -> Bucket:
    """The bucket of that name, or the view of a snapshot, for whoever only reads; raises NoSuchBucket."""
    parts = snapshots.split(name)
    if parts is None:
        return require(tx, name)
    source = find(tx, parts[0])
    if source is None:
        raise NoSuchBucket(BucketName=name)
    return snapshots.view(tx, source, parts[1])


def require(tx: Transaction, name: str) -> Bucket:
    """The bucket of that name; raises NoSuchBucket."""
    bucket = find(tx, name)
    if bucket is None:
        raise NoSuchBucket(BucketName=name)
    return bucket


def create(tx: Transaction, new: Bucket, most: int | None = None) -> Bucket:
    """Enter a bucket (its `id` is chosen here), unless its owner has `most` already (None: no limit).

    Raises BucketAlreadyOwnedByYou, BucketAlreadyExists, TooManyBuckets.
    """
    known = find(tx, new.name)
    if known is not None:
        mine = known.owner.id == new.owner.id
        raise (BucketAlreadyOwnedByYou if mine else BucketAlreadyExists)(BucketName=new.name)
    if most is not None and owned(tx, new.owner.id) >= most:
        raise TooManyBuckets(f"The account may own {number_of(most, 'bucket')}, and does.", BucketName=new.name)
    name = new.name.encode()
    tx.run("INSERT INTO buckets (name, owner, record) VALUES (?, ?, ?)", name, new.owner.id.encode(), b"")
    row = tx.one("SELECT id FROM buckets WHERE name = ?", name)
    assert row is not None, "the bucket was entered just now"
    bucket = msgspec.structs.replace(new, id=row[0])
    tx.run("UPDATE buckets SET record = ? WHERE id = ?", pack(bucket), bucket.id)
    tx.run("INSERT INTO usage (bucket) VALUES (?)", bucket.id)
    return bucket


def owned(tx: Transaction, owner: str) -> int:
    """How many buckets an owner id has."""
    row = tx.one("SELECT COUNT(*) FROM buckets WHERE owner = ?", owner.encode())
    assert row is not None, "a count is always one row"
    return int(row[0])


def update(tx: Transaction, name: str, change: Callable[[Bucket], Bucket]) -> Bucket:
    """Replace a bucket's record; its id and name stay."""
    old = require(tx, name)
    bucket = change(old)
    assert (bucket.id, bucket.name) == (old.id, old.name), "a bucket keeps its id and its name"
    if bucket != old:
        tx.run(
            "UPDATE buckets SET owner = ?, record = ? WHERE id = ?", bucket.owner.id.encode(), pack(bucket), bucket.id
        )
    if bucket.owner.id != old.owner.id:
        for owner in (old.owner, bucket.owner):
            quotas.recount(tx, quotas.Target("account", 0, owner.id.encode()))
    return bucket


def set_versioning(tx: Transaction, name: str, status: str) -> Bucket:
    """Enable or suspend versioning. Raises InvalidBucketState for suspending it under object lock."""
    if status not in (ENABLED, SUSPENDED):
        raise IllegalVersioningConfiguration(f"The versioning status {status!r} is neither Enabled nor Suspended")

    def change(bucket: Bucket) -> Bucket:
        if status != ENABLED:
            locks.check_versioning(bucket)
        return msgspec.structs.replace(bucket, versioning=status)

    return update(tx, name, change)


def set_lifecycle(tx: Transaction, name: str, lifecycle: Lifecycle | None) -> Bucket:
    """Give a bucket other rules, or none; all its keys are looked at under new ones."""
    bucket = update(tx, name, lambda bucket: configuration.changed(bucket, queue.SUBJECT, lifecycle))
    if lifecycle is not None:
        queue.begin_walk(tx, bucket.id)
    return bucket


def set_notification(tx: Transaction, name: str, notification: Notification | None, now_us: int) -> Bucket:
    """Give a bucket other rules of notification, or none; every target of them is told."""
    bucket = update(tx, name, lambda bucket: configuration.changed(bucket, rules.SUBJECT, notification))
    if notification is not None:
        outbox.test(tx, bucket, {rule.target for rule in notification.rules}, now_us)
    return bucket


def delete(tx: Transaction, name: str) -> bool:
    """Delete an empty bucket. Uploads and reminders go first, some at a time; False says that more are left."""
    bucket = require(tx, name)
    for table in ("objects", "versions"):
        if tx.one(f"SELECT 1 FROM {table} WHERE bucket = ? LIMIT 1", bucket.id) is not None:
            raise BucketNotEmpty(BucketName=name)
    if uploads.purge(tx, bucket.id, _PURGE):
        return False
    if snapshots.listed(tx, bucket.id):
        raise BucketNotEmpty("The bucket has snapshots. You must delete them first.", BucketName=name)
    if queue.forget(tx, bucket.id, _PURGE) or snapshots.clear(tx, bucket.id, _PURGE):
        return False
    quotas.forget(tx, bucket.id)
    tx.run("DELETE FROM inventories WHERE bucket = ?", bucket.id)
    tx.run("DELETE FROM usage WHERE bucket = ?", bucket.id)
    tx.run("DELETE FROM buckets WHERE id = ?", bucket.id)
    return True


def page(tx: Transaction, owner: str | None, prefix: str, after: str, limit: int) -> Page[Bucket]:
    """Buckets by name, of one owner or of all."""
    start = max(prefix.encode(), after.encode() + b"\0" if after else b"")
    end = prefix.encode() + b"\xff"
    sql, params = "SELECT record FROM buckets WHERE name >= ? AND name < ?", [start, end]
    if owner is not None:
        sql, params = sql + " AND owner = ?", [*params, owner.encode()]
    rows = tx.all(sql + " ORDER BY name LIMIT ?", *params, limit + 1)
    items = [unpack(record, Bucket) for (record,) in rows[:limit]]
    more = len(rows) > limit and bool(items)
    return Page(items, next=items[-1].name if more else None)
