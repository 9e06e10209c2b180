"""Heal: rebuild what shards lack, from the others of their blob.

The queue is the `missing` column of `shards`. Writes put there what a failing drive did not take, reads what they found
damaged, and `queue_lost` everything of a drive that is gone for good. A shard on a drive that is merely away waits.

A heal goes on beside requests, so it works at a pace (`pace.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import NamedTuple

from objstore.blobs import Blobs
from objstore.blobs.errors import BlobError
from objstore.blobs.types import Append, BlobInfo
from objstore.catalog.ballots import residents
from objstore.catalog.catalog import Catalog
from objstore.catalog.transaction import Transaction
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.pool import Pool
from objstore.jobs.pace import Pace, unpaced
from objstore.store import repair
from objstore.store.extents import mark_missing
from objstore.store.repair import MissingShard

Shard = tuple[bytes, int]
"""A blob, and which of its shards."""

_PAGE = 100
_log = logging.getLogger(__name__)


class Healed(NamedTuple):
    """Of one pass: shards made whole, shards that could not be, shards that wait for their drive."""

    whole: int
    failed: int
    waiting: int


async def queue_lost(pool: Pool, catalog: Catalog) -> int:
    """Queue all shards of drives that no slot holds any more; how many drives that were."""
    gone = lost(pool, catalog)
    for drive in gone:
        after: bytes | None = b""
        while after is not None:
            after = await catalog.write(lambda tx, drive=drive, after=after: _queue(tx, drive, after))  # type: ignore[misc]
    return len(gone)


def lost(pool: Pool, catalog: Catalog) -> list[str]:
    """Drives that no slot holds any more, and on which shards should be.

    Whose a slot is whose folder is away since before the start, the ballot says. Where it does not, an id that no slot
    holds may be that drive's: then none is lost."""
    whose = residents(pool, catalog.ballot())
    if len(whose) < len(pool.drives):
        return []
    return [one for one in catalog.read(lambda tx: repair.drives_of(tx, "shards")) if one not in whose.values()]


def _queue(tx: Transaction, drive: str, after: bytes) -> bytes | None:
    return repair.drive_lost(tx, drive, after)


async def heal(
    pool: Pool,
    catalog: Catalog,
    blobs: Blobs,
    *,
    placing: asyncio.Lock | None = None,
    pace: Pace | None = None,
    told: dict[Shard, str] | None = None,
) -> Healed:
    """One pass over the queue. `placing` is held from when it is read what is alive until the shard is recorded.

    Why a shard is not healed is logged where it is not what was `told` of it, which is kept from pass to pass."""
    placing, pace = placing or asyncio.Lock(), pace or unpaced()
    before, now = told if told is not None else {}, dict[Shard, str]()
    whole = failed = waiting = 0
    after = (b"", -1)
    while page := catalog.read(lambda tx, after=after: repair.missing_shards(tx, after, _PAGE)):  # type: ignore[misc]
        for missing in page:
            after = (missing.blob, missing.shard)
            async with pace.holding(placing):
                info = catalog.read(lambda tx, blob=missing.blob: repair.blob(tx, blob))  # type: ignore[misc]
                appends = catalog.read(lambda tx, blob=missing.blob: repair.appends(tx, blob))  # type: ignore[misc]
                if info is None or missing.shard not in info.missing or not appends:
                    continue  # it was healed beside us, or is no more, or is about to be unlinked
                target = choose_target(pool, info, missing)
                if target is None:
                    waiting += 1
                    continue
                try:
                    done = await _heal_one(catalog, blobs, info, missing, target, appends, pace)
                except (BlobError, DriveError) as error:
                    now[after] = _tell(after, str(error), before)
                    done = False
            whole, failed = whole + done, failed + (not done)
            await pace()
    before.clear()
    before.update(now)
    return Healed(whole, failed, waiting)


def _tell(shard: Shard, why: str, told: dict[Shard, str]) -> str:
    if told.get(shard) != why:
        _log.warning("shard %d of blob %s is not healed: %s", shard[1], shard[0].hex(), why)
    return why


def choose_target(pool: Pool, info: BlobInfo, missing: MissingShard) -> Drive | None:
    """Where the shard is made again: its own drive while that is in the pool, else the emptiest that has none of the
    blob; None when it has to wait."""
    own = pool.by_id(missing.drive)
    if own is not None:
        return own if own.writable else None
    free = [drive for drive in pool.writable() if drive.id not in info.drives]
    return max(free, key=lambda drive: drive.free, default=None)


async def _heal_one(
    catalog: Catalog,
    blobs: Blobs,
    info: BlobInfo,
    missing: MissingShard,
    target: Drive,
    appends: Sequence[Append],
    pace: Pace,
) -> bool:
    """Whether the shard is recorded. Raises BlobError, DriveError where it could not be made."""
    assert target.id is not None, "a drive that is online has an identity"
    drive = target.id
    if drive != info.drives[missing.shard]:
        await catalog.write(lambda tx: repair.expect(tx, info.id, missing.shard, drive))
    elif info.missing[missing.shard]:  # of the file that is about to come nothing is known until it is recorded
        await catalog.write(lambda tx: mark_missing(tx, info.id, missing.shard))
    await blobs.rebuild(info, missing.shard, target, appends, pace)
    offsets = {append.offset for append in appends}
    done = await catalog.write(lambda tx: repair.healed(tx, info.id, missing.shard, drive, offsets))
    blobs.directory.forget(info.id)
    now = None if done else catalog.read(lambda tx: repair.blob(tx, info.id))
    if not done and (now is None or now.drives[missing.shard] != drive):
        with contextlib.suppress(DriveError):  # no row leads to what was just placed
            await target.unlink(info.id, missing.shard)
    return done
