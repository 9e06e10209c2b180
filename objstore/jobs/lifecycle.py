"""Lifecycle: act on the keys whose time has come, and walk buckets whose rules changed.

All that is to be done is rows of the catalog (`store/lifecycle/queue.py`), so a job that is killed goes on where it
was. Each batch is one transaction of a few hundred keys, so that requests get the commit lock in between.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from objstore.blobs.errors import BlobError
from objstore.catalog.transaction import Transaction
from objstore.store.errors import StoreError
from objstore.store.events.cause import CAUSE, Cause, Caused
from objstore.store.lifecycle import looking, queue
from objstore.store.lifecycle.looking import Looked
from objstore.store.lifecycle.planning import Standing
from objstore.store.store import Store, now_us
from objstore.store.types import Stamp

BATCH = 250
"""Keys of one transaction."""

_log = logging.getLogger(__name__)


class Done(NamedTuple):
    """Of one pass: versions expired or removed, uploads aborted, versions that changed their class."""

    removed: int = 0
    aborted: int = 0
    moved: int = 0


async def run(catalog: Caused, store: Store, clock: Callable[[], int] = now_us) -> Done:
    """Do all that is due now."""
    CAUSE.set(Cause(way="lifecycle"))
    done = Done()
    for bucket, _ in catalog.read(queue.walks):
        while (after := _cursor(catalog, bucket)) is not None:
            stamps = _stamps(clock, BATCH)

            def walk(
                tx: Transaction, bucket: int = bucket, after: bytes = after, stamps: Sequence[Stamp] = stamps
            ) -> Looked:
                return looking.walk(tx, bucket, after, BATCH, stamps)

            done = await _finish(catalog, store, clock, await catalog.write(walk), done)
    now = clock()
    while due := catalog.read(lambda tx: queue.due(tx, now, BATCH)):
        stamps = _stamps(clock, len(due))

        def look(tx: Transaction, due: Sequence[queue.Due] = due, stamps: Sequence[Stamp] = stamps) -> Looked:
            return looking.look(tx, due, stamps)

        done = await _finish(catalog, store, clock, await catalog.write(look), done)
    return done


def _cursor(catalog: Caused, bucket: int) -> bytes | None:
    return dict(catalog.read(queue.walks)).get(bucket)


def _stamps(clock: Callable[[], int], count: int) -> list[Stamp]:
    now = clock()
    return [Stamp(now, os.urandom(8).hex()) for _ in range(count)]


async def _finish(catalog: Caused, store: Store, clock: Callable[[], int], looked: Looked, done: Done) -> Done:
    """Go on with keys of many versions, and change the classes that a look found due; the sum so far."""
    moved = 0
    while True:
        for move in looked.moves:
            try:
                moved += await store.change_class(move.bucket, move.key, move.version, move.storage_class)
            except (StoreError, BlobError) as error:
                _log.warning("%s/%s keeps its class for now: %s", move.bucket, move.key, error)
        done = Done(done.removed + looked.removed, done.aborted + looked.aborted, done.moved + moved)
        moved = 0
        if not looked.deeper:
            return done
        rest = looked.deeper
        stamps = _stamps(clock, len(rest))

        def deeper(
            tx: Transaction,
            rest: Sequence[tuple[queue.Due, Standing]] = rest,
            stamps: Sequence[Stamp] = stamps,
        ) -> Looked:
            return looking.look_deeper(tx, rest, stamps)

        looked = await catalog.write(deeper)
