"""Healing and checking: a shard made again from the others, and a shard looked through.

A rebuild writes the whole shard file under a temporary name on the target drive, in steps, reads all of it back and
counts the frames that verify, and only then gives it its name. So a heal either is proved or has changed nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import erasure
from erasure import SHARD_HEADER, Buffer, HeaderCorrupt, HeaderTooNew, Layout, ShardCorrupt
from objstore.blobs.errors import RecordCorrupt, Unreadable
from objstore.blobs.gathering import gather
from objstore.blobs.reading import STEP
from objstore.blobs.records import Record, unpack_record
from objstore.blobs.shards import Range, ShardLost, Shards
from objstore.blobs.types import Append, BlobInfo
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError, FormatTooNew, ShardError

Pace: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited behind each step, so that long work can leave the drives to others meanwhile."""


async def at_once() -> None:
    """The pace of work that is not to rest."""


class Problem(NamedTuple):
    """Something wrong in a shard file: where, and what."""

    offset: int
    reason: str


async def rebuild(
    shards: Shards, info: BlobInfo, shard: int, target: Drive, appends: Sequence[Append], pace: Pace = at_once
) -> int:
    """Make the shard again on `target` and return how many verified frames it has: from the shard itself, where that is
    whole on another drive, else from the others, and from what is good of it where too few others are.

    Raises Unreadable when too few are good, DriveError when the target fails; nothing is changed then.
    """
    layout = info.layout
    moving = shard not in info.missing and info.drives[shard] != target.id
    try:
        header = erasure.pack_header(info.id, shard, layout)
        await target.create(info.id, shard, header, temporary=True)  # only what is alive will take space
        for append in appends:
            record = await _record(shards, info, append)
            await target.write(info.id, shard, append.offset, [record], temporary=True)
            suspects: set[int] = set()
            for place in _steps(layout, append):
                frames = await _same(shards, info, shard, place) if moving else None
                if frames is None:
                    frames = await _made(shards, info, shard, place, suspects)
                await target.write(info.id, shard, place.start, frames, temporary=True)
                await pace()
        await target.finish(info.id, shard, info.length, temporary=True)
        problems, count = await _look_through(info, shard, target, appends, pace, temporary=True)
        if problems:
            raise Unreadable(info.id, problems[0].offset, {shard: f"rebuilt, but {problems[0].reason}"})
        await target.place(info.id, shard)
    except BaseException:
        with contextlib.suppress(DriveError):
            await target.unlink(info.id, shard, temporary=True)
        raise
    return count


async def verify(
    shards: Shards, info: BlobInfo, shard: int, appends: Sequence[Append], pace: Pace = at_once
) -> list[Problem]:
    """Everything wrong in a shard file: header, records, frames. Raises DriveError when the drive does not answer."""
    drive = shards.pool.by_id(info.drives[shard])
    if drive is None:
        return [Problem(0, f"drive {info.drives[shard]} is not in the pool")]
    drive.forget(info.id, shard)  # what counts is the file of that name, not one that was open before
    present = [append for append in appends if info.has(shard, append.offset)]
    problems, _ = await _look_through(info, shard, drive, present, pace)
    return problems


async def _look_through(
    info: BlobInfo, shard: int, drive: Drive, appends: Sequence[Append], pace: Pace, *, temporary: bool = False
) -> tuple[list[Problem], int]:
    layout = info.layout
    problems: list[Problem] = []
    count = 0

    async def look(offset: int, length: int) -> Buffer | None:
        try:
            return await drive.read(info.id, shard, offset, length, temporary=temporary)
        except ShardError as error:
            problems.append(Problem(offset, error.reason))
            return None

    header = await look(0, SHARD_HEADER)
    try:
        if header is not None and (reason := _header_problem(info, shard, header)):
            problems.append(Problem(0, reason))
    except HeaderTooNew as error:
        raise FormatTooNew(str(drive.path), str(error)) from error  # it is not for us to call it damaged
    for append in appends:
        record = await look(append.offset, append.head)
        if record is not None:
            try:
                unpack_record(record, info.id, append.offset)
            except RecordCorrupt as error:
                problems.append(Problem(append.offset, str(error)))
        for place in _steps(layout, append):
            plan = place.plan
            await pace()
            raw = await look(place.start, plan.length)
            if raw is None:
                continue
            try:
                erasure.verify(layout, info.id, shard, place.frames, raw, plan.size, plan.first, plan.count)
                count += plan.count
            except ShardCorrupt as error:
                problems.append(Problem(error.offset, error.reason))
    return problems, count


def _header_problem(info: BlobInfo, shard: int, header: Buffer) -> str:
    try:
        found = erasure.unpack_header(header)
    except HeaderCorrupt as error:
        return str(error)
    if (found.blob_id, found.index, found.layout) != (info.id, shard, info.layout):
        return f"the file says it is shard {found.index} of blob {found.blob_id.hex()}"
    return ""


def _steps(layout: Layout, append: Append) -> Iterator[Range]:
    for plan in erasure.steps(layout, append.size, 0, append.size, max(1, STEP // layout.block_size)):
        yield Range(append.offset, append.head, plan)


async def _same(shards: Shards, info: BlobInfo, shard: int, place: Range) -> list[Buffer] | None:
    """The frames as the shard itself has them, verified; None where they are not good."""
    try:
        return [(await shards.fetch(info, shard, place)).raw]
    except ShardLost:
        return None


async def _made(shards: Shards, info: BlobInfo, shard: int, place: Range, suspects: set[int]) -> list[Buffer]:
    """The frames of a shard, of those of the others, or its own where too few others are good. Raises Unreadable."""
    plan = place.plan
    try:
        found = await gather(shards, info, info.layout, place, suspects, to_rebuild=True)
    except Unreadable:
        if plan.count == 1:
            raise
        return [frame for one in place.stripes(info.layout) for frame in await _made(shards, info, shard, one, set())]
    if shard in found:
        return [found[shard].raw]
    raw = {index: frames.raw for index, frames in found.items()}
    made = erasure.reconstruct(
        info.layout, info.id, place.frames, plan.size, raw, [shard], first=plan.first, count=plan.count
    )
    return made[shard]


async def record_of(shards: Shards, info: BlobInfo, append: Append) -> Record:
    """The record of an append. Raises Unreadable."""
    return unpack_record(await _record(shards, info, append), info.id, append.offset)


async def _record(shards: Shards, info: BlobInfo, append: Append) -> Buffer:
    """The record of an append from any shard that has it whole: every shard file holds the same."""
    reasons: dict[int, str] = {}
    for shard in shards.order(info, append.offset):
        drive = shards.drive(info, shard)
        if drive is None:
            continue
        try:
            record = await drive.read(info.id, shard, append.offset, append.head)
            unpack_record(record, info.id, append.offset)
        except (DriveError, RecordCorrupt) as error:
            reasons[shard] = str(error)
        else:
            return record
    raise Unreadable(info.id, append.offset, reasons)
