"""Whose bytes those are that cannot be read: what an operator has to restore from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from objstore.catalog.errors import CorruptRecord
from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.store import buckets, versions
from objstore.store.types import Version

Read = Callable[[Callable[[Transaction], Any]], Any]
Place = tuple[bytes, int]
Row = tuple[int, bytes, int]

_TABLES = {"objects": "ord", "versions": "ord", "retained": "from_era"}
_PAGE = 1_000


def whose(read: Read, places: Collection[Place]) -> Iterator[str]:
    """The versions, those that snapshots keep too, that refer to any of these appends."""
    wanted = read(lambda tx: _as_written(tx, places))
    for table in _TABLES:
        after: Row | None = (-1, b"", 0)
        while after is not None:
            found, after = read(lambda tx, table=table, after=after: _page(tx, table, after, wanted))  # type: ignore[misc]
            yield from found


def _as_written(tx: Transaction, places: Collection[Place]) -> set[Place]:
    """The places by which versions call these appends: those where they were written, if they were moved."""
    found = set(places)
    for place in places:
        found |= {*tx.all("SELECT blob, offset FROM moved WHERE to_blob = ? AND to_offset = ?", *place)}
    return found


def _page(tx: Transaction, table: str, after: Row, wanted: set[Place]) -> tuple[list[str], Row | None]:
    last = _TABLES[table]
    sql = f"SELECT bucket, key, {last}, record FROM {table} WHERE (bucket, key, {last}) > (?, ?, ?)"
    rows = tx.all(f"{sql} ORDER BY bucket, key, {last} LIMIT {_PAGE}", *after)
    found = []
    for bucket, key, _, record in rows:
        try:
            version = versions.whole(tx, unpack(record, Version))
        except (CorruptRecord, AssertionError):
            continue  # told elsewhere
        if any((extent.blob, extent.offset) in wanted for extent in version.extents):
            known = buckets.by_id(tx, bucket)
            kept = ", kept for snapshots" if table == "retained" else ""
            found.append(f"{known.name if known else bucket}/{key.decode()} (version {version.version_id}{kept})")
    return found, rows[-1][:3] if len(rows) == _PAGE else None
