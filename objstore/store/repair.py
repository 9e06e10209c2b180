"""What the jobs process works through: shards to heal, bytes to punch. All queues are rows.

Heal: shards whose `missing` is set, of blobs in which something is alive. Reap: rows of `garbage` older than the grace
time; a settled blob without any extent is unlinked whole. Compact: sealed blobs of which little is alive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from objstore.blobs.types import Append, BlobInfo, Left, Span
from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.store import leftovers
from objstore.store.extents import mark_missing
from objstore.store.types import Counters

WHOLE = -1
"""In `dead`: all of a blob."""


class MissingShard(msgspec.Struct, frozen=True):
    """A shard to heal: `missing` is the offset from which it lacks what was appended."""

    blob: bytes
    shard: int
    drive: str
    missing: int


def blob(tx: Transaction, blob_id: bytes) -> BlobInfo | None:
    """What is known of a blob: the `lookup` of the blobs below."""
    sql = "SELECT record, sealed, length, EXISTS (SELECT 1 FROM moved WHERE blob = id) FROM blobs WHERE id = ?"
    row = tx.one(sql, blob_id)
    if row is None:
        return None
    shards = tx.all("SELECT idx, drive, missing FROM shards WHERE blob = ? ORDER BY idx", blob_id)
    return msgspec.structs.replace(
        unpack(row[0], BlobInfo),
        drives=tuple(drive.decode() for _, drive, _ in shards),
        missing={index: missing for index, _, missing in shards if missing is not None},
        sealed=bool(row[1]),
        length=row[2],
        moved=bool(row[3]),
    )


# heal


def missing_shards(
    tx: Transaction, after: tuple[bytes, int] = (b"", -1), limit: int = 100, sealed: bool = True
) -> list[MissingShard]:
    """Shards to heal behind `after` (blob, shard), of blobs in which something is alive; only of sealed ones: an open
    one would lack more again at once."""
    rows = tx.all(
        "SELECT shards.blob, shards.idx, shards.drive, shards.missing FROM shards JOIN blobs ON blobs.id = shards.blob"
        " WHERE shards.missing IS NOT NULL AND (shards.blob, shards.idx) > (?, ?) AND blobs.sealed >= ?"
        " AND EXISTS (SELECT 1 FROM extents WHERE extents.blob = shards.blob)"
        " ORDER BY shards.blob, shards.idx LIMIT ?",
        *after,
        int(sealed),
        limit,
    )
    return [MissingShard(blob_id, index, drive.decode(), missing) for blob_id, index, drive, missing in rows]


def holding(tx: Transaction, drives: Iterable[str]) -> list[str]:
    """Those of the drives on which any shard should be."""
    return [one for one in drives if tx.one("SELECT 1 FROM shards WHERE drive = ? LIMIT 1", one.encode()) is not None]


def shards_on(tx: Transaction, drive: str, after: bytes = b"", limit: int = 1000) -> list[tuple[bytes, int]]:
    """(blob, shard) of the shards that a drive should hold, by blob behind `after`."""
    return [
        (blob_id, index)
        for blob_id, index in tx.all(
            "SELECT blob, idx FROM shards WHERE drive = ? AND blob > ? ORDER BY blob, idx LIMIT ?",
            drive.encode(),
            after,
            limit,
        )
    ]


def drive_lost(tx: Transaction, drive: str, after: bytes = b"", limit: int = 1000) -> bytes | None:
    """Queue shards of a drive that came back empty, some at a time: the blob to go on behind, None at the end."""
    found = shards_on(tx, drive, after, limit)
    for blob_id, index in found:
        mark_missing(tx, blob_id, index)
    return found[-1][0] if len(found) == limit else None


def expect(tx: Transaction, blob_id: bytes, shard: int, drive: str) -> None:
    """A shard is about to be placed on another drive. Until it is the shard's, the file there is left over."""
    leftovers.left_over(tx, [Left(drive, blob_id, shard)])


def healed(tx: Transaction, blob_id: bytes, shard: int, drive: str, offsets: Collection[int]) -> bool:
    """A shard is whole on `drive`, made of the appends at `offsets`; False, and it stays queued, if it has others."""
    alive = [append.offset for append in appends(tx, blob_id)]
    if not set(alive) <= set(offsets):
        mark_missing(tx, blob_id, shard)  # it may have had them before
        return False
    leftovers.drop(tx, blob_id, shard)  # a shard that is made anew has only what is alive
    tx.run("DELETE FROM leftovers WHERE drive = ? AND blob = ? AND idx = ?", drive.encode(), blob_id, shard)
    return _remade(tx, blob_id, shard, drive, alive)


def relocated(tx: Transaction, info: BlobInfo, shard: int, drive: str, offsets: Collection[int]) -> bool:
    """A shard of a blob, as `info` had it, is whole on another drive too, made of the appends at `offsets`: from now on
    it is there, and its old file is left over. False, and nothing is changed, if the blob is another one by now."""
    now = blob(tx, info.id)
    if now is None or now.drives != info.drives or drive in now.drives:
        return False
    alive = [append.offset for append in appends(tx, info.id)]
    if not set(alive) <= set(offsets):
        return False
    leftovers.drop(tx, info.id, shard)
    tx.run("DELETE FROM leftovers WHERE drive = ? AND blob = ? AND idx = ?", drive.encode(), info.id, shard)
    tx.run(
        "INSERT INTO leftovers (drive, blob, idx, offset, span) SELECT drive, blob, idx, 0, 0 FROM shards"
        " WHERE blob = ? AND idx = ? ON CONFLICT DO NOTHING",
        info.id,
        shard,
    )
    return _remade(tx, info.id, shard, drive, alive)


def _remade(tx: Transaction, blob_id: bytes, shard: int, drive: str, alive: Sequence[int]) -> bool:
    """Record a shard that was made of all that is alive, which is at these offsets on every mirror: one that an old
    page lets see less contradicts the others (see `catalog/engine.py`)."""
    changed = tx.run(
        "UPDATE shards SET drive = ?, missing = NULL, remade = 1 WHERE blob = ? AND idx = ?"
        " AND (SELECT count(*), total(offset) FROM extents WHERE blob = ?) = (?, ?)",
        *(drive.encode(), blob_id, shard),
        *(blob_id, len(alive), float(sum(alive))),
    )
    return changed > 0


def uncovered(tx: Transaction, drive: str, there: Collection[str]) -> int:
    """How many blobs could not be read from the drives that are `there` without this one. Linear in what it holds."""
    count, after = 0, b""
    while found := shards_on(tx, drive, after):
        after = found[-1][0]
        for blob_id, _ in found:
            info = blob(tx, blob_id)
            if info is None:
                continue
            good = [
                shard
                for shard, name in enumerate(info.drives)
                if name != drive and name in there and shard not in info.missing
            ]
            count += len(good) < info.layout.data and (not info.sealed or bool(appends(tx, blob_id)))
    return count


def appends(tx: Transaction, blob_id: bytes) -> list[Append]:
    """The appends of a blob that something refers to, by offset: what a heal copies and a scrub reads."""
    rows = tx.all("SELECT offset, head, size FROM extents WHERE blob = ? ORDER BY offset", blob_id)
    return [Append(*row) for row in rows]


def blob_ids(tx: Transaction, after: bytes = b"", limit: int = 1000) -> list[bytes]:
    """Ids of all blobs, by age: for a scrub, and to tell orphaned shard files."""
    return [row[0] for row in tx.all("SELECT id FROM blobs WHERE id > ? ORDER BY id LIMIT ?", after, limit)]


# compact


def shares(tx: Transaction, after: bytes = b"", limit: int = 16) -> list[tuple[bytes, int, int]]:
    """Sealed blobs by age behind `after`: id, length of the shard files, and how much of it something refers to.

    Linear in the extents of these blobs."""
    rows = tx.all("SELECT id, length FROM blobs WHERE sealed = 1 AND id > ? ORDER BY id LIMIT ?", after, limit)
    return [(blob_id, length, _alive_bytes(tx, blob_id)) for blob_id, length in rows]


def _alive_bytes(tx: Transaction, blob_id: bytes) -> int:
    row = tx.one("SELECT sum(span) FROM extents WHERE blob = ?", blob_id)
    return int(row[0] or 0) if row is not None else 0


# reap


def condemn(tx: Transaction, spans: Sequence[Span], now_us: int) -> None:
    """Put ranges that nothing refers to into the garbage."""
    for span in spans:
        tx.run(
            "INSERT INTO garbage (blob, offset, span, since) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", *span, now_us
        )


def unseen(tx: Transaction, limit: int = 1000) -> list[tuple[bytes, int]]:
    """(blob, offset) of garbage of which it is not noted yet since when it is."""
    return [
        (blob_id, offset)
        for blob_id, offset in tx.all("SELECT blob, offset FROM garbage WHERE since IS NULL LIMIT ?", limit)
    ]


def seen(tx: Transaction, places: Sequence[tuple[bytes, int]], now_us: int) -> None:
    """Note that this is garbage since now. It was seen to be before: who looks anything up from now on, sees it too."""
    for place in places:
        tx.run("UPDATE garbage SET since = ? WHERE blob = ? AND offset = ? AND since IS NULL", now_us, *place)


def garbage_due(tx: Transaction, before_us: int, limit: int = 1000) -> dict[bytes, list[tuple[int, int]]]:
    """Ranges (offset, span) by blob that have been garbage since before that time."""
    due: dict[bytes, list[tuple[int, int]]] = {}
    for blob_id, offset, span in tx.all(
        "SELECT blob, offset, span FROM garbage WHERE since < ? ORDER BY since, blob, offset LIMIT ?", before_us, limit
    ):
        due.setdefault(blob_id, []).append((offset, span))
    return due


def is_ahead(tx: Transaction, now_us: int) -> bool:
    """Whether anything waits since a time that is still to come: the clock was ahead when that was noted."""
    garbage = tx.one("SELECT 1 FROM garbage WHERE since > ? LIMIT 1", now_us)
    return garbage is not None or tx.one("SELECT 1 FROM blobs WHERE settling > ? LIMIT 1", now_us) is not None


def set_back(tx: Transaction, now_us: int) -> None:
    """Let what waits since a time that is still to come wait from now on, and not until then."""
    tx.run("UPDATE garbage SET since = ? WHERE since > ?", now_us, now_us)
    tx.run("UPDATE blobs SET settling = ? WHERE settling > ?", now_us, now_us)


def alive(tx: Transaction, blob_id: bytes) -> bool:
    """Whether anything refers to bytes of the blob, or may come to do so: it is not settled."""
    row = tx.one("SELECT sealed AND settling IS NULL FROM blobs WHERE id = ?", blob_id)
    if row is not None and not row[0]:
        return True
    return tx.one("SELECT 1 FROM extents WHERE blob = ? LIMIT 1", blob_id) is not None


def removable(tx: Transaction, blob_id: bytes, before_us: int) -> bool:
    """Whether the blob may be unlinked: nothing alive, and nothing that died after that time."""
    sql = "SELECT 1 FROM garbage WHERE blob = ? AND (since >= ? OR since IS NULL) LIMIT 1"
    young = tx.one(sql, blob_id, before_us)
    return young is None and not alive(tx, blob_id)


def dead(tx: Transaction, ranges: Mapping[bytes, Sequence[tuple[int, int]]]) -> set[tuple[bytes, int]]:
    """Those of the ranges (offset, span), by blob and offset, of which nothing is alive; and blobs of which nothing is,
    with WHOLE instead of an offset."""

    def used(blob_id: bytes, offset: int, span: int) -> bool:
        sql = "SELECT offset + span FROM extents WHERE blob = ? AND offset < ? ORDER BY offset DESC LIMIT 1"
        last = tx.one(sql, blob_id, offset + span)
        return last is not None and int(last[0]) > offset

    found = {(blob, offset) for blob, parts in ranges.items() for offset, span in parts if not used(blob, offset, span)}
    unused = [blob for blob in ranges if tx.one("SELECT 1 FROM extents WHERE blob = ? LIMIT 1", blob) is None]
    return found | {(blob, WHOLE) for blob in unused}


def punched(tx: Transaction, blob_id: bytes, ranges: Sequence[tuple[int, int]], failed: Collection[int] = ()) -> None:
    """Forget garbage (offset, span) that was punched; shards that `failed` still have it, unless they are made anew."""
    for offset, span in ranges:
        tx.run("DELETE FROM garbage WHERE blob = ? AND offset = ?", blob_id, offset)
        tx.run("DELETE FROM moved WHERE to_blob = ? AND to_offset = ?", blob_id, offset)
        for shard in failed:
            tx.run(
                "INSERT INTO leftovers (drive, blob, idx, offset, span) SELECT drive, blob, idx, ?, ? FROM shards"
                " WHERE blob = ? AND idx = ? AND missing IS NULL ON CONFLICT DO NOTHING",
                offset,
                span,
                blob_id,
                shard,
            )


def removed(tx: Transaction, info: BlobInfo, failed: Collection[int] = ()) -> bool:
    """Forget a blob that was unlinked where `info` had it, on drives of shards that `failed` not yet. False, and
    nothing is forgotten, if something is alive, or a shard came to another drive meanwhile."""
    blob_id, now = info.id, blob(tx, info.id)
    if alive(tx, blob_id) or (now is not None and now.drives != info.drives):
        return False
    leftovers.drop(tx, blob_id)
    for shard in failed:
        tx.run(
            "INSERT INTO leftovers (drive, blob, idx, offset, span) SELECT drive, blob, idx, 0, 0 FROM shards"
            " WHERE blob = ? AND idx = ? ON CONFLICT DO NOTHING",
            blob_id,
            shard,
        )
    for table, column in (("garbage", "blob"), ("moved", "to_blob"), ("shards", "blob"), ("blobs", "id")):
        tx.run(f"DELETE FROM {table} WHERE {column} = ?", blob_id)
    return True


def drives_of(tx: Transaction, table: str) -> list[str]:
    """Every drive that `shards` or `leftovers` name: one seek of an index for each."""
    assert table in ("shards", "leftovers"), "both have an index that begins with the drive"
    found: list[str] = []
    row = tx.one(f"SELECT min(drive) FROM {table}")
    while row is not None and row[0] is not None:
        found.append(row[0].decode())
        row = tx.one(f"SELECT min(drive) FROM {table} WHERE drive > ?", row[0])
    return found


# counting


def counters(tx: Transaction) -> Counters:
    """Counts of the whole store. Linear in buckets, uploads and garbage: for people and metrics, not for requests."""

    def count(sql: str) -> int:
        row = tx.one(sql)
        return int(row[0] or 0) if row is not None else 0

    return Counters(
        buckets=count("SELECT count(*) FROM buckets"),
        objects=count("SELECT sum(objects) FROM usage"),
        versions=count("SELECT sum(versions) FROM usage"),
        bytes=count("SELECT sum(bytes) FROM usage"),
        uploads=count("SELECT count(*) FROM uploads"),
        garbage_bytes=count("SELECT sum(span) FROM garbage"),
    )
