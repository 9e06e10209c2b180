"""What the snapshot says of blobs, held against the shard files that are there.

Since the snapshot was taken shards were healed onto other drives, bytes that nothing referred to were given back, and
appends were moved. A shard that is on another drive is noted there; one that is missing is queued for healing. An
append of which too few shards are left is *gone* when no drive is away that may have one, else it is kept and told of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from objstore.blobs.types import Append, BlobInfo
from objstore.catalog.transaction import Transaction
from objstore.jobs.restore.report import Report
from objstore.jobs.restore.shelves import BlobFiles
from objstore.store import repair
from objstore.store.extents import mark_missing

Place = tuple[bytes, int]
_PAGE = 1_000


class Standing:
    """Appends of the snapshot that are not there: `gone` for good, or `unreadable` as long as drives are away."""

    def __init__(self) -> None:
        self.gone: set[Place] = set()
        self.unreadable: set[Place] = set()


def reconcile(tx: Transaction, blobs: Mapping[bytes, BlobFiles], here: Collection[str], report: Report) -> Standing:
    """Go through all blobs of the snapshot. `here` are the drives that are there."""
    standing = Standing()
    after = b""
    while ids := repair.blob_ids(tx, after, _PAGE):
        for blob in ids:
            info = repair.blob(tx, blob)
            assert info is not None, "its id was just read"
            _reconcile_one(tx, info, blobs.get(blob), here, standing, report)
        after = ids[-1]
    return standing


def _reconcile_one(
    tx: Transaction,
    info: BlobInfo,
    files: BlobFiles | None,
    here: Collection[str],
    standing: Standing,
    report: Report,
) -> None:
    missing = _shards(tx, info, files, here)
    away = sum(shard in missing and drive not in here for shard, drive in enumerate(info.drives))
    bad: set[int] = set()
    for append in repair.appends(tx, info.id):
        good = _good(files, append)
        if len(good) >= info.layout.data:
            bad |= {shard for shard in range(len(info.drives)) if shard not in good and info.has(shard, append.offset)}
        elif len(good) + away >= info.layout.data:
            standing.unreadable.add((info.id, append.offset))
        else:
            standing.gone.add((info.id, append.offset))
    for shard in sorted(bad):
        if shard not in missing or info.drives[shard] in here:
            report.shards_to_heal += mark_missing(tx, info.id, shard)


def _shards(tx: Transaction, info: BlobInfo, files: BlobFiles | None, here: Collection[str]) -> set[int]:
    """Note where the shards are; those that no drive has."""
    missing = set()
    for shard, drive in enumerate(info.drives):
        if files is None or shard not in files.shards:
            missing.add(shard)
        elif not files.on(shard, drive):  # healed onto another drive since
            now = files.drive_of(shard)
            assert now is not None, "some drive has it"
            place = (now.encode(), info.id, shard)
            tx.run("UPDATE shards SET drive = ? WHERE blob = ? AND idx = ?", *place)
            # the snapshot may have been taken when the file was about to be placed, and was no shard yet
            tx.run("DELETE FROM leftovers WHERE drive = ? AND blob = ? AND idx = ?", *place)
    return missing


def _good(files: BlobFiles | None, append: Append) -> set[int]:
    """The shards that still have the append: its record stands where it was, for what is given back reads as zeros."""
    if files is None:
        return set()
    return {shard for shard in files.shards if files.record(shard, append.offset) is not None}
