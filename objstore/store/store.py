"""The store: every verb of buckets and objects, as the wire above calls it; those of uploads are in `multipart`.

A verb that writes bytes makes them durable first and publishes them by one catalog transaction, in which everything
that decides is looked at; when that transaction refuses, the bytes go to the garbage. Verbs that only look at a few
rows are plain functions (a point read takes microseconds); pages of listings are read on a thread. Verbs that add are
refused (StorageFull) while a drive of the catalog is full; what deletes, or finishes what was begun, goes on.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from objstore.catalog.transaction import Transaction
from objstore.sealing import DataKey
from objstore.store import (
    appending,
    buckets,
    configuration,
    copying,
    listing,
    locks,
    moving,
    objects,
    quotas,
    renaming,
    repair,
    rewrapping,
    usage,
    versions,
)
from objstore.store.appending import Append
from objstore.store.content import Content, drafted
from objstore.store.errors import StoreError
from objstore.store.events.cause import Caused
from objstore.store.events.rules import Notification
from objstore.store.inventories import Inventories
from objstore.store.lifecycle.rules import Lifecycle
from objstore.store.locks import ObjectLock
from objstore.store.multipart import Multipart
from objstore.store.pages import Pages
from objstore.store.quotas import Limits, Quota, Target
from objstore.store.renaming import Renaming
from objstore.store.rewrapping import Cursor, Progress
from objstore.store.types import (
    ALWAYS,
    MAX_OBJECT,
    Acl,
    Bucket,
    Buffer,
    Copied,
    CopyKeys,
    Counters,
    Deleted,
    DeleteItem,
    Digester,
    Entry,
    MarkedPage,
    NewObject,
    ObjectName,
    Owner,
    Page,
    Preconditions,
    Published,
    Source,
    Usage,
    Version,
    VersionEntry,
)
from objstore.store.views import Views

if TYPE_CHECKING:
    from objstore.blobs.blobs import Blobs
    from objstore.blobs.running import Read
    from objstore.blobs.types import Written
    from objstore.catalog.catalog import Catalog


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


class Store:
    """Buckets and objects over a catalog and blobs.

    `clock` gives microseconds since 1970; `classes` are further storage classes, with the parity of each. `unpublished`
    is told of what is durable and was not published for a reason of the catalog's: see `Reports`.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        *,
        clock: Callable[[], int] = now_us,
        classes: Mapping[str, int] | None = None,
        unpublished: Callable[[Written], None] = lambda _: None,
    ) -> None:
        self._catalog = Caused(catalog)
        self._clock = clock
        self._content = Content(self._catalog, blobs, clock, classes, unpublished)
        self.inventories = Inventories(catalog, clock)
        self._pages = Pages(self._catalog)
        self.multipart = Multipart(self._catalog, self._content, self._pages, clock)
        self.views = Views(self._catalog, self._content, self._pages, clock)

    @property
    def storage_classes(self) -> Mapping[str, int]:
        """The storage classes of this store, with the parity of each."""
        return self._content.classes

    # buckets

    async def create_bucket(
        self,
        name: str,
        owner: Owner,
        *,
        region: str = "",
        acl: Acl = (),
        ownership: str = "",
        versioning: str = "",
        documents: Mapping[str, msgspec.Struct] | None = None,
        most: Callable[[Transaction], int | None] = lambda _: None,
    ) -> Bucket:
        """Make a bucket, configured by `documents`; `most` tells how many its owner may have.

        Raises BucketAlreadyOwnedByYou, BucketAlreadyExists, TooManyBuckets.
        """
        self._catalog.require_room()
        new = Bucket(0, name, owner, self._clock(), versioning, region, acl, ownership)
        for subject, document in (documents or {}).items():
            new = configuration.changed(new, subject, document)
        return await self._catalog.write(lambda tx: buckets.create(tx, new, most(tx)))

    def bucket(self, name: str) -> Bucket:
        """The bucket; raises NoSuchBucket."""
        return self._catalog.read(lambda tx: buckets.require(tx, name))

    def seen(self, name: str) -> Bucket:
        """The bucket, or the view of a snapshot (which has a `source`), to read from; raises NoSuchBucket."""
        return self._catalog.read(lambda tx: buckets.seen(tx, name))

    async def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket and its uploads. Raises NoSuchBucket, BucketNotEmpty."""
        while not await self._catalog.write(lambda tx: buckets.delete(tx, name)):
            pass

    def list_buckets(
        self, *, owner: str | None = None, prefix: str = "", after: str = "", limit: int = 10_000
    ) -> Page[Bucket]:
        """Buckets by name, of one owner id or of all, behind the name `after`. `next` is the last name given."""
        return self._catalog.read(lambda tx: buckets.page(tx, owner, prefix, after, limit))

    async def set_versioning(self, name: str, status: str) -> Bucket:
        """Set versioning to Enabled or Suspended. Raises NoSuchBucket, IllegalVersioningConfiguration."""
        return await self._catalog.write(lambda tx: buckets.set_versioning(tx, name, status))

    async def update_bucket(self, name: str, change: Callable[[Bucket], Bucket]) -> Bucket:
        """Replace a bucket's record by `change` of it, in one transaction. Its id and name stay."""
        return await self._catalog.write(lambda tx: buckets.update(tx, name, change))

    async def configure_lock(self, name: str, document: ObjectLock) -> Bucket:
        """Give a bucket object lock, for ever, and the retention of new versions. Raises InvalidBucketState."""
        return await self.update_bucket(name, lambda bucket: locks.configured(bucket, document))

    async def configure(self, name: str, subject: str, document: msgspec.Struct | None) -> Bucket:
        """Set a bucket's document on a subject, or with None remove it. Raises NoSuchBucket."""
        return await self.update_bucket(name, lambda bucket: configuration.changed(bucket, subject, document))

    async def set_lifecycle(self, name: str, lifecycle: Lifecycle | None) -> Bucket:
        """Give a bucket other lifecycle rules, or none. Raises NoSuchBucket."""
        return await self._catalog.write(lambda tx: buckets.set_lifecycle(tx, name, lifecycle))

    async def set_notification(self, name: str, notification: Notification | None) -> Bucket:
        """Give a bucket other rules of notification, or none; targets are told. Raises NoSuchBucket."""
        now_us = self._clock()
        return await self._catalog.write(lambda tx: buckets.set_notification(tx, name, notification, now_us))

    # objects

    async def put(
        self, bucket: str, key: str, source: Source, new: NewObject, conditions: Preconditions = ALWAYS
    ) -> Published:
        """Write an object. Raises NoSuchBucket, IncompleteBody, EntityTooLarge, PreconditionFailed, NoSuchKey (If-Match
        of a key that is not there), QuotaExceeded, and what `source.finish` raises; nothing is visible then."""
        self._catalog.require_room()
        self._catalog.read(lambda tx: objects.check(tx, bucket, key, conditions, new, source.length))
        stamp = self._content.stamp()
        stored = await self._content.take(
            source, new.storage_class, (bucket, key, stamp.version_id), limit=MAX_OBJECT, seal=new.seal, new=new
        )
        draft = drafted(new, stored, stamp, self._clock())
        written = stored.written
        return await self._content.publish(
            written, draft.modified_us, lambda tx: objects.publish(tx, bucket, key, draft, written, conditions)
        )

    async def append(
        self, bucket: str, key: str, asked: Append, new: NewObject, conditions: Preconditions = ALWAYS
    ) -> Published:
        """Write bytes behind the current object, or a new one at offset 0. Of `new` an existing object takes nothing
        but lock and creator.

        Raises InvalidWriteOffset, TooManyParts, InvalidRequest (no bytes), ConditionalRequestConflict (replaced by
        another of the same size meanwhile), and as `put`.
        """
        self._catalog.require_room()
        return await appending.append(self._content, bucket, key, asked, new, conditions)

    def current(self, bucket: str, key: str, version_id: str | None = None) -> Version:
        """The current version, or the one of that id ("null" for the null version), whole: what `read` needs is in it.

        Raises NoSuchBucket; NoSuchKey (with `marker` when a delete marker is current); NoSuchVersion; MethodNotAllowed
        (with `marker`) when the version of that id is a delete marker; InvalidArgument for an id that cannot be one.
        """

        def look(tx: Transaction) -> Version:
            return versions.whole(tx, versions.require(tx, buckets.seen(tx, bucket), key, version_id))

        return self._catalog.read(look)

    async def begin_read(self) -> Read:
        """Whatever `current` gives from now on keeps its bytes until this is closed, and may be read for that long."""
        return await self._content.begin_read()

    def read(
        self,
        version: Version,
        start: int = 0,
        length: int | None = None,
        key: DataKey | None = None,
        begun: Read | None = None,
    ) -> AsyncIterator[Buffer]:
        """The verified bytes [start, start + length) of a version that `current` gave; to its end without `length`.

        `key` is the data key of an encrypted version; raises SealBroken where its bytes do not open. A read that has
        `begun` before the version was looked up is closed at the end.
        """
        return self._content.read(version, start, length, key, begun)

    def read_now(
        self, version: Version, start: int = 0, length: int | None = None, key: DataKey | None = None
    ) -> list[memoryview] | None:
        """The same bytes where they are at hand (in the catalog, or few and in the page cache); else None: `read`."""
        return self._content.read_now(version, start, length, key)

    async def delete(
        self,
        bucket: str,
        key: str,
        version_id: str | None = None,
        conditions: Preconditions = ALWAYS,
        *,
        bypass_governance: bool = False,
    ) -> Deleted:
        """Delete a version, or the current one as the bucket's versioning says. What is not there is deleted well.

        Raises NoSuchBucket, PreconditionFailed, ObjectLocked.
        """
        item, stamp = DeleteItem(key, version_id, conditions, bypass_governance), self._content.stamp()
        return await self._catalog.write(lambda tx: objects.delete(tx, buckets.require(tx, bucket), item, stamp))

    async def delete_many(self, bucket: str, items: Sequence[DeleteItem]) -> list[Deleted | StoreError]:
        """Delete in one transaction; for each item its outcome. Raises NoSuchBucket."""
        stamped = [(item, self._content.stamp()) for item in items]
        return await self._catalog.write(lambda tx: objects.delete_many(tx, bucket, stamped))

    async def copy(
        self,
        source: ObjectName,
        bucket: str,
        key: str,
        change: Callable[[Version], NewObject],
        *,
        source_conditions: Preconditions = ALWAYS,
        conditions: Preconditions = ALWAYS,
        digester: Callable[[Version], Digester | None] | None = None,
        keys: Callable[[Version], Awaitable[CopyKeys]] | None = None,
    ) -> Copied[Published]:
        """Copy an object without moving bytes; `change` of the source says what the copy carries (it may run again).

        Bytes are read and written again where the storage class has another geometry or `keys` of the source say that
        the copy is sealed otherwise, and read where `digester` of the source is not None: its checksum then replaces
        the source's. ETag and parts stay the source's. Errors as `current` (source) and `put`; PreconditionFailed for
        any source condition that fails.
        """
        self._catalog.require_room()
        return await copying.copy(
            self._content, source, bucket, key, change, source_conditions, conditions, digester, keys
        )

    async def rename(self, bucket: str, asked: Renaming) -> None:
        """Give the current object of a key another, in one transaction.

        In a bucket with versioning the target gets a new version, the source a delete marker. Raises NoSuchBucket,
        NoSuchKey, PreconditionFailed, QuotaExceeded, IdempotencyParameterMismatch.
        """
        self._catalog.require_room()
        stamp = self._content.stamp()
        await self._catalog.write(lambda tx: renaming.rename(tx, bucket, asked, stamp))

    def renamed(self, bucket: str, asked: Renaming) -> bool:
        """Whether this very rename was done a while ago, by its token. Raises IdempotencyParameterMismatch."""
        now_us = self._clock()
        return self._catalog.read(lambda tx: renaming.done(tx, buckets.require(tx, bucket), asked, now_us))

    async def update_version(
        self, bucket: str, key: str, version_id: str | None, change: Callable[[Version], Version]
    ) -> Version:
        """Replace what a version says of itself (ACL, tags); not its bytes, nor its lock. Errors as `current`."""
        now_us = self._clock()
        return await self._catalog.write(lambda tx: objects.update(tx, bucket, key, version_id, change, now_us))

    async def retain(
        self, bucket: str, key: str, version_id: str | None, mode: str, until_us: int, *, bypass_governance: bool
    ) -> Version:
        """Give a version another retention, or with mode "" none. Raises InvalidRequest, ObjectLocked, as `current`."""
        now_us = self._clock()

        def change(version: Version) -> Version:
            return locks.with_retention(version, mode, until_us, now_us, bypass=bypass_governance)

        return await self._catalog.write(lambda tx: objects.lock(tx, bucket, key, version_id, change, now_us))

    async def hold(self, bucket: str, key: str, version_id: str | None, hold: bool) -> Version:
        """Put a legal hold on a version, or take it away. Raises InvalidRequest and as `current`."""
        now_us = self._clock()

        def change(version: Version) -> Version:
            return locks.with_legal_hold(version, hold)

        return await self._catalog.write(lambda tx: objects.lock(tx, bucket, key, version_id, change, now_us))

    async def change_class(self, bucket: str, key: str, version: Version, storage_class: str) -> bool:
        """Give a version, as a listing or look has it, another storage class in its place: id, ETag and times stay.

        Bytes are written again where the classes differ in geometry. False when the version is gone or has changed
        meanwhile: nothing happened then. Raises what reading and writing raise.
        """
        return await moving.change_class(self._content, bucket, key, version, storage_class)

    # listings

    async def list_objects(
        self, bucket: str, *, prefix: str = "", delimiter: str = "", after: str = "", limit: int = 1000
    ) -> Page[Entry]:
        """Keys behind `after` (a key, or a prefix given before), keys with the delimiter behind `prefix` rolled up."""
        return await self._pages.read(
            lambda tx: listing.list_objects(tx, buckets.seen(tx, bucket), prefix, delimiter, after, limit)
        )

    async def list_versions(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        version_id_marker: str | None = None,
        limit: int = 1000,
    ) -> MarkedPage[VersionEntry]:
        """All versions and delete markers by key, newest first, behind the markers. Raises InvalidArgument."""
        return await self._pages.read(
            lambda tx: listing.list_versions(
                tx, buckets.seen(tx, bucket), prefix, delimiter, key_marker, version_id_marker, limit
            )
        )

    # quotas and counts

    async def set_quota(self, target: Target, limits: Limits) -> Quota:
        """Set limits; `count_quotas` counts what is there. An existing quota keeps its count."""
        return await self._catalog.write(lambda tx: quotas.put(tx, target, limits))

    async def remove_quota(self, target: Target) -> bool:
        """Take limits away; whether there were any."""
        return await self._catalog.write(lambda tx: quotas.remove(tx, target))

    def quota(self, target: Target) -> Quota | None:
        """The quota of a target."""
        return self._catalog.read(lambda tx: quotas.find(tx, target))

    async def list_quotas(self, after: Target | None = None, limit: int = 1000) -> list[Quota]:
        """Quotas by scope, bucket and name, behind one."""
        return await self._pages.read(lambda tx: quotas.page(tx, after, limit))

    async def count_quotas(self) -> bool:
        """Count the next batch of each quota that is not counted yet; whether any is left."""
        left = False
        for target in self._catalog.read(quotas.uncounted):
            quota = await self._catalog.write(lambda tx, target=target: quotas.count(tx, target))  # type: ignore[misc]
            left |= quota is not None and quota.counted is not None
        return left

    def usage(self, bucket: str) -> Usage:
        """Exact counts of a bucket. Raises NoSuchBucket."""
        return self._catalog.read(lambda tx: usage.of(tx, buckets.require(tx, bucket).id))

    async def rewrap(
        self, engine: str, key_id: str, rewrapped: Callable[[bytes], Awaitable[bytes]], after: Cursor, limit: int
    ) -> Progress:
        """Seal a page of wrapping keys under the newest version of a key; see `store/rewrapping.py`."""
        return await rewrapping.rewrap(self._catalog, engine, key_id, rewrapped, after, limit)

    async def counters(self) -> Counters:
        """Counts of the whole store."""
        return await self._pages.read(repair.counters)
