"""The verbs of snapshots of buckets: taken, told of, deleted, and made the present again, page by page.

A restore gives each key what the snapshot shows of it: a version that shares its bytes, as a copy does. In the bucket
itself what is not in the snapshot is deleted as a client would delete it, so with versioning nothing is lost by a
restore; a key that is as it was is left alone, so one that was cut short may be begun again. Clients may go on writing
meanwhile: each key is changed in one transaction, the bucket as a whole is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.store import buckets, objects, snapshots, versions
from objstore.store.errors import NoSuchBucket
from objstore.store.events import outbox
from objstore.store.locks import of_bucket
from objstore.store.snapshots import Kept, Snapshot
from objstore.store.types import Bucket, DeleteItem, Stamp, Version

if TYPE_CHECKING:
    from objstore.store.content import Content
    from objstore.store.events.cause import Caused
    from objstore.store.pages import Pages

PAGE = 100
_PURGE = 500
_END = b"\xff"


class Restored(NamedTuple):
    """What a page of a restore came to; `next` is the key to go on behind, None at the end."""

    restored: int
    deleted: int
    unchanged: int
    next: str | None


class Views:
    """Snapshots of the buckets of a store. `clock` gives microseconds since 1970."""

    def __init__(self, catalog: Caused, content: Content, pages: Pages, clock: Callable[[], int]) -> None:
        self._catalog = catalog
        self._content = content
        self._pages = pages
        self._clock = clock

    async def create(self, bucket: str, name: str) -> Snapshot:
        """Take a snapshot of what is current now. Raises NoSuchBucket, InvalidArgument, SnapshotAlreadyExists."""
        self._catalog.require_room()
        now_us = self._clock()

        def take(tx: Transaction) -> Snapshot:
            made = snapshots.create(tx, buckets.require(tx, bucket), name, now_us)
            buckets.update(tx, bucket, lambda known: msgspec.structs.replace(known, era=made.era))
            return made

        return await self._catalog.write(take)

    async def delete(self, bucket: str, name: str) -> None:
        """Delete a snapshot; what it alone keeps goes by and by. Raises NoSuchBucket."""

        def drop(tx: Transaction) -> None:
            known, found = _find(tx, bucket, name)
            snapshots.delete(tx, known.id, found)

        await self._catalog.write(drop)

    async def listed(self, bucket: str) -> tuple[list[Snapshot], Kept]:
        """The snapshots of a bucket, oldest first, and what they keep together. Raises NoSuchBucket."""

        def look(tx: Transaction) -> tuple[list[Snapshot], Kept]:
            known = buckets.require(tx, bucket)
            return snapshots.listed(tx, known.id), snapshots.kept(tx, known.id)

        return await self._pages.read(look)

    async def purge(self) -> bool:
        """Give a page of what deleted snapshots kept back; whether there may be more."""
        if self._catalog.read(lambda tx: tx.one("SELECT 1 FROM snapshot_purges LIMIT 1")) is None:
            return False
        return await self._catalog.write(lambda tx: snapshots.purge(tx, _PURGE))

    async def restore(self, bucket: str, name: str, target: str, after: str, limit: int = PAGE) -> Restored:
        """Restore some keys behind `after` into the bucket itself, or into another one, where nothing is deleted.

        Raises NoSuchBucket, QuotaExceeded: then no key of the page was changed."""
        self._catalog.require_room()
        stamp = self._content.stamp()
        return await self._catalog.write(lambda tx: _restore(tx, bucket, name, target, after.encode(), limit, stamp))


def _restore(tx: Transaction, name: str, snapshot: str, to: str, after: bytes, limit: int, stamp: Stamp) -> Restored:
    source, _ = _find(tx, name, snapshot)
    view, target = snapshots.view(tx, source, snapshot), buckets.require(tx, to)
    start = after + b"\0" if after else b""
    shown = {key: record for key, _, record in snapshots.rows(tx, view, start, _END, limit)}
    present: set[bytes] = set()
    if target.id == source.id:
        sql = "SELECT key FROM objects WHERE bucket = ? AND key >= ? ORDER BY key LIMIT ?"
        present = {row[0] for row in tx.all(sql, target.id, start, limit)}
    full = [max(keys) for keys in (shown.keys(), present) if len(keys) == limit]
    end = min(full, default=_END)
    restored = deleted = unchanged = 0
    for key in sorted(key for key in {*shown, *present} if key <= end):
        if key not in shown:
            objects.delete(tx, target, DeleteItem(key.decode()), stamp)
            deleted += 1
        elif _bring_back(tx, target, key, unpack(shown[key], Version), stamp):
            restored += 1
        else:
            unchanged += 1
    return Restored(restored, deleted, unchanged, end.decode() if full else None)


def _bring_back(tx: Transaction, target: Bucket, key: bytes, shown: Version, stamp: Stamp) -> bool:
    """Make what a snapshot shows of a key current; False where it is."""
    there = versions.place(tx, target, key)
    was = versions.whole(tx, shown)
    if there.current is not None and _same(versions.whole(tx, there.current), was):
        return False
    draft = msgspec.structs.replace(
        was,
        version_id=stamp.version_id,
        ord=stamp.now_us,
        modified_us=stamp.now_us,
        payload=None,
        manifest=None,
        upload_id=None,
        lock=was.lock if of_bucket(target) is not None else None,
    )
    made = versions.put(tx, target, key, there, draft, shared=was.extents)
    outbox.created(tx, target, key.decode(), made, "Copy")
    return True


def _find(tx: Transaction, bucket: str, name: str) -> tuple[Bucket, Snapshot]:
    known = buckets.require(tx, bucket)
    found = snapshots.find(tx, known.id, name)
    if found is None:
        raise NoSuchBucket(f"The bucket has no snapshot {name}.", BucketName=snapshots.name_of(bucket, name))
    return known, found


def _same(one: Version, other: Version) -> bool:
    """Whether two whole versions are the same but for when they were made, and what protects them."""

    def content(version: Version) -> Version:
        return msgspec.structs.replace(
            version,
            version_id="",
            ord=0,
            is_null=False,
            modified_us=0,
            payload=None,
            manifest=None,
            upload_id=None,
            lock=None,
        )

    return content(one) == content(other)
