"""Verifying a store that runs, and one at rest, whose drives are locked meanwhile; and scrubbing one at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec

from objstore.blobs import Blobs
from objstore.blobs.ids import new_instance
from objstore.catalog import views
from objstore.catalog.errors import MirrorFailed
from objstore.catalog.views import View
from objstore.drives.lock import lock_drive
from objstore.drives.pool import Pool
from objstore.jobs import scrub
from objstore.jobs.verify import Progress, Report, Verification
from objstore.jobs.verify.verify import Read
from objstore.server.node import Node
from objstore.server.runtime import instance_lives
from objstore.store import extents, repair
from objstore.store.store import now_us

HEARTBEAT = 0.5
"""Seconds between two lines that tell how far it is."""


async def online(node: Node) -> AsyncIterator[dict[str, Any]]:
    """Verify a running store: `{"progress": ...}` again and again, then `{"report": ...}`."""
    verification = Verification(
        node.pool,
        node.catalog.views,
        lambda read: _blobs(node.pool, read),
        live=node.catalog.read,
        lives=lambda tag: instance_lives(node.runtime, tag),
    )
    task = asyncio.create_task(verification.run())
    try:
        while not task.done():
            await asyncio.wait([task], timeout=HEARTBEAT)
            yield {"progress": msgspec.to_builtins(verification.progress)}
        yield {"report": task.result().told()}
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def scrub_now(node: Node) -> AsyncIterator[dict[str, Any]]:
    """Have the jobs process look through everything at once, as `online` tells; it goes on if nobody listens."""
    begin = await scrub.order(node.catalog, now_us())
    while True:
        at = node.catalog.read(scrub.standing)
        if at is not None and at.began_us >= begin:
            yield {"progress": _scrubbed(node, at)}
            if at.ended:
                break
        else:
            yield {"progress": {"step": "mirrors", "done": 0, "total": 1}}
        await asyncio.sleep(HEARTBEAT)
    yield {
        "report": {
            "ok": not at.left,
            "bytes": at.total,
            "damaged_shards": at.damaged,
            "damaged_mirrors": len(at.mirrors),
            "left": list(at.left),
        }
    }


def _scrubbed(node: Node, at: scrub.Round) -> dict[str, Any]:
    """How far a round is: of the bytes, and then of what it found."""
    if at.done < at.total:
        return {"step": "shards", "done": at.done, "total": at.total}
    found = len(at.found) + len(at.mirrors)
    left = len(scrub.unmended(node.catalog, at)) + (0 if at.ended else len(at.mirrors))
    return {"step": "mending", "done": found - left, "total": found}


def offline(paths: Sequence[Path], progress: Callable[[Progress], None] = lambda _: None) -> Report:
    """Verify a store that does not run. Blocks. Raises DriveLocked where one of its drives is in use."""
    with contextlib.ExitStack() as stack:
        for path in paths:
            if path.is_dir():
                stack.callback(os.close, lock_drive(path))
        pool = Pool.open(paths)
        stack.callback(pool.close)
        ballot, damaged = views.ballots_at_rest(pool)
        verification = Verification(pool, lambda: _at_rest(pool), lambda read: _blobs(pool, read))
        for where, reason in damaged:
            verification.report.problem("drive", where, reason)
        if ballot is not None:
            for member in ballot.drives:
                if pool.by_id(member) is None:
                    verification.report.problem("drive", f"drive {member}", "has a vote, and is not among those named")
        return asyncio.run(_watched(verification, progress))


async def _watched(verification: Verification, progress: Callable[[Progress], None]) -> Report:
    task = asyncio.create_task(verification.run())
    while not task.done():
        await asyncio.wait([task], timeout=0.1)
        progress(verification.progress)
    return task.result()


@contextlib.contextmanager
def _nothing() -> Iterator[tuple[list[View], list[MirrorFailed]]]:
    yield [], []


def _at_rest(pool: Pool) -> AbstractContextManager[tuple[list[View], list[MirrorFailed]]]:
    ballot, _ = views.ballots_at_rest(pool)
    return views.at_rest(pool, ballot) if ballot is not None else _nothing()


def _blobs(pool: Pool, read: Read) -> Blobs:
    """Blobs that only read, and report nothing to the queues."""
    return Blobs(
        pool,
        instance=new_instance(),
        lookup=lambda blob: read(lambda tx: repair.blob(tx, blob)),
        damaged=lambda *_: None,
        moved=lambda extent: read(lambda tx: extents.moved(tx, extent)),
    )
