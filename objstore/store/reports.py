"""What a worker finds out by the way, brought to the queues: shards gone bad, blobs that were sealed, what drives that
failed did not give back, writes that were durable and could not be published.

Whoever tells calls plainly, in the middle of a read or a write; it is entered by one transaction soon after. What is
lost with the process is found again: a bad shard by the next read, what a dead instance left by the jobs.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from objstore.blobs.types import BlobInfo, Left, Written
from objstore.catalog.errors import CatalogError
from objstore.catalog.transaction import Transaction
from objstore.store import extents, leftovers
from objstore.store.extents import append_alive, mark_missing
from objstore.store.store import now_us

if TYPE_CHECKING:
    from objstore.catalog.catalog import Catalog

_log = logging.getLogger(__name__)

_PAUSE = 0.1
"""Seconds in which reports are gathered: a shard gone bad is met by many reads at once."""
MOST = 4096
"""Reports of damage, and of writes, that wait at most where nothing can be entered for long. Later reads find damage
that is left out; files that are, are collected when this process has ended."""


class Reports:
    """`damaged`, `sealed` and `left` are given to `Blobs`, `unpublished` to `Store`; `flush` enters what was told, and
    is awaited at the end."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._damages: dict[tuple[bytes, int, int], str] = {}
        self._sealed: dict[bytes, BlobInfo] = {}
        self._left: dict[Left, None] = {}
        self._unpublished: list[Written] = []
        self._task: asyncio.Task[None] | None = None
        self._refused = ""  # why the last flush could enter nothing, which is told once

    def damaged(self, blob: bytes, shard: int, offset: int, reason: str) -> None:
        """A shard failed verification at an append, or is not there: it is to be made again from its beginning, if the
        append is still alive. Who read it may not know that it was moved or deleted, and its space given back."""
        if len(self._damages) < MOST and (blob, shard, offset) not in self._damages:
            self._damages[blob, shard, offset] = reason
            self._schedule()

    def sealed(self, info: BlobInfo) -> None:
        """A blob takes no more appends."""
        self._sealed[info.id] = info
        self._schedule()

    def left(self, left: Left) -> None:
        """A drive that did not answer may keep what is to be given back."""
        if len(self._left) < MOST:
            self._left[left] = None
            self._schedule()

    def unpublished(self, written: Written) -> None:
        """The catalog did not take what publishes a write, or nobody knows whether it did."""
        if len(self._unpublished) < MOST:
            self._unpublished.append(written)
            self._schedule()

    async def flush(self) -> None:
        """Enter all reports now. Those that cannot be entered are kept for the next time."""
        damages, self._damages = self._damages, {}
        sealed, self._sealed = self._sealed, {}
        unpublished, self._unpublished = self._unpublished, []
        left, self._left = self._left, {}
        told = len(damages) + len(sealed) + len(left) + len(unpublished)
        if not told:
            return

        now = now_us()

        def enter(tx: Transaction) -> list[tuple[bytes, int, int]]:
            for info in sealed.values():
                extents.seal(tx, info, now)
            leftovers.left_over(tx, left)
            for written in unpublished:
                extents.discard_unpublished(tx, written, now)
            return [
                (blob, shard, offset)
                for blob, shard, offset in sorted(damages)
                if append_alive(tx, blob, offset) and mark_missing(tx, blob, shard)
            ]

        try:
            queued = await self._catalog.write(enter)
        except CatalogError as error:
            if str(error) != self._refused:
                self._refused = str(error)
                _log.warning("%d reports about blobs wait: %s", told, error)
            self._damages = damages | self._damages
            self._sealed = sealed | self._sealed
            self._left = left | self._left
            self._unpublished = unpublished + self._unpublished
            return
        self._refused = ""
        for blob, shard, offset in queued:
            reason = damages[blob, shard, offset]
            _log.warning("shard %d of blob %s is damaged at %d: %s", shard, blob.hex(), offset, reason)

    def _schedule(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._later())

    async def _later(self) -> None:
        await asyncio.sleep(_PAUSE)
        await self.flush()
