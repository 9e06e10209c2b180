"""Who refers to which bytes.

A row of `extents` is one append of a blob with the number of references to it: one for each extent in a record of a
version or a part. A copy adds references and moves nothing. When the last one goes the row moves to `garbage`, from
where the reaper punches it out of the shard files after a grace time, so that reads that run now can finish.

What is alive in a blob has a promise, the parity with which the blob was written: how many such blobs there are of each
parity is counted as the first row of a blob comes and its last one goes.

A blob that many writes are packed into has its row before its first append, and for a while after it was sealed some of
them may still wait to be published. Then it is *settled*: what nobody refers to is garbage, and whoever comes with an
append to it is refused. So a row that is not there tells that the files are not there either.

An append may be moved to another blob. Records are not touched then: they go on naming the place where it was written,
and a row of `moved` says where it is, until its space is given back: a read that runs may still ask.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from objstore.blobs.errors import NotPublished
from objstore.blobs.ids import instance_of
from objstore.blobs.types import BlobInfo, Extent, Written
from objstore.catalog.records import pack
from objstore.catalog.transaction import Transaction
from objstore.store.membership import Stage, courses


def record(tx: Transaction, written: Written) -> None:
    """Enter what a write left: one reference to each of its appends, its blobs, and what is missing on their drives.

    Raises NotPublished where a blob has been settled, or too few of its shards have an append still."""
    for info in written.blobs:
        row = _state(tx, info.id)
        if row is None and info.sealed:
            enter(tx, info)
        elif row is None or row == _SETTLED:
            raise NotPublished(info.id)
        _lacks(tx, info)
        if row != _OPEN:
            _require_shards(tx, info, [extent.offset for extent in written.extents if extent.blob == info.id])
    spans = {(span.blob, span.offset): span.span for span in written.spans}
    for extent in written.extents:
        if not _alive(tx, extent.blob):
            tx.run(
                "INSERT INTO blob_counts (parity, blobs) SELECT parity, 1 FROM blobs WHERE id = ?"
                " ON CONFLICT (parity) DO UPDATE SET blobs = blobs + 1",
                extent.blob,
            )
        tx.run(
            "INSERT INTO extents (blob, offset, span, head, size, refs) VALUES (?, ?, ?, ?, ?, 1)",
            extent.blob,
            extent.offset,
            spans[extent.blob, extent.offset],
            extent.head,
            extent.size,
        )


def discard(tx: Transaction, written: Written, now_us: int) -> None:
    """Put what a write left into the garbage: it was durable, and is not to be published."""
    there = set()
    for info in written.blobs:
        row = _state(tx, info.id)
        if row is None and info.sealed:
            enter(tx, info)
        elif row is None or row == _SETTLED:
            continue  # it is garbage already
        _lacks(tx, info)
        there.add(info.id)
    for span in written.spans:
        if span.blob in there:
            _condemn(tx, *span, now_us)


def discard_unpublished(tx: Transaction, written: Written, now_us: int) -> None:
    """As `discard`, for whoever does not know whether it was published: then nothing is changed. What was packed is
    found when its blob is settled."""
    unknown = [info for info in written.blobs if info.sealed and _state(tx, info.id) is None]
    discard(tx, dataclasses.replace(written, blobs=tuple(unknown)), now_us)


_OPEN, _SETTLED = (0, 1), (1, 1)


def _state(tx: Transaction, blob: bytes) -> tuple[int, ...] | None:
    """Whether a blob is sealed, and whether it is not settling; None of one without a row: it never had one, if it was
    made for a write that is not published yet, or is gone."""
    return tx.one("SELECT sealed, settling IS NULL FROM blobs WHERE id = ?", blob)


def enter(tx: Transaction, info: BlobInfo) -> None:
    """Enter a blob, which is there as `info` says: before the first append to one that many are packed into, else with
    the one write that it holds."""
    tx.run(
        "INSERT INTO blobs (id, record, sealed, instance, length, parity) VALUES (?, ?, ?, ?, ?, ?)",
        info.id,
        pack(BlobInfo(info.id, info.geometry, info.drives)),
        int(info.sealed),
        instance_of(info.id),
        info.length,
        info.layout.parity,
    )
    gone = _gone(tx)
    for index, drive in enumerate(info.drives):
        # a long upload may have begun when a drive was in the pool that is so no more: it is healed elsewhere
        missing = 0 if drive in gone else None
        sql = "INSERT INTO shards (blob, idx, drive, missing) VALUES (?, ?, ?, ?)"
        tx.run(sql, info.id, index, drive.encode(), missing)


def seal(tx: Transaction, info: BlobInfo, now_us: int) -> None:
    """A blob takes no more appends: it is closed at the length that `info` has. What was appended may still be
    published, for a while."""
    sql = "UPDATE blobs SET sealed = 1, length = ?, settling = ? WHERE id = ? AND sealed = 0"
    tx.run(sql, info.length, now_us, info.id)
    _lacks(tx, info)


def _require_shards(tx: Transaction, info: BlobInfo, offsets: Sequence[int]) -> None:
    """Note which shards lack appends that are published after their blob was sealed: they were made anew without them,
    or their drives have left the pool. Raises NotPublished where too few have one."""
    gone = _gone(tx)
    rows = tx.all("SELECT idx, drive, remade FROM shards WHERE blob = ? ORDER BY idx", info.id)
    without = [index for index, drive, remade in rows if remade or drive.decode() in gone]
    for offset in offsets if without else ():
        for index in without:
            mark_missing(tx, info.id, index, offset)
        sql = "SELECT count(*) FROM shards WHERE blob = ? AND coalesce(missing > ?, 1)"
        have = tx.one(sql, info.id, offset)
        if have is not None and have[0] < info.layout.data:
            raise NotPublished(info.id)


def _lacks(tx: Transaction, info: BlobInfo) -> None:
    for shard, offset in info.missing.items():
        mark_missing(tx, info.id, shard, offset)


def _gone(tx: Transaction) -> Collection[str]:
    """Drives that have left the pool, or are about to."""
    return [drive for drive, one in courses(tx).items() if one.stage in (Stage.LEAVING, Stage.REMOVED)]


def mark_missing(tx: Transaction, blob: bytes, shard: int, offset: int = 0) -> bool:
    """Queue a shard for repair: it lacks what was appended from `offset` on. The lowest offset told stays."""
    changed = tx.run(
        "UPDATE shards SET missing = ? WHERE blob = ? AND idx = ? AND (missing IS NULL OR missing > ?)",
        offset,
        blob,
        shard,
        offset,
    )
    return changed > 0


def acquire(tx: Transaction, extents: Sequence[Extent]) -> None:
    """One more reference to each, for a record that is about to be written."""
    sql = "UPDATE extents SET refs = refs + 1 WHERE blob = ? AND offset = ?"
    for extent in extents:
        found = tx.run(sql, extent.blob, extent.offset) or tx.run(sql, *_place(tx, extent))
        assert found == 1, f"extent {extent.blob.hex()}@{extent.offset} of a record has no row"


def release(tx: Transaction, extents: Sequence[Extent]) -> None:
    """One reference to each less; what nothing refers to any more is garbage, from when the reaper sees that it is."""
    sql = "SELECT refs, span FROM extents WHERE blob = ? AND offset = ?"
    for extent in extents:
        place = (extent.blob, extent.offset)
        row = tx.one(sql, *place)
        if row is None:
            place = _place(tx, extent)
            row = tx.one(sql, *place)
        assert row is not None, f"extent {extent.blob.hex()}@{extent.offset} of a record has no row"
        refs, span = row
        if refs > 1:
            tx.run("UPDATE extents SET refs = refs - 1 WHERE blob = ? AND offset = ?", *place)
            continue
        _forget(tx, *place)
        _condemn(tx, *place, span, None)


def _place(tx: Transaction, extent: Extent) -> tuple[bytes, int]:
    """Where the append is that a record names, once it is not there any more."""
    row = tx.one("SELECT to_blob, to_offset FROM moved WHERE blob = ? AND offset = ?", extent.blob, extent.offset)
    return (row[0], row[1]) if row is not None else (extent.blob, extent.offset)


def moved(tx: Transaction, extent: Extent) -> Extent | None:
    """The extent where its append is now, or was until it was deleted; None when it was never moved, or has been given
    back."""
    sql = "SELECT to_blob, to_offset, head FROM moved WHERE blob = ? AND offset = ?"
    row = tx.one(sql, extent.blob, extent.offset)
    return None if row is None else Extent(row[0], row[1], row[2], extent.size, extent.start, extent.length)


def move(tx: Transaction, blob: bytes, offset: int, written: Written, now_us: int, *, alone: bool = False) -> bool:
    """Let the append at this place be the one in `written`, which holds the same bytes; what was there is garbage.

    False when nothing refers to it any more, or, `alone`, more than one does: then what was written is."""
    row = tx.one("SELECT refs, span FROM extents WHERE blob = ? AND offset = ?", blob, offset)
    if row is None or (alone and row[0] > 1):
        discard(tx, written, now_us)
        return False
    (to,) = written.extents
    record(tx, written)
    tx.run("UPDATE extents SET refs = ? WHERE blob = ? AND offset = ?", row[0], to.blob, to.offset)
    _forget(tx, blob, offset)
    _condemn(tx, blob, offset, row[1], None)
    if not tx.run(
        "UPDATE moved SET to_blob = ?, to_offset = ?, head = ? WHERE to_blob = ? AND to_offset = ?",
        *(to.blob, to.offset, to.head, blob, offset),
    ):
        tx.run("INSERT INTO moved VALUES (?, ?, ?, ?, ?)", blob, offset, to.blob, to.offset, to.head)
    return True


def _forget(tx: Transaction, blob: bytes, offset: int) -> None:
    """Nothing refers to this append any more."""
    tx.run("DELETE FROM extents WHERE blob = ? AND offset = ?", blob, offset)
    if not _alive(tx, blob):
        sql = "UPDATE blob_counts SET blobs = blobs - 1 WHERE parity = (SELECT parity FROM blobs WHERE id = ?)"
        tx.run(sql, blob)


def append_alive(tx: Transaction, blob: bytes, offset: int) -> bool:
    """Whether something refers to the append there."""
    return tx.one("SELECT 1 FROM extents WHERE blob = ? AND offset = ?", blob, offset) is not None


def _alive(tx: Transaction, blob: bytes) -> bool:
    return tx.one("SELECT 1 FROM extents WHERE blob = ? LIMIT 1", blob) is not None


def _condemn(tx: Transaction, blob: bytes, offset: int, span: int, since_us: int | None) -> None:
    """Put a range into the garbage: since a time where nobody was ever told of it, else since it is seen there. A
    transaction does not know when it becomes visible, and until then reads begin that look its place up."""
    tx.run("INSERT INTO garbage (blob, offset, span, since) VALUES (?, ?, ?, ?)", blob, offset, span, since_us)
