"""Which keys are to be looked at, and when: the rows of `lifecycle`, one for a key, found by an index of times.

Whoever writes a key of a bucket that has rules notes, in the same transaction, when the key must be looked at next. A
row is a reminder and no decision: what is to be done is planned from the versions that are there when its time comes.
New rules set off a walk over their bucket, page by page, that plans for every key; `lifecycle_walks` keeps how far it
has come. So nothing is scanned that the rules do not concern, but once when they change.
"""

from __future__ import annotations

from typing import NamedTuple

from objstore.catalog.transaction import Transaction
from objstore.store import configuration
from objstore.store.lifecycle.planning import earliest, earliest_upload
from objstore.store.lifecycle.rules import Lifecycle
from objstore.store.types import Bucket

SUBJECT = "lifecycle"


class Due(NamedTuple):
    """A key whose time has come."""

    bucket: int
    key: bytes
    due_us: int


def of(bucket: Bucket) -> Lifecycle | None:
    """The rules of a bucket."""
    return configuration.of(bucket, SUBJECT, Lifecycle)


def written(tx: Transaction, bucket: Bucket, key: bytes, now_us: int, *, alone: bool) -> None:
    """Note that a key got a new version or delete marker; `alone`: there was none before."""
    lifecycle = of(bucket)
    if lifecycle is not None:
        _remind(tx, bucket.id, key, earliest(lifecycle, key.decode(), now_us, alone=alone))


def began(tx: Transaction, bucket: Bucket, key: bytes, now_us: int) -> None:
    """Note that an upload to a key began."""
    lifecycle = of(bucket)
    if lifecycle is not None:
        _remind(tx, bucket.id, key, earliest_upload(lifecycle, key.decode(), now_us))


def changed(tx: Transaction, bucket: Bucket, key: bytes) -> None:
    """Note that what stands at a key changed in its place: it must be looked at anew, soon."""
    if SUBJECT in bucket.configuration:
        _remind(tx, bucket.id, key, 0)


def _remind(tx: Transaction, bucket: int, key: bytes, due_us: int | None) -> None:
    if due_us is not None:
        tx.run(
            "INSERT INTO lifecycle (bucket, key, due) VALUES (?, ?, ?)"
            " ON CONFLICT (bucket, key) DO UPDATE SET due = min(due, excluded.due)",
            bucket,
            key,
            due_us,
        )


def due(tx: Transaction, now_us: int, limit: int) -> list[Due]:
    """Keys whose time has come, the longest waiting first."""
    rows = tx.all("SELECT bucket, key, due FROM lifecycle WHERE due <= ? ORDER BY due LIMIT ?", now_us, limit)
    return [Due(*row) for row in rows]


def settle(tx: Transaction, seen: Due, next_us: int | None) -> None:
    """Say when a key that was looked at is due next, unless somebody has noted another time meanwhile."""
    where = (seen.bucket, seen.key, seen.due_us)
    if next_us is None:
        tx.run("DELETE FROM lifecycle WHERE bucket = ? AND key = ? AND due = ?", *where)
    else:
        tx.run("UPDATE lifecycle SET due = ? WHERE bucket = ? AND key = ? AND due = ?", next_us, *where)


def enter(tx: Transaction, bucket: int, key: bytes, next_us: int | None) -> None:
    """Say when a key that a walk met is due next."""
    _remind(tx, bucket, key, next_us)


def begin_walk(tx: Transaction, bucket: int) -> None:
    """Have a bucket walked from its first key, for its rules changed. What the old ones made due stays a reminder."""
    tx.run(
        "INSERT INTO lifecycle_walks (bucket, after) VALUES (?, ?) ON CONFLICT (bucket) DO UPDATE SET after = ?",
        bucket,
        b"",
        b"",
    )


def forget(tx: Transaction, bucket: int, limit: int) -> bool:
    """Drop up to `limit` reminders of a bucket that is deleted; True when more may be left."""
    tx.run("DELETE FROM lifecycle_walks WHERE bucket = ?", bucket)
    last = tx.one("SELECT key FROM lifecycle WHERE bucket = ? ORDER BY key LIMIT 1 OFFSET ?", bucket, limit)
    if last is None:
        tx.run("DELETE FROM lifecycle WHERE bucket = ?", bucket)
        return False
    tx.run("DELETE FROM lifecycle WHERE bucket = ? AND key < ?", bucket, last[0])
    return True


def walks(tx: Transaction) -> list[tuple[int, bytes]]:
    """Buckets that are being walked, and the key behind which each walk goes on."""
    return [(int(bucket), after) for bucket, after in tx.all("SELECT bucket, after FROM lifecycle_walks")]


def page(tx: Transaction, bucket: int, after: bytes, limit: int) -> list[bytes]:
    """Keys of a bucket behind `after` that have anything: an object, versions, or uploads."""
    sql = " UNION ".join(
        f"SELECT key FROM (SELECT DISTINCT key FROM {table} WHERE bucket = ? AND key > ? ORDER BY key LIMIT ?)"
        for table in ("objects", "versions", "uploads")
    )
    bounds = (bucket, after, limit)
    rows = tx.all(sql + " ORDER BY key LIMIT ?", *bounds, *bounds, *bounds, limit)
    return [key for (key,) in rows]


def walked(tx: Transaction, bucket: int, was: bytes, now: bytes | None) -> None:
    """Say how far a walk has come, None for its end, unless it has begun anew meanwhile."""
    if now is None:
        tx.run("DELETE FROM lifecycle_walks WHERE bucket = ? AND after = ?", bucket, was)
    else:
        tx.run("UPDATE lifecycle_walks SET after = ? WHERE bucket = ? AND after = ?", now, bucket, was)
