"""Seal: close what instances that are gone left open, and collect the files that no catalog row knows.

A worker that was killed leaves its open blobs preallocated and perhaps with bytes that were never published. Its tag is
in the name of every blob it made, and the lock it held on a file of the runtime directory is free.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence

from objstore.blobs import Blobs
from objstore.blobs.ids import instance_of
from objstore.blobs.packing import reserved
from objstore.blobs.types import BlobInfo
from objstore.catalog.catalog import Catalog
from objstore.catalog.transaction import Transaction
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.store import leftovers, settling
from objstore.store.store import now_us

Lives = Callable[[bytes], bool]
_AT_ONCE = 256  # files that are looked up without letting others have their turn
_log = logging.getLogger(__name__)


async def seal_abandoned(catalog: Catalog, blobs: Blobs, lives: Lives) -> int:
    """Seal the open blobs of instances that do not live; how many."""
    open_ids = catalog.read(lambda tx: settling.open_blobs(tx))
    abandoned = [blob for blob in open_ids if not lives(instance_of(blob))]
    if abandoned:  # what is behind the last append that is known is cut off
        abandoned = [blob for blob, *_ in await catalog.certain(lambda tx: settling.known(tx, abandoned))]
    for blob in abandoned:
        await _seal(catalog, blobs, blob)
    return len(abandoned)


async def _seal(catalog: Catalog, blobs: Blobs, blob: bytes) -> None:
    """What was reserved is left over, until it is known to be given back."""
    now = now_us()

    def seal(tx: Transaction) -> BlobInfo | None:
        if (info := settling.seal(tx, blob, now)) is not None:
            leftovers.left_over(tx, reserved(info))
        return info

    info = await catalog.write(seal)
    if info is not None:
        failed = await blobs.cut(info)
        cut = [left for left in reserved(info) if left.shard not in failed]
        await catalog.write(lambda tx: leftovers.given_back(tx, cut))


async def collect_orphans(catalog: Catalog, drives: Collection[Drive], lives: Lives) -> int:
    """Unlink shard files of blobs that the catalog does not know and no living instance may still publish, those that
    are on another drive than the catalog says, and what is left of rebuilds that were cut short; how many. Not beside
    rebuilds.

    The files are listed first, then it is asked who lives, then what is published: a blob of an instance that ended in
    between has its row, or will never have one. Every mirror of the catalog is asked. Raises ReadOnly.
    """
    removed = 0
    for drive in drives:
        try:
            removed += await drive.discard_temporaries()
            files = [(blob, index) for blob, index, _, _ in await drive.shards()]
            living = {instance for instance in {instance_of(blob) for blob, _ in files} if lives(instance)}
            orphans = []
            for number, (blob, index) in enumerate(files):
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)
                place = catalog.read(lambda tx, blob=blob, index=index: leftovers.place(tx, blob, index))  # type: ignore[misc]
                stale = instance_of(blob) not in living if place is None else place != drive.id
                if stale:
                    orphans.append((blob, index))
            for blob, index in await _elsewhere(catalog, drive, orphans) if orphans else ():
                removed += await drive.unlink(blob, index)
        except DriveError as error:
            _log.warning("%s", error)
    return removed


async def _elsewhere(catalog: Catalog, drive: Drive, files: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    """Those of the files that are no shards on this drive, whichever mirror is asked."""
    return sorted(await catalog.certain(lambda tx: [one for one in files if leftovers.place(tx, *one) != drive.id]))
