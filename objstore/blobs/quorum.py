"""Waiting for shards to become durable: for all of them, but not for ever.

A write counts as soon as its quorum is durable, yet what did not arrive has to be healed. So once the quorum is there
the others get a short grace; a drive that does not make it is treated like one that failed, and the write goes on.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping

from objstore.drives.errors import DriveError

GRACE = 3.0
"""Seconds that the last drives get after the quorum is durable."""


class Late(DriveError):
    """A drive that did not answer within the grace."""


async def settle(calls: Mapping[int, Awaitable[object]], needed: int) -> dict[int, DriveError]:
    """Await `calls` (by shard) and return the failures by shard: every one, or those so far when the grace is over.

    Only errors of drives count as failures; any other is a bug and is raised. Late calls are left running.
    """
    if not calls:
        return {}
    tasks = {shard: asyncio.ensure_future(call) for shard, call in calls.items()}
    try:
        _, running = await asyncio.wait(tasks.values(), timeout=GRACE)
        while running and sum(map(_good, tasks.values())) < needed:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        if running:
            await asyncio.wait(running, timeout=GRACE)
        return {shard: error for shard, task in tasks.items() if (error := _failure(task)) is not None}
    finally:
        _leave(tasks.values())


def _good(task: "asyncio.Future[object]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _failure(task: "asyncio.Future[object]") -> DriveError | None:
    if not task.done():
        return Late("", f"did not answer within {GRACE:g} s of the others")
    error = task.exception()
    if error is None or isinstance(error, DriveError):
        return error
    raise error


def _leave(tasks: Iterable["asyncio.Future[object]"]) -> None:
    """Nobody waits for these any more: what becomes of them is no news."""
    for task in tasks:
        if not task.done():
            task.add_done_callback(_swallow)


def _swallow(task: "asyncio.Future[object]") -> None:
    if not task.cancelled():
        task.exception()
