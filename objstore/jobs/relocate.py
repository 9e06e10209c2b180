"""Moving shards between drives: off those that are to be emptied, and from full ones to emptier ones.

A move never lowers the redundancy: the new shard file is written and read back until every frame has verified, one
transaction makes it the shard, and only then the old file is given back (it is a leftover until it is). A crash leaves
the old shard in force, and the new file is a leftover.

A shard that no other drive can take, because each has one of the blob already, cannot move. Then what is alive in the
blob is written once more, as new blobs are laid out on the drives that stay, and the old blob dies as a whole.

Moves go on beside requests, so they are made at a pace (`pace.py`). `placing` is held while a shard is placed and not
yet recorded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from objstore.blobs import Blobs
from objstore.blobs.errors import BlobError
from objstore.blobs.types import BlobInfo
from objstore.catalog.catalog import Catalog
from objstore.catalog.transaction import Transaction
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.pool import Pool
from objstore.jobs.compact import rewrite
from objstore.jobs.heal import lost
from objstore.jobs.pace import Pace
from objstore.store import balancing, membership, repair
from objstore.store.balancing import Round
from objstore.store.membership import Course, Held, Stage
from objstore.store.store import now_us

PAGE = 16
"""Blobs that are looked at in one go."""
_UNEVEN = 0.1  # a drive is too full when it is fuller by this share of its own filling
_log = logging.getLogger(__name__)


class Moved(NamedTuple):
    """Of one go: shards and blobs that were moved, and the last reason why something was not."""

    moves: int
    problem: str = ""


async def empty(
    pool: Pool,
    catalog: Catalog,
    blobs: Blobs,
    name: str,
    proceed: Callable[[], bool],
    *,
    placing: asyncio.Lock,
    pace: Pace,
) -> Moved:
    """Move what the drive `name` holds, or should hold, elsewhere, until `proceed` says that it is enough for now."""
    count, problem, after = 0, "", b""
    while found := catalog.read(lambda tx, after=after: repair.shards_on(tx, name, after, PAGE)):  # type: ignore[misc]
        for blob, shard in found:
            after = blob
            if not proceed():
                return Moved(count, problem)
            try:
                async with pace.holding(placing):
                    count += await _away(pool, catalog, blobs, blob, shard, name, pace)
            except (BlobError, DriveError) as error:
                problem = str(error)
                _log.warning("shard %d of blob %s stays on its drive: %s", shard, blob.hex(), error)
            await pace()
    return Moved(count, problem)


def homeless(pool: Pool, catalog: Catalog) -> list[str]:
    """Drives that are lost and on which shards should be; none while a drive has no vote yet: it may be there to take
    them."""
    return lost(pool, catalog) if all(drive.voting for drive in pool.drives if drive.id) else []


async def _away(pool: Pool, catalog: Catalog, blobs: Blobs, blob: bytes, shard: int, source: str, pace: Pace) -> bool:
    info = catalog.read(lambda tx: repair.blob(tx, blob))
    if info is None or info.drives[shard] != source:
        return False  # a heal came first
    if not info.sealed or not catalog.read(lambda tx: repair.appends(tx, blob)):
        return False  # an open blob is sealed soon; a dead one is about to be unlinked
    target = max(_spare(pool, info), key=lambda drive: drive.free, default=None)
    if target is None:
        return await rewrite(catalog, blobs, info, pace)
    return await _relocate(catalog, blobs, info, shard, target, pace)


def _spare(pool: Pool, info: BlobInfo) -> list[Drive]:
    """Drives that can take a shard of the blob: they have none of it."""
    return [one for one in pool.writable() if one.id not in info.drives and one.usage.spare >= info.length]


async def _relocate(catalog: Catalog, blobs: Blobs, info: BlobInfo, shard: int, target: Drive, pace: Pace) -> bool:
    """Raises BlobError, DriveError; then nothing has changed."""
    appends = catalog.read(lambda tx: repair.appends(tx, info.id))
    assert target.id is not None, "a drive that is online has an identity"
    drive, offsets = target.id, {append.offset for append in appends}
    await catalog.write(lambda tx: repair.expect(tx, info.id, shard, drive))
    await blobs.rebuild(info, shard, target, appends, pace)
    done = await catalog.write(lambda tx: repair.relocated(tx, info, shard, drive, offsets))
    if not done:
        await target.unlink(info.id, shard)
    blobs.directory.forget(info.id)
    return done


async def balance(
    pool: Pool,
    catalog: Catalog,
    blobs: Blobs,
    proceed: Callable[[], bool],
    *,
    placing: asyncio.Lock,
    pace: Pace,
) -> Moved:
    """Go on with the walk that spreads blobs evenly, by the next blobs; nothing is done where there is none."""
    round_ = catalog.read(balancing.standing)
    if round_ is None:
        return Moved(0)
    loads = await asyncio.to_thread(catalog.read, balancing.loads)
    found = catalog.read(lambda tx: balancing.sealed_ids(tx, round_.after, PAGE))
    count, problem, after = 0, "", round_.after
    for blob in found:
        if not proceed():
            break
        after = blob
        try:
            async with pace.holding(placing):
                count += await _level(pool, catalog, blobs, blob, loads, pace)
        except (BlobError, DriveError) as error:
            problem = str(error)
            _log.warning("blob %s is not moved: %s", blob.hex(), error)
        await pace()
    moved, ended = round_.moved + count, len(found) < PAGE and after == (found[-1] if found else round_.after)
    # a walk that moved something may have left what another one can move
    following = None if ended and not moved else Round(now_us()) if ended else Round(round_.began_us, after, moved)
    await catalog.write(lambda tx: balancing.advance(tx, round_, following))
    return Moved(count, problem)


async def _level(pool: Pool, catalog: Catalog, blobs: Blobs, blob: bytes, loads: dict[str, int], pace: Pace) -> bool:
    """Move the shard of a blob that is on the fullest drive to the emptiest, where that makes them more even."""
    info = catalog.read(lambda tx: repair.blob(tx, blob))
    if info is None or info.missing or not catalog.read(lambda tx: repair.appends(tx, blob)):
        return False
    drives = {one.id: one for one in pool.writable() if one.id}
    filled = fillings(pool, loads)
    holding = [(filled[name], shard, name) for shard, name in enumerate(info.drives) if name in drives]
    targets = [(filled[one.id], one.id) for one in _spare(pool, info) if one.id]
    if not holding or not targets:
        return False
    (full, shard, source), (level, name) = max(holding), min(targets)
    after = (loads.get(name, 0) + info.length) / max(1, loads.get(name, 0) + drives[name].free)
    if level > full * (1 - _UNEVEN) or after > full:
        return False
    if not await _relocate(catalog, blobs, info, shard, drives[name], pace):
        return False
    loads[source] = loads.get(source, 0) - info.length
    loads[name] = loads.get(name, 0) + info.length
    return True


class UnderWay(NamedTuple):
    """Drives on their way, with what they hold still, and the bytes that are about to be spread; None: none are."""

    courses: dict[str, tuple[Course, Held]]
    rebalancing: int | None
    removed: frozenset[str]

    def of(self, drive: str | None) -> dict[str, Any]:
        """What there is to show of a drive: `stage`, `held` in the beginning and `left`, in bytes."""
        if drive is None or drive not in self.courses:
            return {}
        course, held = self.courses[drive]
        return {"stage": course.stage.value, "held": max(course.held, held.bytes), "left": held.bytes}

    def problem(self, drive: str | None) -> str | None:
        """Why a drive makes no progress."""
        return self.courses[drive][0].problem or None if drive in self.courses else None


def under_way(tx: Transaction, pool: Pool) -> UnderWay:
    """What moves between drives. Linear in shards, for people."""
    courses = membership.courses(tx)
    removed = frozenset(drive for drive, one in courses.items() if one.stage is Stage.REMOVED)
    found = {drive: one for drive, one in courses.items() if drive not in removed}
    uneven = None if balancing.standing(tx) is None else uneven_bytes(pool, balancing.loads(tx))
    return UnderWay({drive: (one, membership.held(tx, drive)) for drive, one in found.items()}, uneven, removed)


def fillings(pool: Pool, loads: Mapping[str, int]) -> dict[str, float]:
    """How full each drive is of what it could hold of blobs, from 0 to 1."""
    drives = [one for one in pool.drives if one.id]
    return {one.id: loads.get(one.id, 0) / max(1, loads.get(one.id, 0) + one.free) for one in drives if one.id}


def uneven_bytes(pool: Pool, loads: Mapping[str, int]) -> int:
    """Bytes that drives have less than their share of all: about what is left to be moved."""
    drives = [one for one in pool.writable() if one.id]
    room = {one.id: loads.get(one.id, 0) + one.free for one in drives if one.id}
    held = sum(loads.get(name, 0) for name in room)
    return sum(max(0, held * size // max(1, sum(room.values())) - loads.get(name, 0)) for name, size in room.items())
