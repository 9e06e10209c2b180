"""The walk over all that refers to bytes, to bring them to the geometry of today: where it stands, and what comes next.

First parts of uploads, then current objects, noncurrent versions, what snapshots of buckets keep, and at last the
snapshots of the catalog: so an upload that is completed and an object that is overwritten meanwhile are met later. One
that comes to a place behind the walk (it was renamed, or the version above it deleted) is met by another walk, which
follows while blobs of a parity that nothing is promised are left, and were more before the last one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec

from objstore.blobs.types import Extent
from objstore.catalog import notes
from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.store import extents, uploads, versions
from objstore.store.catalog_snapshots import CatalogSnapshot
from objstore.store.types import Upload, Version

_ROW = "restripe"
# What is walked, in this order: the table, the column beside bucket and key, and its order.
_TABLES: Final = (
    ("uploads", "id", "ASC"),
    ("objects", "ord", "ASC"),
    ("versions", "ord", "DESC"),
    ("retained", "from_era", "ASC"),
    ("(SELECT 0 AS bucket, x'' AS key, taken, record FROM catalog_snapshots)", "taken", "ASC"),
)


class Walk(msgspec.Struct, frozen=True, array_like=True):
    """Behind which row of the table with this number the walk stands; how many rows of about `total` it has seen, and
    how many appends it and those that it follows have written anew. The last of them left so many blobs `old`.

    `problem` says why it does not get on, for people."""

    began_us: int
    total: int
    table: int = 0
    bucket: int = -1
    key: bytes = b""
    last: int | bytes | None = None
    seen: int = 0
    moved: int = 0
    old: int | None = None
    problem: str = ""


class Place(NamedTuple):
    """An append where it is now, and how many refer to it."""

    blob: bytes
    offset: int
    head: int
    size: int
    refs: int


class Kept(NamedTuple):
    """What a row refers to, as safe as its storage class promises; without one it is the store's own."""

    storage_class: str
    places: Sequence[Place]


def standing(tx: Transaction) -> Walk | None:
    """The walk that runs."""
    return notes.read(tx, _ROW, Walk)


def start(tx: Transaction, now_us: int) -> Walk:
    """Begin a walk, or begin the one that runs anew."""
    walk = Walk(now_us, _total(tx))
    note(tx, walk)
    return walk


def _total(tx: Transaction) -> int:
    """About how many rows there are, without a look at each: what snapshots of buckets keep is left out."""
    row = tx.one(
        "SELECT (SELECT coalesce(sum(objects + versions), 0) FROM usage) + (SELECT count(*) FROM uploads)"
        " + (SELECT count(*) FROM catalog_snapshots)"
    )
    return int(row[0]) if row is not None else 0


def next_table(tx: Transaction, walk: Walk, parities: Collection[int]) -> Walk | None:
    """At the end of a table: the walk at the beginning of what comes next; None where all is done. `parities` are those
    that anything is promised today."""
    table = walk.table + 1
    if table < len(_TABLES):
        return msgspec.structs.replace(walk, table=table, bucket=-1, key=b"", last=None)
    old = sum(blobs for parity, blobs in tx.all("SELECT parity, blobs FROM blob_counts") if parity not in parities)
    if not old or (walk.old is not None and old >= walk.old):
        return None
    return Walk(walk.began_us, _total(tx), moved=walk.moved, old=old)


def note(tx: Transaction, walk: Walk | None) -> None:
    """Note where the walk stands; None ends it."""
    notes.put(tx, _ROW, walk)


def advance(tx: Transaction, begun: Walk, walk: Walk | None) -> None:
    """Note where the walk that stood at `begun` has come to; one that was begun anew meanwhile goes over everything."""
    if standing(tx) == begun:
        note(tx, walk)


def following(tx: Transaction, walk: Walk, limit: int) -> list[Walk]:
    """The walk behind each of the next rows; fewer than `limit` at the end of a table."""
    table, column, order = _TABLES[walk.table]
    sql = f"SELECT bucket, key, {column} FROM {table} WHERE {{}} ORDER BY bucket, key, {column} {order} LIMIT ?"
    beyond = f"bucket = ? AND key = ? AND {column} {'>' if order == 'ASC' else '<'} ?"
    rows = tx.all(sql.format(beyond), walk.bucket, walk.key, walk.last, limit)
    if len(rows) < limit:
        rows += tx.all(sql.format("(bucket, key) > (?, ?)"), walk.bucket, walk.key, limit - len(rows))
    found = []
    for bucket, key, last in rows:
        walk = msgspec.structs.replace(walk, bucket=bucket, key=key, last=last, seen=walk.seen + 1)
        found.append(walk)
    return found


def kept(tx: Transaction, walk: Walk) -> Kept:
    """What the row refers to behind which the walk stands, if it is there still."""
    table, column, _ = _TABLES[walk.table]
    sql = f"SELECT record FROM {table} WHERE bucket = ? AND key = ? AND {column} = ?"
    row = tx.one(sql, walk.bucket, walk.key, walk.last)
    if row is None:
        return Kept("", [])
    (record,) = row
    if table == "uploads":
        upload = unpack(record, Upload)
        parts = uploads.parts_of(tx, bytes.fromhex(upload.id)).values()
        return Kept(upload.storage_class, places(tx, [extent for part in parts for extent in part.extents]))
    if table in ("objects", "versions", "retained"):
        version = versions.whole(tx, unpack(record, Version))
        return Kept(version.storage_class, places(tx, version.extents))
    return Kept("", places(tx, unpack(record, CatalogSnapshot).extents))


def places(tx: Transaction, listed: Sequence[Extent]) -> Sequence[Place]:
    """The appends of these extents, each once, where they are now."""
    found: dict[tuple[bytes, int], Place] = {}
    for extent in listed:
        here = extents.moved(tx, extent) or extent
        row = tx.one("SELECT head, size, refs FROM extents WHERE blob = ? AND offset = ?", here.blob, here.offset)
        if row is not None:
            found[here.blob, here.offset] = Place(here.blob, here.offset, *row)
    return list(found.values())
