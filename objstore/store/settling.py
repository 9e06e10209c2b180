"""Closing blobs for good. Open ones of instances that are gone are sealed; those that were sealed a grace time ago are
settled. A sealed blob may have gaps, bytes of writes that were never published; once it is settled none of them can be
published any more, and they are garbage."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from erasure import SHARD_HEADER
from objstore.blobs.types import BlobInfo, Span
from objstore.catalog.transaction import Transaction
from objstore.store import repair


def open_and_damaged(tx: Transaction, instance: bytes) -> bool:
    """Whether any open blob of that instance has a shard to heal: it has to be sealed first."""
    sql = (
        "SELECT 1 FROM blobs JOIN shards ON shards.blob = blobs.id"
        " WHERE blobs.sealed = 0 AND blobs.instance = ? AND shards.missing IS NOT NULL LIMIT 1"
    )
    return tx.one(sql, instance) is not None


def open_blobs(tx: Transaction, living: Collection[bytes] = ()) -> list[bytes]:
    """Ids of open blobs whose instance is not among those living."""
    rows = tx.all("SELECT id, instance FROM blobs WHERE sealed = 0 ORDER BY id")
    return [blob_id for blob_id, instance in rows if instance not in living]


def seal(tx: Transaction, blob_id: bytes, now_us: int) -> BlobInfo | None:
    """Close a blob whose writer is gone, at the end of the last append known, and settle it. It; None if it is gone."""
    info = repair.blob(tx, blob_id)
    if info is None:
        return None
    length = max(SHARD_HEADER, end_of(tx, blob_id))
    tx.run("UPDATE blobs SET sealed = 1, length = ?, settling = ? WHERE id = ?", length, now_us, blob_id)
    settle(tx, blob_id)
    return msgspec.structs.replace(info, sealed=True, length=length)


def due(tx: Transaction, before_us: int, limit: int = 100) -> list[bytes]:
    """Ids of blobs to settle: they were sealed before that time."""
    rows = tx.all("SELECT id FROM blobs WHERE settling < ? ORDER BY settling LIMIT ?", before_us, limit)
    return [row[0] for row in rows]


def settle(tx: Transaction, blob_id: bytes) -> None:
    """From now on nothing is published in a sealed blob. What was not is garbage since it was sealed; a blob of which
    nothing is left is forgotten, and its files are left over."""
    info, row = repair.blob(tx, blob_id), tx.one("SELECT settling FROM blobs WHERE id = ?", blob_id)
    if info is None or row is None or row[0] is None:
        return
    tx.run("UPDATE blobs SET settling = NULL WHERE id = ?", blob_id)
    repair.condemn(tx, gaps(tx, blob_id, SHARD_HEADER, info.length), row[0])
    if tx.one("SELECT 1 FROM garbage WHERE blob = ? LIMIT 1", blob_id) is None:
        repair.removed(tx, info, range(len(info.drives)))  # no garbage will bring it to the reaper


def end_of(tx: Transaction, blob_id: bytes) -> int:
    """The end of the last append known: the length to seal a blob at whose writer is gone; 0 where there is none."""
    ends = [
        tx.one(f"SELECT offset + span FROM {table} WHERE blob = ? ORDER BY offset DESC LIMIT 1", blob_id)
        for table in ("extents", "garbage")
    ]
    return max((int(row[0]) for row in ends if row is not None), default=0)


def known(tx: Transaction, blob_ids: Iterable[bytes]) -> set[tuple[bytes, int, tuple[Span, ...]]]:
    """What is known of blobs: where the last append ends, and what of all before that is neither alive nor garbage."""
    ends = [(blob_id, end_of(tx, blob_id)) for blob_id in blob_ids]
    return {(blob_id, end, tuple(gaps(tx, blob_id, SHARD_HEADER, end))) for blob_id, end in ends}


def gaps(tx: Transaction, blob_id: bytes, start: int, end: int) -> list[Span]:
    """Ranges of [start, end) that neither an extent nor garbage covers. What was punched before is a gap as well:
    punching it again is harmless, so a caller does this once for each blob."""
    covered = tx.all(
        "SELECT offset, span FROM extents WHERE blob = ? UNION ALL SELECT offset, span FROM garbage WHERE blob = ?"
        " ORDER BY 1",
        blob_id,
        blob_id,
    )
    found = []
    for offset, span in [*covered, (end, 0)]:
        if offset > start:
            found.append(Span(blob_id, start, min(offset, end) - start))
        start = max(start, offset + span)
    return [span for span in found if span.span > 0]


def given_up(tx: Transaction, blob_id: bytes, room: int) -> list[tuple[int, int]]:
    """Ranges (offset, span) of which nothing can be left on any drive: the `room` behind the end of a sealed blob, and
    once it is settled what of it is neither alive nor waits to be given back; none of an open one."""
    row = tx.one("SELECT length, settling FROM blobs WHERE id = ? AND sealed = 1", blob_id)
    if row is None:
        return []
    length, settling = row
    dead = gaps(tx, blob_id, SHARD_HEADER, length) if settling is None else []
    return [(gap.offset, gap.span) for gap in dead] + [(length, room)]
