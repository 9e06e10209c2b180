"""Snapshots of buckets: named views of what was current, that share all bytes and cost nothing to make.

A bucket counts its *eras*: taking a snapshot begins the next one, and is all that happens then. Each row of `objects`
tells in which era it became current. When one stops being current, in whatever way, and a snapshot was taken since it
began, a row of `retained` keeps it, with references of its own, for the eras [from, until]. So snapshot number E shows,
of every key, the retained row with from < E <= until, or else what is current since before E; and what a snapshot costs
is what was changed since. Nothing is copied when it is made, however many keys there are.

What a snapshot keeps counts to no quota and to no bucket's usage: these are of what clients can change. It is told
apart.

A view is read under a name of its own, BUCKET--NAME--snap: a legal host name, reserved by its suffix as AWS reserves
`--x-s3` and `--ol-s3`, so no bucket can ever have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Row, Transaction
from objstore.store import extents, payloads
from objstore.store.errors import InvalidArgument, NoSuchBucket, SnapshotAlreadyExists
from objstore.store.manifests import whole
from objstore.store.types import Bucket, Version

SUFFIX: Final = "--snap"
_NAME: Final = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")  # no two hyphens in a row: they divide the parts
_LONGEST: Final = 63

# What a snapshot shows of a range of keys: what is kept of then, and what has not changed since.
SHOWN: Final = (
    "SELECT key, ord, record FROM objects WHERE bucket = ? AND key >= ? AND key < ? AND era < ? UNION ALL"
    " SELECT key, ord, record FROM retained"
    " WHERE bucket = ? AND key >= ? AND key < ? AND from_era < ? AND until_era >= ?"
    " ORDER BY 1 LIMIT ?"
)


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot of a bucket: its `era`, when it was taken, and how many objects there were."""

    name: str
    era: int
    created_us: int
    objects: int


class Kept(msgspec.Struct, frozen=True):
    """What the snapshots of a bucket keep that the bucket itself has not any more."""

    objects: int
    bytes: int


def name_of(bucket: str, name: str) -> str:
    """The name under which the snapshot is read."""
    return f"{bucket}--{name}{SUFFIX}"


def split(name: str) -> tuple[str, str] | None:
    """The bucket and the snapshot that a name of a view is made of; None for any other name."""
    if not name.endswith(SUFFIX):
        return None
    bucket, divider, snapshot = name.removesuffix(SUFFIX).rpartition("--")
    return (bucket, snapshot) if divider and bucket and snapshot else None


# --- making and deleting


def check_name(bucket: str, name: str) -> None:
    """Raise InvalidArgument for a name that a snapshot cannot have."""
    told = {"ArgumentName": "name", "ArgumentValue": name}
    if not _NAME.fullmatch(name):
        raise InvalidArgument("A snapshot's name has lower-case letters, digits, and single hyphens in between", **told)
    if len(name_of(bucket, name)) > _LONGEST:
        most = _LONGEST - len(name_of(bucket, ""))
        raise InvalidArgument(f"Of this bucket, a snapshot's name has at most {most} characters", **told)


def create(tx: Transaction, bucket: Bucket, name: str, now_us: int) -> Snapshot:
    """Take a snapshot; the caller begins the next era of the bucket (`bucket.era + 1`) in the same transaction.

    Raises InvalidArgument, SnapshotAlreadyExists."""
    check_name(bucket.name, name)
    if find(tx, bucket.id, name) is not None:
        raise SnapshotAlreadyExists(f"There is a snapshot {name} of this bucket already", BucketName=bucket.name)
    row = tx.one("SELECT objects FROM usage WHERE bucket = ?", bucket.id)
    made = Snapshot(name, bucket.era + 1, now_us, row[0] if row is not None else 0)
    tx.run(
        "INSERT INTO snapshots (bucket, era, name, record) VALUES (?, ?, ?, ?)", bucket.id, made.era, name, pack(made)
    )
    return made


def find(tx: Transaction, bucket: int, name: str) -> Snapshot | None:
    """The snapshot of that name."""
    row = tx.one("SELECT record FROM snapshots WHERE bucket = ? AND name = ?", bucket, name)
    return unpack(row[0], Snapshot) if row is not None else None


def listed(tx: Transaction, bucket: int) -> list[Snapshot]:
    """All snapshots of a bucket, oldest first."""
    found = tx.all("SELECT record FROM snapshots WHERE bucket = ? ORDER BY era", bucket)
    return [unpack(record, Snapshot) for (record,) in found]


def delete(tx: Transaction, bucket: int, snapshot: Snapshot) -> None:
    """Forget a snapshot. What it alone keeps goes by and by: see `purge`."""
    tx.run("DELETE FROM snapshots WHERE bucket = ? AND era = ?", bucket, snapshot.era)
    tx.run(
        "INSERT INTO snapshot_purges (bucket, key, from_era) VALUES (?, ?, 0)"
        " ON CONFLICT (bucket) DO UPDATE SET key = excluded.key, from_era = 0",
        bucket,
        b"",
    )


def kept(tx: Transaction, bucket: int) -> Kept:
    """What is kept for the snapshots of a bucket. Linear in it."""
    row = tx.one("SELECT count(*), coalesce(sum(size), 0) FROM retained WHERE bucket = ?", bucket)
    return Kept(*row) if row is not None else Kept(0, 0)


# --- what is kept


def retain(tx: Transaction, bucket: Bucket, key: bytes, now_us: int) -> None:
    """Keep the current object of a key, which is about to be no more what it is, if a snapshot shows it."""
    if not bucket.era:
        return
    row = tx.one("SELECT era, record FROM objects WHERE bucket = ? AND key = ?", bucket.id, key)
    if row is None or row[0] >= bucket.era or not _wanted(tx, bucket.id, row[0], bucket.era):
        return
    version = unpack(row[1], Version)
    copied = [None if one is None else _copied(tx, one, now_us) for one in (version.payload, version.manifest)]
    version = msgspec.structs.replace(version, payload=copied[0], manifest=copied[1])
    extents.acquire(tx, whole(tx, version).extents)
    tx.run(
        "INSERT INTO retained (bucket, key, from_era, until_era, ord, size, record) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(bucket.id, key, row[0], bucket.era, version.ord, version.size, pack(version)),
    )


def _wanted(tx: Transaction, bucket: int, from_era: int, until_era: int) -> bool:
    """Whether a snapshot shows what was current in those eras."""
    sql = "SELECT 1 FROM snapshots WHERE bucket = ? AND era > ? AND era <= ? LIMIT 1"
    return tx.one(sql, bucket, from_era, until_era) is not None


def _copied(tx: Transaction, payload: int, now_us: int) -> int:
    """A payload of the same bytes: each belongs to one record."""
    return payloads.add(tx, payloads.get(tx, payload), now_us)


def forget(tx: Transaction, bucket: int, key: bytes, from_era: int, record: bytes) -> None:
    """Give a retained row back, with all that it refers to."""
    version = unpack(record, Version)
    extents.release(tx, whole(tx, version).extents)
    for payload in (version.payload, version.manifest):
        if payload is not None:
            payloads.drop(tx, payload)
    tx.run("DELETE FROM retained WHERE bucket = ? AND key = ? AND from_era = ?", bucket, key, from_era)


def purge(tx: Transaction, limit: int) -> bool:
    """Give back what deleted snapshots kept, looking at up to `limit` rows; whether there may be more."""
    row = tx.one("SELECT bucket, key, from_era FROM snapshot_purges ORDER BY bucket LIMIT 1")
    if row is None:
        return False
    bucket = row[0]
    found = tx.all(
        "SELECT key, from_era, until_era, record FROM retained WHERE bucket = ? AND (key, from_era) > (?, ?)"
        " ORDER BY key, from_era LIMIT ?",
        *(*row, limit),
    )
    for key, from_era, until_era, record in found:
        if not _wanted(tx, bucket, from_era, until_era):
            forget(tx, bucket, key, from_era, record)
    if len(found) < limit:
        tx.run("DELETE FROM snapshot_purges WHERE bucket = ?", bucket)
    else:
        sql = "UPDATE snapshot_purges SET key = ?, from_era = ? WHERE bucket = ?"
        tx.run(sql, found[-1][0], found[-1][1], bucket)
    return True


def clear(tx: Transaction, bucket: int, limit: int) -> bool:
    """Give back what is still kept of a bucket that has no snapshots any more; True when more may be left."""
    found = tx.all("SELECT key, from_era, record FROM retained WHERE bucket = ? LIMIT ?", bucket, limit)
    for key, from_era, record in found:
        forget(tx, bucket, key, from_era, record)
    if len(found) < limit:
        tx.run("DELETE FROM snapshot_purges WHERE bucket = ?", bucket)
        return False
    return True


# --- what is shown


def view(tx: Transaction, source: Bucket, name: str) -> Bucket:
    """The bucket as which a snapshot is read: the source's, under its name, without versions. Raises NoSuchBucket."""
    found = find(tx, source.id, name)
    called = name_of(source.name, name)
    if found is None:
        raise NoSuchBucket(BucketName=called)
    return msgspec.structs.replace(
        source, name=called, versioning="", created_us=found.created_us, era=found.era, source=source.name
    )


def current(tx: Transaction, view: Bucket, key: bytes) -> Version | None:
    """The object that a view shows at a key."""
    row = next(iter(rows(tx, view, key, key + b"\0", 1)), None)
    return unpack(row[2], Version) if row is not None else None


def rows(tx: Transaction, view: Bucket, start: bytes, end: bytes, limit: int) -> list[Row]:
    """Rows (key, ord, record) that a view shows from `start` on, before `end`."""
    bounds = (view.id, start, end, view.era)
    return tx.all(SHOWN, *bounds, *bounds, view.era, limit)


def retained(tx: Transaction) -> Iterator[Row]:
    """All that is kept of all buckets: (bucket, key, from_era, record)."""
    after: Row = (-1, b"", 0)
    sql = (
        "SELECT bucket, key, from_era, record FROM retained WHERE (bucket, key, from_era) > (?, ?, ?)"
        " ORDER BY bucket, key, from_era LIMIT 1000"
    )
    while page := tx.all(sql, *after):
        yield from page
        after = page[-1][:3]
