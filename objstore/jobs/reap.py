"""Reap: give the space of what nothing refers to back, when no read can be using it any more.

A read tells that it runs, and then looks up what it reads; whatever is garbage since it began stays. When something
became garbage is for the reaper to say, who sees that it is: only from then on nobody looks its place up any more. What
began to be read without telling before has the grace time. A read that has run for a day holds nothing up any more.

A blob that was sealed is settled after the grace time: until then, what was appended to it last may be about to be
published. A settled blob in which nothing is alive stays so, and is unlinked.

Punched first, forgotten after: a reaper that dies in between punches again, which is harmless, because offsets are
never used twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from objstore.blobs import Blobs
from objstore.blobs.types import BlobInfo
from objstore.catalog.catalog import Catalog
from objstore.catalog.transaction import Transaction
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError, ShardNotFound
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.store import leftovers, repair, settling
from objstore.store.leftovers import Leftover
from objstore.store.store import now_us

Ranges = Sequence[tuple[int, int]]
_log = logging.getLogger(__name__)

LONGEST_READ = 86_400.0
"""Seconds after which a read no longer keeps deleted bytes."""


def horizon(now: int, grace_seconds: float, oldest_read: int | None) -> int:
    """Garbage since before this time (microseconds since 1970) may go."""
    since = now if oldest_read is None else min(now, max(oldest_read, now - int(LONGEST_READ * 1_000_000)))
    return since - int(grace_seconds * 1_000_000)


async def reap(
    catalog: Catalog,
    blobs: Blobs,
    grace_seconds: float,
    oldest_read: Callable[[], int | None] = lambda: None,
    *,
    placing: asyncio.Lock | None = None,
) -> int:
    """One pass; how many ranges and blobs were given back. `oldest_read` tells when the oldest running read began.
    `placing` is held meanwhile: a shard that is being made has what was alive before, and its blob has to stay."""
    now, count = now_us(), 0
    if catalog.read(lambda tx: repair.is_ahead(tx, now)):
        await catalog.write(lambda tx: repair.set_back(tx, now_us()))
    sealed = catalog.read(lambda tx: settling.due(tx, horizon(now, grace_seconds, None)))
    for blob, *_ in await catalog.certain(lambda tx: settling.known(tx, sealed)) if sealed else ():
        await catalog.write(lambda tx, blob=blob: settling.settle(tx, blob))  # type: ignore[misc]
    await _note(catalog)
    now = now_us()  # who tells only later that it reads looks up later still, and finds nothing that is due
    before = horizon(now, grace_seconds, oldest_read())
    async with placing or asyncio.Lock():
        due = catalog.read(lambda tx: repair.garbage_due(tx, before))
        dead = await catalog.certain(lambda tx: repair.dead(tx, due)) if due else set()
        for blob, parts in due.items():
            if ranges := [part for part in parts if (blob, part[0]) in dead]:
                whole = (blob, repair.WHOLE) in dead
                count += await _reap_one(catalog, blobs, blob, ranges, before, whole=whole)
    return count


async def _note(catalog: Catalog) -> None:
    """Note of new garbage since when it is: since now, for it is seen to be."""
    before: list[tuple[bytes, int]] = []
    while (places := catalog.read(repair.unseen)) and places != before:  # an old page shows them again and again
        since, before = now_us(), places
        await catalog.write(lambda tx, places=places, since=since: repair.seen(tx, places, since))  # type: ignore[misc]


async def _reap_one(catalog: Catalog, blobs: Blobs, blob: bytes, ranges: Ranges, before: int, *, whole: bool) -> int:
    info = catalog.read(lambda tx: repair.blob(tx, blob))
    if info is not None and catalog.read(lambda tx: repair.removable(tx, blob, before)):
        if not whole:
            return 0
        await _remove(catalog, blobs, info)
        return 1
    failed = await blobs.reap(info, ranges) if info is not None else {}
    await catalog.write(lambda tx: repair.punched(tx, blob, ranges, failed))
    return len(ranges)


async def _remove(catalog: Catalog, blobs: Blobs, info: BlobInfo) -> None:
    failed = await blobs.remove(info)
    await catalog.write(lambda tx: repair.removed(tx, info, failed))


async def clear(catalog: Catalog, pool: Pool) -> int:
    """Give back what drives still hold because they were away when it was due; how many shards that concerned."""
    count = 0
    for name in catalog.read(lambda tx: repair.drives_of(tx, "leftovers")):
        drive = pool.by_id(name)
        if drive is not None:
            count += await _clear_drive(catalog, drive, name)
        elif all(one.id is not None for one in pool.drives):  # no slot may yet turn out to hold it
            await _forget(catalog, name)
    return count


async def _clear_drive(catalog: Catalog, drive: Drive, name: str) -> int:
    count = 0
    while _gives_back(drive) and (left := catalog.read(lambda tx: leftovers.on(tx, name))):
        sure = await catalog.certain(lambda tx, left=left: _useless(tx, name, left))  # type: ignore[misc]
        for one in [one for one in left if (one.blob, one.shard) in sure]:
            try:
                await _clear_one(drive, one)
            except DriveError as error:  # its own affair: others give back what they hold
                _log.warning("%s", error)
                return count
            count += 1
            await catalog.write(lambda tx, one=one: leftovers.cleared(tx, name, one))  # type: ignore[misc]
        if len(sure) < len(left):
            break
    return count


def _gives_back(drive: Drive) -> bool:
    return drive.state is DriveState.ONLINE and not drive.read_only


def _useless(tx: Transaction, name: str, left: Sequence[Leftover]) -> set[tuple[bytes, int]]:
    """Those of the leftovers on a drive, by blob and shard, in which nothing is of use."""

    def of_use(one: Leftover) -> bool:
        if not one.ranges:
            return leftovers.place(tx, one.blob, one.shard) == name
        dead = repair.dead(tx, {one.blob: one.ranges})
        return any((one.blob, offset) not in dead for offset, _ in one.ranges)

    return {(one.blob, one.shard) for one in left if not of_use(one)}


async def _clear_one(drive: Drive, left: Leftover) -> None:
    with contextlib.suppress(ShardNotFound):
        if left.ranges:
            await drive.punch(left.blob, left.shard, left.ranges)
        else:
            await drive.unlink(left.blob, left.shard)


async def _forget(catalog: Catalog, name: str) -> None:
    await catalog.write(lambda tx: leftovers.forget(tx, name))
