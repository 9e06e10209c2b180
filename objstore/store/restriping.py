"""The walk over all versions that brings their bytes to the geometry of today: where it stands, and what comes next.

First all current objects, then all others, each by bucket and key; so a version that is overwritten meanwhile is met
later. Parts of uploads that are not complete keep their geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from objstore.catalog import notes
from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.store import extents, repair, versions
from objstore.store.types import Version

_ROW = "restripe"


class Walk(msgspec.Struct, frozen=True, array_like=True):
    """Behind which version the walk stands; how many of `total` it has seen, and how many appends it has written anew.

    `problem` says why it does not get on, for people."""

    began_us: int
    total: int
    noncurrent: bool = False
    bucket: int = 0
    key: bytes = b""
    ord: int = 0
    seen: int = 0
    moved: int = 0
    problem: str = ""


class Place(NamedTuple):
    """An append where it is now, and how many refer to it."""

    blob: bytes
    offset: int
    head: int
    size: int
    refs: int


def standing(tx: Transaction) -> Walk | None:
    """The walk that runs."""
    return notes.read(tx, _ROW, Walk)


def start(tx: Transaction, now_us: int) -> Walk:
    """Begin a walk, or begin the one that runs anew."""
    counted = repair.counters(tx)
    walk = Walk(now_us, counted.objects + counted.versions)
    note(tx, walk)
    return walk


def note(tx: Transaction, walk: Walk | None) -> None:
    """Note where the walk stands; None ends it."""
    notes.put(tx, _ROW, walk)


def advance(tx: Transaction, begun: Walk, walk: Walk | None) -> None:
    """Note where the walk that stood at `begun` has come to; one that was begun anew meanwhile goes over everything."""
    if standing(tx) == begun:
        note(tx, walk)


def following(tx: Transaction, walk: Walk, limit: int) -> list[tuple[Walk, Version]]:
    """The next versions, each with the walk behind it; fewer than `limit` at the end of a table."""
    at = (walk.bucket, walk.key)
    if not walk.noncurrent:
        sql = "SELECT bucket, key, ord, record FROM objects WHERE (bucket, key) > (?, ?) ORDER BY bucket, key LIMIT ?"
        rows = tx.all(sql, *at, limit)
    else:
        sql = "SELECT bucket, key, ord, record FROM versions WHERE {} ORDER BY bucket, key, ord DESC LIMIT ?"
        rows = tx.all(sql.format("bucket = ? AND key = ? AND ord < ?"), *at, walk.ord, limit)
        rows += tx.all(sql.format("(bucket, key) > (?, ?)"), *at, limit - len(rows)) if len(rows) < limit else []
    found = []
    for bucket, key, ord_, record in rows:
        walk = msgspec.structs.replace(walk, bucket=bucket, key=key, ord=ord_, seen=walk.seen + 1)
        found.append((walk, versions.whole(tx, unpack(record, Version))))
    return found


def places(tx: Transaction, version: Version) -> Sequence[Place]:
    """The appends of a whole version, each once, where they are now."""
    found: dict[tuple[bytes, int], Place] = {}
    for extent in version.extents:
        here = extents.moved(tx, extent) or extent
        row = tx.one("SELECT head, size, refs FROM extents WHERE blob = ? AND offset = ?", here.blob, here.offset)
        if row is not None:
            found[here.blob, here.offset] = Place(here.blob, here.offset, *row)
    return list(found.values())
