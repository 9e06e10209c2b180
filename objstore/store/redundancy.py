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
    """Blobs in which something alive has fewer shards than promised, and how many shards they lack together; and of how
    many `parts` those bytes are: one for each version that was put in one piece, one for each part or append of the
    others."""

    blobs: int
    shards: int
    parts: int


class Promise(NamedTuple):
    """How many `blobs` with something alive in them were written with this parity, and how many more drives may fail
    until something in one of them is lost. That is negative where something cannot be read now."""

    parity: int
    blobs: int
    may_fail: int


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
    below, away = _below(tx, there)
    row = tx.one(
        f"WITH {below} SELECT count(*), coalesce(sum(shards), 0), (SELECT coalesce(sum(refs), 0)"
        " FROM below CROSS JOIN extents ON extents.blob = below.blob AND extents.offset >= below.since) FROM below",
        *away,
    )
    return Below(*row) if row is not None else Below(0, 0, 0)


def promises(tx: Transaction, there: Collection[str]) -> list[Promise]:
    """What the blobs that exist were promised, and how much of that holds while these drives are `there`: by parity,
    the lowest first."""
    below, away = _below(tx, there)
    rows = tx.all(
        f"WITH {below}, worst AS (SELECT blobs.parity, min(blobs.parity - shards) AS may_fail"
        " FROM below CROSS JOIN blobs ON blobs.id = below.blob GROUP BY blobs.parity)"
        " SELECT parity, blobs, coalesce(may_fail, parity) FROM blob_counts LEFT JOIN worst USING (parity)"
        " WHERE blobs > 0 ORDER BY parity",
        *away,
    )
    return [Promise(*row) for row in rows]


def greatest(tx: Transaction) -> int:
    """The greatest parity that anything was written with."""
    row = tx.one("SELECT max(parity) FROM blob_counts WHERE blobs > 0")
    return int(row[0] or 0) if row is not None else 0


def to_heal(tx: Transaction, known: Collection[str]) -> tuple[int, int]:
    """Shards that are missing or on drives that no slot holds, and the bytes of their files; none of blobs in which
    nothing is alive."""
    lacking, away = _lacking(tx, known)
    row = tx.one(
        f"WITH lacking AS ({lacking}) SELECT count(*), coalesce(sum(blobs.length), 0)"
        " FROM lacking CROSS JOIN blobs ON blobs.id = lacking.blob"
        " WHERE blobs.sealed = 0 OR EXISTS (SELECT 1 FROM extents WHERE extents.blob = blobs.id)",
        *away,
    )
    return (int(row[0]), int(row[1])) if row is not None else (0, 0)


def _below(tx: Transaction, there: Collection[str]) -> tuple[str, tuple[bytes, ...]]:
    """Two tables for WITH, and their parameters: `below` has how many shards a blob lacks, and from which offset on. A
    shard counts that lacks something alive, so its last append lacks them all."""
    lacking, away = _lacking(tx, there)
    return (
        f"lacking AS ({lacking}), below AS (SELECT blob, count(*) AS shards, min(since) AS since FROM lacking WHERE"
        " EXISTS (SELECT 1 FROM extents WHERE extents.blob = lacking.blob AND extents.offset >= lacking.since)"
        " GROUP BY blob)",
        away,
    )


def _lacking(tx: Transaction, there: Collection[str]) -> tuple[str, tuple[bytes, ...]]:
    """A query for the shards that are missing, or on drives that are not `there`, each with the offset from which it
    lacks what was appended; and its parameters. Both halves go by an index, past all that is well."""
    away = tuple(drive.encode() for drive in repair.drives_of(tx, "shards") if drive not in there)
    marks = ",".join("?" * len(away))
    return (
        "SELECT blob, idx, missing AS since FROM shards INDEXED BY shards_missing"
        f" WHERE missing IS NOT NULL AND drive NOT IN ({marks})"
        f" UNION ALL SELECT blob, idx, 0 FROM shards WHERE drive IN ({marks})",
        (*away, *away),
    )


def of_extents(tx: Transaction, wanted: Sequence[Extent], there: Collection[str]) -> Redundancy | None:
    """The redundancy of the extents that have least; None without extents."""
    found: dict[tuple[bytes, int], Redundancy] = {}
    for extent in wanted:
        info = repair.blob(tx, extent.blob)
        here = extent
        if info is None or not references.append_alive(tx, *_place(extent)):
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
