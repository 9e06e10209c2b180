"""What is wrong with a shard now: the question that a scrub and a verification share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from objstore.blobs import Blobs
from objstore.blobs.rebuild import Pace, at_once
from objstore.blobs.types import Append, BlobInfo
from objstore.catalog.transaction import Transaction
from objstore.drives.errors import DriveError
from objstore.drives.state import DriveState
from objstore.store import repair

Read = Callable[[Callable[[Transaction], Any]], Any]


class Found(NamedTuple):
    """`kind` is `missing` (queued, to be healed), `drive` (its drive is not there) or `shard` (damaged)."""

    kind: str
    offset: int
    reason: str


async def look_at(
    read: Read, blobs: Blobs, info: BlobInfo, shard: int, appends: Sequence[Append], pace: Pace = at_once
) -> list[Found]:
    """Everything wrong with a shard and these appends in it; `read` reads the catalog as it is now.

    Nothing of what was moved, healed or deleted while it was looked at, or of a blob in which nothing is alive."""
    if info.sealed and not appends:
        return []
    drive = blobs.pool.by_id(info.drives[shard])
    if shard in info.missing:
        offset = info.missing[shard]
        return [Found("missing", offset, "is to be made anew" if not offset else f"lacks bytes from {offset} on")]
    if drive is None or drive.state is not DriveState.ONLINE:
        return [Found("drive", 0, "its drive is not there")]
    try:
        problems = await blobs.verify_shard(info, shard, appends, pace)
    except DriveError as error:
        return [Found("drive", 0, str(error))]
    if not problems:
        return []
    now = read(lambda tx: repair.blob(tx, info.id))
    if now is None or now.drives[shard] != info.drives[shard]:
        return []
    alive = {append.offset for append in read(lambda tx: repair.appends(tx, info.id))}
    if now.sealed and not alive:
        return []
    gone = [(one.offset, one.offset + one.span(info.layout)) for one in appends if one.offset not in alive]
    return [
        Found("shard", problem.offset, problem.reason)
        for problem in problems
        if not any(start <= problem.offset < end for start, end in gone)
    ]
