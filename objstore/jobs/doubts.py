"""Which drives a start has to have looked through (see `census`): something happened to them while nothing ran.

A drive that does not know the latest ballot was away, or is an old copy. One at a path where another drive was is one
of two that hands have exchanged. One that lacks a shard that it should hold, or its latest append, has lost files,
has another drive's, or is an old copy: the latest shards of each are looked for, which costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from objstore.blobs.records import MAGIC
from objstore.catalog.catalog import Catalog
from objstore.catalog.transaction import Transaction
from objstore.drives.errors import DriveError
from objstore.drives.inspection import Inspection
from objstore.drives.pool import Pool
from objstore.drives.shardfiles import shard_path

_SAMPLE = 8


def changed(found: Sequence[Inspection]) -> set[str]:
    """Drives that were away or have changed places since the latest ballot; `found` was there before the start."""
    here = {one.format.drive: one for one in found if one.format is not None}
    ballots = [one.ballot for one in here.values() if one.ballot is not None]
    latest = max(ballots, key=lambda ballot: ballot.epoch, default=None)
    if latest is None:
        return set()
    behind = {name for name, one in here.items() if one.ballot is None or one.ballot.epoch < latest.epoch}
    was = {path: name for name, path in latest.places.items() if name in here}
    exchanged = {name for name, one in here.items() if was.get(str(one.path), name) != name}
    return (behind | exchanged) & {*latest.drives}


def strangers(pool: Pool, catalog: Catalog) -> set[str]:
    """Drives that lack one of the latest shards that they should hold. Blocks."""
    found = set()
    for drive in pool.online():
        if drive.id is None:
            continue
        name = drive.id
        wanted = [
            (Path(shard_path(str(drive.path), blob, shard)), offset)
            for blob, shard, offset in catalog.read(lambda tx, name=name: _latest(tx, name))  # type: ignore[misc]
        ]
        try:
            there = drive.run(lambda wanted=wanted: all(_written(path, offset) for path, offset in wanted))
        except DriveError:
            continue
        if not there:
            found.add(name)
    return found


def _written(path: Path, offset: int) -> bool:
    """Whether an append begins at `offset`: what was only preallocated is zeros. Raises OSError."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.read(len(MAGIC)) == MAGIC
    except FileNotFoundError:
        return False


def _latest(tx: Transaction, drive: str) -> list[tuple[bytes, int, int]]:
    """Shards that a drive should hold whole, and the last append that is alive in each: the latest, for their names
    begin with the time."""
    return [
        (blob, index, offset)
        for blob, index, offset in tx.all(
            "SELECT blob, idx, (SELECT max(offset) FROM extents WHERE extents.blob = shards.blob) FROM shards"
            " WHERE drive = ? AND missing IS NULL"
            " AND EXISTS (SELECT 1 FROM extents WHERE extents.blob = shards.blob) ORDER BY blob DESC LIMIT ?",
            drive.encode(),
            _SAMPLE,
        )
    ]
