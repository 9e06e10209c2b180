"""Frames of one shard: read from the drive that has them and verified, or the reason why not.

This is the one place where damage is noticed. A shard that is not where it should be may only have been moved, so the
blob is looked up again first; what is still wrong then is told to `damaged`, which queues it for repair. A shard that
is queued may be good all the same but for a byte: it is read when there are too few others, for frames that verify are
what was written.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import erasure
from erasure import Buffer, Layout, Plan, ShardCorrupt
from objstore.blobs.directory import Directory
from objstore.blobs.errors import BlobUnknown
from objstore.blobs.types import BlobInfo
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError, ShardError
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState

Damaged = Callable[[bytes, int, int, str], None]
"""Told of a blob, a shard, the offset of the append in which something is wrong, and what."""

Meet = Callable[[str], Awaitable[None]]
"""Lets the pool look whether a drive of this name has joined."""

SLOW_SECONDS = 5.0
"""So long a drive that was hedged against is asked last."""
REPORT_SECONDS = 60.0
"""So often the same damaged shard is reported."""
_REPORTED = 4096


@dataclass(frozen=True, slots=True)
class Range:
    """What to read of each shard: the planned frames of the append at `offset`."""

    offset: int
    head: int
    plan: Plan

    @property
    def frames(self) -> int:
        """Where the frames of the whole append begin in the shard files."""
        return self.offset + self.head

    @property
    def start(self) -> int:
        """Where the frames of the plan begin in the shard files."""
        return self.offset + self.head + self.plan.offset

    def stripes(self, layout: Layout) -> Iterator[Range]:
        """The same stripe by stripe: shards that are each bad in another one may have enough good ones of every."""
        first = self.plan.first * layout.block_size + self.plan.skip
        for plan in erasure.steps(layout, self.plan.size, first, self.plan.take, 1):
            yield Range(self.offset, self.head, plan)


async def nobody(_: str) -> None:
    """There is no drive to meet."""


class Frames(NamedTuple):
    """Verified frames of one shard: as they stand in the file, and the payload of each stripe."""

    raw: Buffer
    payloads: list[memoryview]


class ShardLost(Exception):
    """This shard does not give these frames now; the message says why."""


class Shards:
    """Reads of verified frames, and what is learned on the way: which drives are slow, which shards are damaged."""

    def __init__(self, pool: Pool, directory: Directory, damaged: Damaged, meet: Meet) -> None:
        self.pool = pool
        self._meet = meet
        self.directory = directory
        self._damaged = damaged
        self._reported: dict[tuple[bytes, int, int], float] = {}
        self._usual: dict[str, float] = {}
        self._slow_until: dict[str, float] = {}

    def drive(self, info: BlobInfo, shard: int) -> Drive | None:
        """The drive of the shard when it is online."""
        drive = self.pool.by_id(info.drives[shard])
        return drive if drive is not None and drive.state is DriveState.ONLINE else None

    async def reachable(self, info: BlobInfo) -> BlobInfo:
        """The blob as it is now, where one of its drives is not there: its shards may have come to another one, which
        the pool may have to meet first. Raises BlobUnknown."""
        if all(self.drive(info, shard) is not None for shard in range(len(info.drives))):
            return info
        info = self.directory.refresh(info.id)
        for drive in info.drives:
            if self.pool.by_id(drive) is None:
                await self._meet(drive)
        return info

    def order(self, info: BlobInfo, offset: int, suspects: frozenset[int] | set[int] = frozenset()) -> list[int]:
        """Shards to try for the append at `offset`, best first: data before parity, slow drives and suspects behind
        them, and last those that wait for repair."""
        now = time.monotonic()
        usable = [s for s in range(len(info.drives)) if self.drive(info, s) is not None]
        if self._slow_until or suspects or info.missing:
            usable.sort(
                key=lambda s: (
                    not info.has(s, offset),
                    s in suspects,
                    self._slow_until.get(info.drives[s], 0.0) > now,
                )
            )
        return usable

    def now(self, info: BlobInfo, layout: Layout, shard: int, place: Range) -> Frames | None:
        """The frames if they are in memory, without waiting; None also when anything is wrong: `fetch` will tell."""
        drive = self.drive(info, shard)
        if drive is None:
            return None
        plan = place.plan
        raw = drive.read_now(info.id, shard, place.start, plan.length)
        if raw is None:
            return None
        try:
            return Frames(
                raw, erasure.verify(layout, info.id, shard, place.frames, raw, plan.size, plan.first, plan.count)
            )
        except ShardCorrupt:
            return None

    async def fetch(self, info: BlobInfo, shard: int, place: Range) -> Frames:
        """The frames from the drive; raises ShardLost. Damage is reported before."""
        try:
            return await self._read(info, shard, place)
        except ShardCorrupt as error:
            reason = error.reason
            if (drive := self.drive(info, shard)) is not None:
                drive.forget(info.id, shard)  # another process may have healed it
        except ShardError as error:
            reason = error.reason
        except DriveError as error:
            raise ShardLost(str(error)) from error
        return await self._again(info.id, shard, place, reason)

    async def _again(self, blob: bytes, shard: int, place: Range, reason: str) -> Frames:
        try:
            fresh = self.directory.refresh(blob)
        except BlobUnknown as error:
            raise ShardLost("its blob is removed") from error
        try:
            return await self._read(fresh, shard, place)
        except (ShardCorrupt, ShardError) as error:
            if not fresh.has(shard, place.offset):
                raise ShardLost("waits for repair") from error
            self._report(blob, shard, place.offset, error.reason)
            raise ShardLost(reason) from error
        except DriveError as error:
            raise ShardLost(str(error)) from error

    async def _read(self, info: BlobInfo, shard: int, place: Range) -> Frames:
        drive = self.drive(info, shard)
        if drive is None:
            raise ShardLost(f"drive {info.drives[shard]} is not online")
        plan = place.plan
        began = time.monotonic()
        raw = await drive.read(info.id, shard, place.start, plan.length)
        self._learn(info.drives[shard], time.monotonic() - began)
        payloads = erasure.verify(info.layout, info.id, shard, place.frames, raw, plan.size, plan.first, plan.count)
        return Frames(raw, payloads)

    def _report(self, blob: bytes, shard: int, offset: int, reason: str) -> None:
        """Tell of damage once in a while, not at every read of it."""
        now = time.monotonic()
        if now < self._reported.get((blob, shard, offset), 0.0):
            return
        if len(self._reported) >= _REPORTED:
            self._reported.clear()
        self._reported[blob, shard, offset] = now + REPORT_SECONDS
        self._damaged(blob, shard, offset, reason)

    def patience(self, info: BlobInfo, shards: list[int], least: float) -> float:
        """Seconds after which these shards are late: twice what their drives usually take, at least `least`."""
        return max(least, *(2 * self._usual.get(info.drives[shard], 0.0) for shard in shards))

    def slow(self, info: BlobInfo, shard: int) -> None:
        """The shard's drive kept a read waiting: for a while others are asked before it."""
        self._slow_until[info.drives[shard]] = time.monotonic() + SLOW_SECONDS

    def _learn(self, drive: str, seconds: float) -> None:
        usual = self._usual.get(drive, seconds)
        self._usual[drive] = usual + (seconds - usual) / 8
