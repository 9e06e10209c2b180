"""Reap: give the space of what nothing refers to back, after a grace time in which running reads finish.

Punched first, forgotten after: a reaper that dies in between punches again, which is harmless, because offsets are
never used twice.
"""

from __future__ import annotations

from objstore.blobs import Blobs
from objstore.blobs.ids import created_ms
from objstore.catalog.catalog import Catalog
from objstore.store import repair
from objstore.store.store import now_us


async def reap(catalog: Catalog, blobs: Blobs, grace_seconds: float) -> int:
    """One pass; how many ranges and blobs were given back."""
    before = now_us() - int(grace_seconds * 1_000_000)
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
