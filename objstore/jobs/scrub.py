"""Scrub: look through all that is stored, whether anybody reads it or not: damage is found while it can be healed.

A round goes over all sealed blobs by age, one at a time. Each shard file on a drive that is there is read and verified,
header, records and frames; one with anything wrong is queued for healing. Where a round stands is a row of the catalog,
so it goes on after a restart; after its end the next one begins when a day has passed since its beginning.
"""

from __future__ import annotations

import logging

import msgspec

from objstore.blobs import Blobs
from objstore.catalog.catalog import Catalog
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.jobs.shard_checks import look_at
from objstore.store import repair
from objstore.store.extents import mark_missing

ROUND_SECONDS = 86_400.0
_ROW = "scrub"
_log = logging.getLogger(__name__)


class Round(msgspec.Struct, frozen=True, array_like=True):
    """Where a round stands: behind the blob `after`, or at its end; `began_us` is when it began."""

    began_us: int
    after: bytes = b""
    ended: bool = False


async def scrub(catalog: Catalog, blobs: Blobs, now_us: int) -> bytes | None:
    """Look through the next blob: its id, or None where there is nothing to do now."""
    standing = catalog.read(_standing)
    if standing is None or (standing.ended and now_us >= standing.began_us + int(ROUND_SECONDS * 1_000_000)):
        standing = Round(now_us)
    elif standing.ended:
        return None
    begun = standing
    found = catalog.read(lambda tx: repair.blob_ids(tx, begun.after, 1))
    if not found:
        await catalog.write(lambda tx: _note(tx, msgspec.structs.replace(begun, ended=True)))
        return None
    (blob,) = found
    bad = await _bad_shards(catalog, blobs, blob)

    def enter(tx: Transaction) -> None:
        for shard in bad:
            mark_missing(tx, blob, shard)
        _note(tx, Round(begun.began_us, blob))

    await catalog.write(enter)
    return blob


async def _bad_shards(catalog: Catalog, blobs: Blobs, blob: bytes) -> list[int]:
    """The shards of a blob in which something is wrong; none of one that is still written to."""
    info = catalog.read(lambda tx: repair.blob(tx, blob))
    if info is None or not info.sealed:
        return []
    bad = []
    for shard in range(len(info.drives)):
        appends = catalog.read(lambda tx: repair.appends(tx, blob))
        found = await look_at(catalog.read, blobs, info, shard, appends)
        if found and found[0].kind == "shard":
            _log.warning("shard %d of blob %s is damaged: %s", shard, blob.hex(), found[0].reason)
            bad.append(shard)
    return bad


def _standing(tx: Transaction) -> Round | None:
    row = tx.one("SELECT value FROM settings WHERE name = ?", _ROW)
    return None if row is None else unpack(row[0], Round)


def _note(tx: Transaction, standing: Round) -> None:
    tx.run(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        _ROW,
        pack(standing),
    )
