"""Reads: extents to verified bytes, in steps.

A step is a few stripes of one append: one read of each shard file that is needed. As long as frames are in the page
cache, small steps are read and verified on the event loop as the consumer asks for them: that takes a fifth of a
millisecond, which hopping between threads would exceed. What has to come from the medium goes through the drives'
threads in larger steps, and while the consumer is busy with one step the next is on its way. So a stream holds two
steps, whatever the size of the object.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import NamedTuple

import erasure
from erasure import Buffer, Layout
from objstore.blobs.errors import BlobUnknown, Unreadable
from objstore.blobs.gathering import gather, gather_now
from objstore.blobs.shards import Frames, Range, Shards
from objstore.blobs.types import BlobInfo, Extent

STEP = 4 << 20
"""Logical bytes of one step of a stream."""
NOW_MAX = 1 << 20
"""Bytes of a step that may be read on the event loop when they are in memory."""
MISSES = 2
"""So many steps in a row may not be in memory before the rest of the stream is left to the drives' threads."""


class Step(NamedTuple):
    """One step: a range of one append. `info` is looked up when its turn comes, because a heal may move shards."""

    extent: Extent
    info: BlobInfo
    layout: Layout
    place: Range


def steps(shards: Shards, extents: Sequence[Extent], start: int, length: int, size: int) -> Iterator[Step]:
    """The steps, of about `size` bytes, that give bytes [start, start + length) of the extents put together."""
    end = start + length
    at = 0
    for extent in extents:
        first, last = max(start, at), min(end, at + extent.length)
        if first < last:
            here = shards.directory.find(extent)
            yield from _steps_of(shards, extent, here, extent.start + first - at, last - first, size)
        at += extent.length


def _steps_of(shards: Shards, extent: Extent, here: Extent, start: int, length: int, size: int) -> Iterator[Step]:
    """Steps of a range of one append, which lies at `here`, or was moved from there since."""
    at, end = start, start + length
    layout = shards.directory.get(here.blob).layout
    stripes = max(1, size // layout.block_size)
    for plan in erasure.steps(layout, here.size, start, length, stripes):
        try:
            info = shards.directory.get(here.blob)
        except BlobUnknown:
            if (moved := shards.directory.elsewhere(extent)) is None or moved.blob == here.blob:
                raise
            yield from _steps_of(shards, extent, moved, at, end - at, size)
            return
        yield Step(extent, info, layout, Range(here.offset, here.head, plan))
        at += plan.take


def read_now(shards: Shards, extents: Sequence[Extent], start: int, length: int) -> list[memoryview] | None:
    """The bytes, when they are few, in memory and good: no waiting, no thread. Else None, and `read` will do it."""
    views: list[memoryview] = []
    if length > NOW_MAX:
        return None
    for step in steps(shards, extents, start, length, NOW_MAX):
        found = _step_now(shards, step)
        if found is None:
            return None
        views += found
    return views


async def read(shards: Shards, extents: Sequence[Extent], start: int, length: int) -> AsyncGenerator[Buffer, None]:
    """The bytes in order, in pieces of up to a shard block. Raises Unreadable, BlobUnknown."""
    at, end = start, start + length
    misses = 0
    for step in steps(shards, extents, start, length, NOW_MAX):
        views = _step_now(shards, step)
        if views is not None:
            misses = max(0, misses - 1)
        elif (misses := misses + 1) > MISSES:
            break
        else:
            views = await _fetch(shards, step, set())
        at += step.place.plan.take
        for view in views:
            yield view
    if at < end:
        async with contextlib.aclosing(_read_ahead(shards, extents, at, end - at)) as ahead:
            async for view in ahead:
                yield view


async def _read_ahead(
    shards: Shards, extents: Sequence[Extent], start: int, length: int
) -> AsyncGenerator[memoryview, None]:
    """As `read`, from the drives' threads, one step ahead of the consumer."""
    suspects: dict[bytes, set[int]] = {}
    ahead: asyncio.Task[list[memoryview]] | None = None
    try:
        for step in steps(shards, extents, start, length, STEP):
            following = asyncio.create_task(_fetch(shards, step, suspects.setdefault(step.info.id, set())))
            ready, ahead = ahead, following
            if ready is not None:
                for view in await ready:
                    yield view
        if ahead is not None:
            for view in await ahead:
                yield view
    finally:
        if ahead is not None and not ahead.done():
            ahead.cancel()


def _step_now(shards: Shards, step: Step) -> list[memoryview] | None:
    if step.place.plan.take > NOW_MAX:
        return None
    found = gather_now(shards, step.info, step.layout, step.place)
    return None if found is None else _decode(step.layout, step.place, found)


async def _fetch(shards: Shards, step: Step, suspects: set[int]) -> list[memoryview]:
    try:
        return await _fetch_here(shards, step, suspects)
    except (Unreadable, BlobUnknown):
        here = shards.directory.elsewhere(step.extent)
        if here is None or (here.blob, here.offset) == (step.info.id, step.place.offset):
            raise
    # compaction has moved it since the step was planned
    views: list[memoryview] = []
    plan = step.place.plan
    first = plan.first * step.layout.block_size + plan.skip
    for again in _steps_of(shards, step.extent, here, first, plan.take, STEP):
        views += await _fetch_here(shards, again, set())
    return views


async def _fetch_here(shards: Shards, step: Step, suspects: set[int]) -> list[memoryview]:
    _, info, layout, place = step
    info = await shards.reachable(info)
    try:
        return _decode(layout, place, await gather(shards, info, layout, place, suspects))
    except Unreadable:
        fresh = await shards.reachable(shards.directory.refresh(info.id))
        if place.plan.count == 1 and fresh.drives == info.drives:
            raise
        info = fresh  # shards have moved meanwhile, or each stripe has other good ones
    views: list[memoryview] = []
    for one in place.stripes(layout):
        views += _decode(layout, one, await gather(shards, info, layout, one, set()))
    return views


def _decode(layout: Layout, place: Range, found: dict[int, Frames]) -> list[memoryview]:
    return erasure.decode(layout, place.plan, {shard: frames.payloads for shard, frames in found.items()})
