"""Seal: close what instances that are gone left open, and collect the files that no catalog row knows.

A worker that was killed leaves its open blobs preallocated and perhaps with bytes that were never published. Its tag is
in the name of every blob it made, and the lock it held on a file of the runtime directory is free.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from objstore.blobs import Blobs
from objstore.blobs.ids import instance_of
from objstore.catalog.catalog import Catalog
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.store import repair
from objstore.store.store import now_us

Lives = Callable[[bytes], bool]
_log = logging.getLogger(__name__)


async def seal_abandoned(catalog: Catalog, blobs: Blobs, lives: Lives) -> int:
    """Seal the open blobs of instances that do not live; how many."""
    open_ids = catalog.read(lambda tx: repair.open_blobs(tx))
    abandoned = [blob for blob in open_ids if not lives(instance_of(blob))]
    for blob in abandoned:
        info = await catalog.write(lambda tx, blob=blob: repair.seal(tx, blob, now_us()))  # type: ignore[misc]
        if info is not None:
            await blobs.cut(info)
    return len(abandoned)


async def collect_orphans(catalog: Catalog, drives: Collection[Drive], lives: Lives) -> int:
    """Unlink shard files of blobs that the catalog does not know and no living instance may still publish; how many.

    The files are listed first, then it is asked who lives, then what is published: a blob of an instance that ended in
    between has its row, or will never have one.
    """
    removed = 0
    for drive in drives:
        try:
            files = await drive.shards()
            doubtful = [(blob, index) for blob, index, _, _ in files if not lives(instance_of(blob))]
            for blob, index in doubtful:
                info = catalog.read(lambda tx, blob=blob: repair.blob(tx, blob))  # type: ignore[misc]
                stale = info is None or (info.drives[index] != drive.id if index < len(info.drives) else True)
                if stale and await drive.unlink(blob, index):
                    removed += 1
        except DriveError as error:
            _log.warning("%s", error)
    return removed
