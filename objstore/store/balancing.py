"""Spreading blobs over drives that are not as full as each other: where that stands, and what there is to spread."""

from __future__ import annotations

import msgspec

from objstore.catalog import notes
from objstore.catalog.transaction import Transaction

_ROW = "rebalance"


class Round(msgspec.Struct, frozen=True, array_like=True):
    """A walk over all blobs that spreads them over the drives: where it stands, and how many shards it has moved."""

    began_us: int
    after: bytes = b""
    moved: int = 0


def standing(tx: Transaction) -> Round | None:
    """The walk that runs; None where the drives are as full as each other, as far as is known."""
    return notes.read(tx, _ROW, Round)


def start(tx: Transaction, now_us: int) -> None:
    """Have the blobs spread anew, from the beginning."""
    note(tx, Round(now_us))


def note(tx: Transaction, there: Round | None) -> None:
    """Note where the walk stands; None ends it."""
    notes.put(tx, _ROW, there)


def advance(tx: Transaction, begun: Round, there: Round | None) -> None:
    """Note where the walk that stood at `begun` has come to; one that was begun anew meanwhile goes over everything."""
    if standing(tx) == begun:
        note(tx, there)


def loads(tx: Transaction) -> dict[str, int]:
    """Bytes of the shard files of each drive. Linear in shards."""
    sql = "SELECT drive, sum(length) FROM shards JOIN blobs ON blobs.id = shards.blob GROUP BY drive"
    return {drive.decode(): int(size) for drive, size in tx.all(sql)}


def sealed_ids(tx: Transaction, after: bytes = b"", limit: int = 16) -> list[bytes]:
    """Ids of sealed blobs, by age."""
    rows = tx.all("SELECT id FROM blobs WHERE sealed = 1 AND id > ? ORDER BY id LIMIT ?", after, limit)
    return [row[0] for row in rows]
