"""What drives hold and should not, because they were away or failed when it was to be given back. A row is a range of a
shard file that is garbage, or the whole file, which is no shard of its blob any more."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from objstore.blobs.types import Left
from objstore.catalog.transaction import Transaction


def place(tx: Transaction, blob_id: bytes, shard: int) -> str | None:
    """The drive that should have a shard; None where there is no such shard."""
    row = tx.one("SELECT drive FROM shards WHERE blob = ? AND idx = ?", blob_id, shard)
    return None if row is None else row[0].decode()


def drop(tx: Transaction, blob_id: bytes, shard: int | None = None) -> None:
    """Forget what drives still hold of one shard, or of all."""
    for index, drive in tx.all("SELECT idx, drive FROM shards WHERE blob = ? ORDER BY idx", blob_id):
        if shard is None or index == shard:
            tx.run("DELETE FROM leftovers WHERE drive = ? AND blob = ? AND idx = ?", drive, blob_id, index)


def left_over(tx: Transaction, left: Iterable[Left]) -> None:
    """Note what drives did not give back. A file that is a shard after all is none of it."""
    for one in left:
        if one.span or place(tx, one.blob, one.shard) != one.drive:
            sql = "INSERT INTO leftovers (drive, blob, idx, offset, span) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
            tx.run(sql, one.drive.encode(), one.blob, one.shard, one.offset, one.span)


def given_back(tx: Transaction, left: Iterable[Left]) -> None:
    """Forget what was left over."""
    for one in left:
        tx.run(
            "DELETE FROM leftovers WHERE drive = ? AND blob = ? AND idx = ? AND offset = ?",
            *(one.drive.encode(), one.blob, one.shard, one.offset),
        )


class Leftover(msgspec.Struct, frozen=True):
    """What a drive still holds of a shard: ranges (offset, span) that are garbage, or, without any, the whole file."""

    blob: bytes
    shard: int
    ranges: list[tuple[int, int]]


def on(tx: Transaction, drive: str, limit: int = 1000) -> list[Leftover]:
    """The first of what a drive still holds and should not."""
    found: dict[tuple[bytes, int], list[tuple[int, int]]] = {}
    for blob_id, index, offset, span in tx.all(
        "SELECT blob, idx, offset, span FROM leftovers WHERE drive = ? ORDER BY blob, idx, offset LIMIT ?",
        drive.encode(),
        limit,
    ):
        found.setdefault((blob_id, index), []).extend([(offset, span)] if span else [])
    return [Leftover(blob_id, index, ranges) for (blob_id, index), ranges in found.items()]


def cleared(tx: Transaction, drive: str, left: Leftover) -> None:
    """Forget a leftover that is given back."""
    given_back(tx, [Left(drive, left.blob, left.shard, *part) for part in left.ranges or [(0, 0)]])


def forget(tx: Transaction, drive: str) -> None:
    """The drive is gone for good, with all that it holds."""
    tx.run("DELETE FROM leftovers WHERE drive = ?", drive.encode())
