"""Reap: give the space of what nothing refers to back, when no read can be using it any more.

A read looks a version up and then reads its bytes. The grace time is what may lie between the two; from then on the
read is known to run, and whatever became garbage since it began, less that time, stays. A read that has run for a day
holds nothing up any more.

Punched first, forgotten after: a reaper that dies in between punches again, which is harmless, because offsets are
never used twice.
"""

from __future__ import annotations

from objstore.blobs import Blobs
from objstore.blobs.ids import created_ms
from objstore.catalog.catalog import Catalog
from objstore.store import repair
from objstore.store.store import now_us

LONGEST_READ = 86_400.0
"""Seconds after which a read no longer keeps deleted bytes."""


def horizon(now: int, grace_seconds: float, oldest_read: int | None) -> int:
    """Garbage since before this time (microseconds since 1970) may go."""
    since = now if oldest_read is None else min(now, max(oldest_read, now - int(LONGEST_READ * 1_000_000)))
    return since - int(grace_seconds * 1_000_000)


async def reap(catalog: Catalog, blobs: Blobs, grace_seconds: float, oldest_read: int | None = None) -> int:
    """One pass; how many ranges and blobs were given back. `oldest_read`: when the oldest running read began."""
    before = horizon(now_us(), grace_seconds, oldest_read)
    due = catalog.read(lambda tx: repair.garbage_due(tx, before))
    count = 0
    for blob, ranges in due.items():
        info = catalog.read(lambda tx, blob=blob: repair.blob(tx, blob))  # type: ignore[misc]
        offsets = [offset for offset, _ in ranges]
        if info is not None and catalog.read(lambda tx, blob=blob: repair.removable(tx, blob, before)):  # type: ignore[misc]
            await blobs.remove(info)
            await catalog.write(lambda tx, blob=blob: repair.removed(tx, blob))  # type: ignore[misc]
            count += 1
            continue
        if info is not None:
            await blobs.reap(info, ranges)
        await catalog.write(lambda tx, blob=blob, offsets=offsets: repair.punched(tx, blob, offsets))  # type: ignore[misc]
        count += len(ranges)
    return count + await _drop_empty(catalog, blobs, before // 1000)


async def _drop_empty(catalog: Catalog, blobs: Blobs, before_ms: int) -> int:
    """Unlink blobs in which nothing is left, or was ever published; those too young may still await a publish."""
    count = 0
    for blob in catalog.read(repair.empty_blobs):
        info = catalog.read(lambda tx, blob=blob: repair.blob(tx, blob))  # type: ignore[misc]
        if info is not None and created_ms(blob) < before_ms:
            await blobs.remove(info)
            await catalog.write(lambda tx, blob=blob: repair.removed(tx, blob))  # type: ignore[misc]
            count += 1
    return count
