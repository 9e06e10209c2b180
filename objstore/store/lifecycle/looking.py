"""Looking at keys whose time has come: transaction functions that plan from what is there and act on it at once.

Expiring and removing go through the same functions as a client's deletes, so object lock and versioning decide alike;
what a lock holds is looked at again in a day. Changing a class moves bytes, so it is left to the caller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.store import buckets, objects, uploads, versions
from objstore.store.errors import StoreError
from objstore.store.lifecycle import queue
from objstore.store.lifecycle.planning import Plan, Standing, plan
from objstore.store.lifecycle.queue import Due
from objstore.store.lifecycle.rules import Lifecycle
from objstore.store.types import Bucket, DeleteItem, Stamp, Upload, Version

DEEP = 1_000
"""Versions of one key that one transaction looks at."""

_AGAIN = 3_600.0
"""Seconds, with real days, after which a change of class that did not happen is tried again."""


class Move(NamedTuple):
    """A version that is to have another class."""

    bucket: str
    key: str
    version: Version
    storage_class: str


class Looked(NamedTuple):
    """What a look did: versions expired or removed, uploads aborted, and the changes of class left to do. `deeper`:
    the keys that have more versions than one look takes, with the last one seen."""

    removed: int
    aborted: int
    moves: list[Move]
    deeper: list[tuple[Due, Standing]]


def look(tx: Transaction, dues: Sequence[Due], stamps: Sequence[Stamp]) -> Looked:
    """Look at keys whose time has come; a stamp for each, of now, names the delete marker that it may need."""
    looked = Looked(0, 0, [], [])
    for due, stamp in zip(dues, stamps, strict=True):
        bucket = buckets.by_id(tx, due.bucket)
        lifecycle = queue.of(bucket) if bucket is not None else None
        if bucket is None or lifecycle is None:
            queue.settle(tx, due, None)
            continue
        looked, next_us = _look_at(tx, bucket, lifecycle, due, stamp, looked)
        queue.settle(tx, due, next_us)
    return looked


def look_deeper(tx: Transaction, keys: Sequence[tuple[Due, Standing]], stamps: Sequence[Stamp]) -> Looked:
    """Go on with keys of many versions, behind the last version that was seen of each."""
    looked = Looked(0, 0, [], [])
    for (due, last), stamp in zip(keys, stamps, strict=True):
        bucket = buckets.by_id(tx, due.bucket)
        lifecycle = queue.of(bucket) if bucket is not None else None
        if bucket is not None and lifecycle is not None:
            looked, next_us = _look_at(tx, bucket, lifecycle, due, stamp, looked, last)
            queue.enter(tx, due.bucket, due.key, next_us)
    return looked


def walk(tx: Transaction, bucket_id: int, after: bytes, limit: int, stamps: Sequence[Stamp]) -> Looked:
    """Look at the next `limit` keys of a bucket whose rules changed, and note how far that was."""
    looked = Looked(0, 0, [], [])
    bucket = buckets.by_id(tx, bucket_id)
    lifecycle = queue.of(bucket) if bucket is not None else None
    if bucket is None or lifecycle is None:
        queue.walked(tx, bucket_id, after, None)
        return looked
    keys = queue.page(tx, bucket_id, after, limit)
    for key, stamp in zip(keys, stamps, strict=False):
        looked, next_us = _look_at(tx, bucket, lifecycle, Due(bucket_id, key, 0), stamp, looked)
        queue.enter(tx, bucket_id, key, next_us)
    queue.walked(tx, bucket_id, after, keys[-1] if len(keys) == limit else None)
    return looked


def _look_at(
    tx: Transaction,
    bucket: Bucket,
    lifecycle: Lifecycle,
    due: Due,
    stamp: Stamp,
    sofar: Looked,
    behind: Standing | None = None,
) -> tuple[Looked, int | None]:
    """Plan for a key and act; what was done so far with this added, and when the key is due next."""
    now_us, key = stamp.now_us, due.key.decode()
    standing = list(_standing(tx, bucket, due.key, behind))
    begun = _uploads(tx, bucket, due.key) if behind is None else []
    planned = plan(lifecycle, key, standing, begun, now_us)
    removed = _act(tx, bucket, key, planned, stamp)
    for upload in planned.abort:
        uploads.abort(tx, bucket, key, upload.id)
    moves = [Move(bucket.name, key, version, to) for version, to in planned.move]
    if moves:
        planned.later(now_us + int(_AGAIN * lifecycle.day / 86_400 * 1_000_000))
    if removed < len(planned.expire) + len(planned.remove) or len(standing) == DEEP:
        planned.later(lifecycle.after(now_us, 1))
    if removed and bucket.versioning:
        planned.later(lifecycle.after(now_us, 0))  # what is left stands differently now
    deeper = [(due, standing[-1])] if len(standing) == DEEP else []
    looked = Looked(
        sofar.removed + removed,
        sofar.aborted + len(planned.abort),
        sofar.moves + moves,
        sofar.deeper + deeper,
    )
    return looked, planned.next_us


def _act(tx: Transaction, bucket: Bucket, key: str, planned: Plan, stamp: Stamp) -> int:
    """Expire and remove; how many versions that were. What is locked stays."""
    done = 0
    wishes = [None] * len(planned.expire) + [version.version_id for version in planned.remove]
    for wanted in wishes:
        try:
            objects.delete(tx, bucket, DeleteItem(key, wanted), stamp)
            done += 1
        except StoreError:
            continue
    return done


def _standing(tx: Transaction, bucket: Bucket, key: bytes, behind: Standing | None) -> Iterator[Standing]:
    """The versions of a key from the newest, or from behind one that was seen: DEEP of them."""
    limit, newer, since_us = DEEP, 0, None
    current = versions.current(tx, bucket.id, key) if behind is None else None
    below = (1 << 63) - 1
    if behind is not None:
        below, since_us = behind.version.ord, behind.version.modified_us
        newer = 0 if behind.since_us is None else behind.newer + 1
    rows = tx.all(
        "SELECT record FROM versions WHERE bucket = ? AND key = ? AND ord < ? ORDER BY ord DESC LIMIT ?",
        *(bucket.id, key, below, limit - (current is not None)),
    )
    older = [unpack(record, Version) for (record,) in rows]
    found = [current, *older] if current is not None else older
    for version in found:
        yield Standing(version, since_us, newer, alone=behind is None and len(found) == 1)
        newer += since_us is not None
        since_us = version.modified_us


def _uploads(tx: Transaction, bucket: Bucket, key: bytes) -> list[Upload]:
    rows = tx.all("SELECT record FROM uploads WHERE bucket = ? AND key = ? ORDER BY id LIMIT ?", bucket.id, key, DEEP)
    return [unpack(record, Upload) for (record,) in rows]
