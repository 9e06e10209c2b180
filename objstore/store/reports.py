"""What the blobs of a worker find out by the way, brought to the queues: shards gone bad, blobs that were sealed.

The blobs call plainly, in the middle of a read or a write; what they tell is entered by one transaction soon after.
What is lost with the process is found again: a bad shard by the next read, an open blob of a dead instance by the jobs.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from objstore.blobs.types import BlobInfo
from objstore.catalog.errors import CatalogError
from objstore.catalog.transaction import Transaction
from objstore.store.extents import mark_missing, note_blob

if TYPE_CHECKING:
    from objstore.catalog.catalog import Catalog

_log = logging.getLogger(__name__)

_PAUSE = 0.1
"""Seconds in which reports are gathered: a shard gone bad is met by many reads at once."""


class Reports:
    """`damaged` and `sealed` are given to `Blobs`; `flush` enters what was told, and is awaited at the end."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._shards: set[tuple[bytes, int]] = set()
        self._sealed: dict[bytes, BlobInfo] = {}
        self._task: asyncio.Task[None] | None = None

    def damaged(self, blob: bytes, shard: int, reason: str) -> None:
        """A shard failed verification, or is not there: it is to be made again from its beginning."""
        if (blob, shard) not in self._shards:
            _log.warning("shard %d of blob %s is damaged: %s", shard, blob.hex(), reason)
            self._shards.add((blob, shard))
            self._schedule()

    def sealed(self, info: BlobInfo) -> None:
        """A blob takes no more appends."""
        self._sealed[info.id] = info
        self._schedule()

    async def flush(self) -> None:
        """Enter all reports now. Those that cannot be entered are kept for the next time."""
        shards, self._shards = self._shards, set()
        sealed, self._sealed = self._sealed, {}
        if not shards and not sealed:
            return

        def enter(tx: Transaction) -> None:
            for info in sealed.values():
                note_blob(tx, info)
            for blob, shard in sorted(shards):
                mark_missing(tx, blob, shard)

        try:
            await self._catalog.write(enter)
        except CatalogError as error:
            _log.warning("%d reports about blobs wait: %s", len(shards) + len(sealed), error)
            self._shards |= shards
            self._sealed = sealed | self._sealed

    def _schedule(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._later())

    async def _later(self) -> None:
        await asyncio.sleep(_PAUSE)
        await self.flush()
