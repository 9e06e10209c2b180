"""Compact: move what is alive out of blobs that are mostly dead, so that the rest can be unlinked.

Where a file system cannot punch holes this is the only way in which the space of dead bytes comes back; where it can,
it saves a file on every drive, for next to no bytes moved. Each append that is alive is written to an open blob, and
one transaction makes that its place, at once: what waits for long to be published is given back. What was there is
garbage then, and goes when nobody reads it any more.

The job walks over all blobs, a few at a time, and begins again at the end: a walk that is cut short loses nothing.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from erasure import SHARD_HEADER
from objstore.blobs import Blobs
from objstore.blobs.errors import BlobError
from objstore.blobs.ids import created_ms
from objstore.blobs.rebuild import Pace, at_once
from objstore.blobs.records import pack_record, place_of
from objstore.blobs.types import Append, BlobInfo, Extent, Written
from objstore.catalog.catalog import Catalog
from objstore.catalog.errors import CatalogError, Undecided
from objstore.drives.errors import DriveError
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.store import catalog_snapshots, extents, repair
from objstore.store.store import now_us

PAGE = 16
"""Blobs that are looked at in one go."""
DEAD, DEAD_UNPUNCHED = 15 / 16, 1 / 2
"""The share of a blob that has to be dead where holes can be punched, and where not."""

_log = logging.getLogger(__name__)


async def compact(
    pool: Pool,
    catalog: Catalog,
    blobs: Blobs,
    after: bytes = b"",
    *,
    old_seconds: float,
    pace: Pace = at_once,
) -> tuple[bytes, int]:
    """Look at the next blobs behind `after` that are so old: where to go on, empty at the end; how many were moved."""
    found = await asyncio.to_thread(catalog.read, lambda tx: repair.shares(tx, after, PAGE))
    before_ms = now_us() // 1000 - int(old_seconds * 1000)
    count = 0
    for blob, length, alive in found:
        if not alive or created_ms(blob) > before_ms:
            continue
        info = catalog.read(lambda tx, blob=blob: repair.blob(tx, blob))  # type: ignore[misc]
        dead = 1 - alive / max(1, length - SHARD_HEADER)
        try:
            if info is not None and await _worth_it(pool, info, dead):
                count += await rewrite(catalog, blobs, info, pace)
        except (BlobError, DriveError) as error:
            _log.warning("blob %s is not compacted: %s", blob.hex(), error)
    return (found[-1][0] if len(found) == PAGE else b"", count)


async def _worth_it(pool: Pool, info: BlobInfo, dead: float) -> bool:
    """Whether so much of the blob is dead that its bytes should move: all its drives being there, and nothing of it
    waiting for repair."""
    drives = [pool.by_id(drive) for drive in info.drives]
    there = [drive for drive in drives if drive is not None and drive.state is DriveState.ONLINE]
    if dead < DEAD_UNPUNCHED or info.missing or len(there) < len(drives):
        return False
    return dead >= DEAD or not all([await drive.punches() for drive in there])


async def rewrite(catalog: Catalog, blobs: Blobs, info: BlobInfo, pace: Pace = at_once) -> bool:
    """Write what is alive in a sealed blob once more, as new blobs are laid out now; the old one is dead then.

    Raises BlobError, DriveError; then what was not yet written stays where it is."""
    moved = 0
    for append in catalog.read(lambda tx: repair.appends(tx, info.id)):
        written = await copy(blobs, info, append, info.layout.parity, pace)
        moved += await exchange(catalog, blobs, info.id, append.offset, written)
    _log.info("%d appends were moved out of blob %s", moved, info.id.hex())
    return True


async def exchange(
    catalog: Catalog, blobs: Blobs, blob: bytes, offset: int, written: Written, *, alone: bool = False
) -> bool:
    """As `extents.move`: let the append at a place be what was written of it once more. Raises CatalogError; unless it
    is Undecided, nothing is left of what was written then, and else as soon as the catalog knows."""
    now = now_us()
    try:
        return await catalog.write(lambda tx: extents.move(tx, blob, offset, written, now, alone=alone))
    except Undecided:
        blobs.unpublished(written)
        raise
    except CatalogError:
        await blobs.discard(written)
        raise


async def copy(blobs: Blobs, info: BlobInfo, append: Append, parity: int, pace: Pace = at_once) -> Written:
    """Write the bytes of an append once more, with its record. Raises BlobError, DriveError."""
    record = await blobs.record(info, append)
    origin = record.origin or place_of(info.id, append.offset)
    # without a catalog a snapshot of it is looked for where a blob of its own begins
    writer = blobs.writer(parity, append.size, alone=catalog_snapshots.is_snapshot(record))
    try:
        async for piece in blobs.read([Extent(info.id, *append, 0, append.size)], 0, append.size):
            await writer.write(piece)
            await writer.flush()  # a step costs now what it costs the drives, so the pace is true
            await pace()
        return await writer.finish(pack_record(msgspec.structs.replace(record, origin=origin)))
    except BaseException:
        await writer.abort()
        raise
