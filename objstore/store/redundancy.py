"""How much of what is promised is there: counted from rows, at any moment.

A shard counts as there when its drive is in use and nothing of it is noted as missing; and that note goes only when the
shard was made again and read back. So none of these numbers is an estimate, and none needs a scan: they cost what is
missing, not what is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from objstore.blobs.types import Extent
from objstore.catalog.transaction import Transaction
from objstore.store import extents as references
from objstore.store import repair


class Below(NamedTuple):
    """Blobs with something alive in them that have fewer shards than promised, and how many shards they lack."""

    blobs: int
    shards: int


class Redundancy(NamedTuple):
    """Of an object's bytes: how many drives may fail now and how many by promise; `held` of `due` shards are there,
    where fewest are. Of bytes in the catalog: mirrors."""

    may_fail: int
    promised: int
    held: int
    due: int

    def __str__(self) -> str:
        return f"may-fail={self.may_fail}, promised={self.promised}, held={self.held}/{self.due}"


def below(tx: Transaction, there: Collection[str]) -> Below:
    """What is below its promise while these drives are `there`."""
    away = [drive for drive in repair.drives_of(tx, "shards") if drive not in there]
    row = tx.one(
        "SELECT count(DISTINCT blob), count(*) FROM (SELECT blob, idx FROM shards WHERE missing IS NOT NULL"
        f" UNION SELECT blob, idx FROM shards WHERE drive IN ({','.join('?' * len(away))})) AS lacking"
        " WHERE EXISTS (SELECT 1 FROM extents WHERE extents.blob = lacking.blob)",
        *(drive.encode() for drive in away),
    )
    return Below(*row) if row is not None else Below(0, 0)


def of_extents(tx: Transaction, wanted: Sequence[Extent], there: Collection[str]) -> Redundancy | None:
    """The redundancy of the extents that have least; None without extents."""
    found: dict[tuple[bytes, int], Redundancy] = {}
    for extent in wanted:
        info = repair.blob(tx, extent.blob)
        here = extent
        if info is None or tx.one("SELECT 1 FROM extents WHERE blob = ? AND offset = ?", *_place(extent)) is None:
            here = references.moved(tx, extent) or extent
            info = repair.blob(tx, here.blob)
        if info is None or _place(here) in found:
            continue
        held = sum(info.has(shard, here.offset) and drive in there for shard, drive in enumerate(info.drives))
        layout = info.layout
        found[_place(here)] = Redundancy(held - layout.data, layout.parity, held, layout.width)
    return min(found.values(), default=None)


def _place(extent: Extent) -> tuple[bytes, int]:
    return extent.blob, extent.offset
