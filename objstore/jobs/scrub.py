"""Scrub: look through all that is stored, whether anybody reads it or not: damage is found while it can be healed.

A round goes over all sealed blobs by age, one at a time. Each shard file on a drive that is there is read and verified,
header, records and frames; one with anything wrong is queued for healing. Where a round stands is a row of the catalog,
so it goes on after a restart; after its end the next one begins when a day has passed since its beginning.
"""

from __future__ import annotations

import logging

import msgspec

from objstore.blobs import Blobs
from objstore.blobs.types import BlobInfo
from objstore.catalog.catalog import Catalog
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.drives.errors import DriveError
from objstore.drives.state import DriveState
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
    for shard, name in enumerate(info.drives):
        drive = blobs.pool.by_id(name)
        if shard in info.missing or drive is None or drive.state is not DriveState.ONLINE:
            continue
        if reason := await _wrong(catalog, blobs, info, shard):
            _log.warning("shard %d of blob %s is damaged: %s", shard, blob.hex(), reason)
            bad.append(shard)
    return bad


async def _wrong(catalog: Catalog, blobs: Blobs, info: BlobInfo, shard: int) -> str | None:
    """What is wrong with a shard; None also where it was moved, or what it held deleted, while it was looked at."""
    appends = catalog.read(lambda tx: repair.appends(tx, info.id))
    try:
        problems = await blobs.verify_shard(info, shard, appends)
    except DriveError:
        return None  # the drive went away; it says so itself
    now = catalog.read(lambda tx: repair.blob(tx, info.id))
    if now is None or now.drives != info.drives:
        return None
    alive = {append.offset for append in catalog.read(lambda tx: repair.appends(tx, info.id))}
    spans = {append.offset: append.offset + append.span(info.layout) for append in appends}
    gone = [(start, end) for start, end in spans.items() if start not in alive]
    for problem in problems:
        if not any(start <= problem.offset < end for start, end in gone):
            return problem.reason
    return None


def _standing(tx: Transaction) -> Round | None:
    row = tx.one("SELECT value FROM settings WHERE name = ?", _ROW)
    return None if row is None else unpack(row[0], Round)


def _note(tx: Transaction, standing: Round) -> None:
    tx.run(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        _ROW,
        pack(standing),
    )
