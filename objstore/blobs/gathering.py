"""Enough verified shards for one step of a read, however many drives are slow, gone or wrong.

The shards that hold the bytes are asked first. One that fails is replaced at once, one that is late is *hedged*:
another shard is asked beside it and the first `data` good ones win. So a read takes as long as the `data` best
drives, and a flipped bit costs one more read and nothing else.
"""

from __future__ import annotations

import asyncio

from erasure import Layout
from objstore.blobs.errors import Unreadable
from objstore.blobs.shards import Frames, Range, ShardLost, Shards
from objstore.blobs.types import BlobInfo

HEDGE_AFTER = 0.05
"""Seconds that every shard may take before another is asked beside it."""


def gather_now(shards: Shards, info: BlobInfo, layout: Layout, place: Range) -> dict[int, Frames] | None:
    """As `gather`, when everything needed is in memory; else None."""
    order = shards.order(info, place.offset)
    wanted = place.plan.shards
    good = all(shard in order and info.has(shard, place.offset) for shard in wanted)
    chosen = wanted if good else order[: layout.data]
    found: dict[int, Frames] = {}
    for shard in chosen:
        frames = shards.now(info, layout, shard, place)
        if frames is None:
            return None
        found[shard] = frames
    return found if len(found) == len(wanted) or len(found) == layout.data else None


async def gather(
    shards: Shards, info: BlobInfo, layout: Layout, place: Range, suspects: set[int], *, to_rebuild: bool = False
) -> dict[int, Frames]:
    """Verified frames of the planned shards, or of any `data`; raises Unreadable. What fails is added to `suspects`.

    What a shard is to be made of is `data` shards always, be the range as short as it may.
    """
    return await _Gathering(shards, info, layout, place, suspects, to_rebuild).run()


class _Gathering:
    def __init__(
        self, shards: Shards, info: BlobInfo, layout: Layout, place: Range, suspects: set[int], to_rebuild: bool
    ) -> None:
        self._shards, self._info, self._place = shards, info, place
        self._suspects = suspects
        self._data = layout.data
        order = shards.order(info, place.offset, suspects)
        best = order[: layout.data]
        wanted = frozenset(place.plan.shards)
        # the planned shards alone will do for a short range, if none of them is out of favour
        self._enough = wanted if not to_rebuild and wanted <= set(best) else frozenset()
        self._queue = [
            *(shard for shard in order if shard in self._enough),
            *(s for s in order if s not in self._enough),
        ]
        self._good: dict[int, Frames] = {}
        self._failures: dict[int, str] = {}
        self._running: dict[asyncio.Task[Frames], int] = {}

    async def run(self) -> dict[int, Frames]:
        self._start(len(self._enough) or self._data)
        try:
            while not self._complete():
                if not self._running:
                    raise Unreadable(self._info.id, self._place.offset, self._reasons())
                await self._wait()
        finally:
            for task in self._running:
                task.cancel()
        return self._good

    def _complete(self) -> bool:
        return len(self._good) >= self._data or (bool(self._enough) and self._enough <= self._good.keys())

    def _start(self, count: int) -> None:
        count = max(0, count)
        for shard in self._queue[:count]:
            task = asyncio.ensure_future(self._shards.fetch(self._info, shard, self._place))
            self._running[task] = shard
        del self._queue[:count]

    async def _wait(self) -> None:
        running = self._running
        timeout = self._shards.patience(self._info, list(running.values()), HEDGE_AFTER) if self._queue else None
        done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            shard = running.pop(task)
            try:
                self._good[shard] = task.result()
            except ShardLost as error:
                self._failures[shard] = str(error)
                self._suspects.add(shard)
        if not done:
            for shard in running.values():
                self._shards.slow(self._info, shard)
            self._start(self._data - len(self._good))
        elif self._failures and not self._complete():
            self._start(self._data - len(self._good) - len(running))

    def _reasons(self) -> dict[int, str]:
        reasons = dict(self._failures)
        for shard in range(len(self._info.drives)):
            if shard not in reasons and shard not in self._good:
                online = self._shards.drive(self._info, shard) is not None
                reasons[shard] = "waits for repair" if online else f"drive {self._info.drives[shard]} is not online"
        return reasons
