"""The store: every verb of buckets, objects and uploads, as the wire above calls it.

A verb that writes bytes makes them durable first and publishes them by one catalog transaction, in which everything
that decides is looked at; when that transaction refuses, the bytes go to the garbage. Verbs that only look at a few
rows are plain functions (a point read takes microseconds); pages of listings are read on a thread. Verbs that add are
refused (StorageFull) while a drive of the catalog is full; what deletes, or finishes what was begun, goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import msgspec

from objstore.catalog.transaction import Transaction
from objstore.sealing import DataKey, Seal
from objstore.store import (
    appending,
    buckets,
    completing,
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
    uploads,
    usage,
    versions,
)
from objstore.store.appending import Append
from objstore.store.completing import Completion
from objstore.store.content import Content, drafted
from objstore.store.errors import StoreError
from objstore.store.events.cause import Caused
from objstore.store.events.rules import Notification
from objstore.store.inventories import Inventories
from objstore.store.lifecycle.rules import Lifecycle
from objstore.store.locks import ObjectLock
from objstore.store.quotas import Limits, Quota, Target
from objstore.store.renaming import Renaming
from objstore.store.rewrapping import Cursor, Progress
from objstore.store.types import (
    ALWAYS,
    MAX_OBJECT,
    MAX_PART,
    Acl,
    Bucket,
    Buffer,
    Checksum,
    CompletedPart,
    Copied,
    CopyKeys,
    Counters,
    Deleted,
    DeleteItem,
    Digester,
    Entry,
    MarkedPage,
    NewObject,
    NewUpload,
    ObjectName,
    Owner,
    Page,
    Part,
    PartsPage,
    Preconditions,
    Published,
    Source,
    Upload,
    Usage,
    Version,
    VersionEntry,
)

if TYPE_CHECKING:
    from objstore.blobs.blobs import Blobs
    from objstore.catalog.catalog import Catalog

T = TypeVar("T")


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


class Store:
    """Buckets and objects over a catalog and blobs.

    `clock` gives microseconds since 1970; `classes` are further storage classes, with the parity of each.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        *,
        clock: Callable[[], int] = now_us,
        classes: Mapping[str, int] | None = None,
    ) -> None:
        self._catalog = Caused(catalog)
        self._clock = clock
        self._content = Content(self._catalog, blobs, clock, classes)
        self.inventories = Inventories(catalog, clock)
        self._pages = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pages")

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
    ) -> Bucket:
        """Make a bucket, configured by `documents`. Raises BucketAlreadyOwnedByYou, BucketAlreadyExists."""
        self._catalog.require_room()
        new = Bucket(0, name, owner, self._clock(), versioning, region, acl, ownership)
        for subject, document in (documents or {}).items():
            new = configuration.changed(new, subject, document)
        return await self._catalog.write(lambda tx: buckets.create(tx, new))

    def bucket(self, name: str) -> Bucket:
        """The bucket; raises NoSuchBucket."""
        return self._catalog.read(lambda tx: buckets.require(tx, name))

    async def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket and its uploads. Raises NoSuchBucket, BucketNotEmpty."""
        while not await self._catalog.write(lambda tx: buckets.delete(tx, name, self._clock())):
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
            source, new.storage_class, (bucket, key, stamp.version_id), limit=MAX_OBJECT, seal=new.seal
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
            return versions.whole(tx, versions.require(tx, buckets.require(tx, bucket), key, version_id))

        return self._catalog.read(look)

    def read(
        self, version: Version, start: int = 0, length: int | None = None, key: DataKey | None = None
    ) -> AsyncIterator[Buffer]:
        """The verified bytes [start, start + length) of a version that `current` gave; to its end without `length`.

        `key` is the data key of an encrypted version; raises SealBroken where its bytes do not open.
        """
        return self._content.read(version, start, length, key)

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
        return await self._page(
            lambda tx: listing.list_objects(tx, buckets.require(tx, bucket), prefix, delimiter, after, limit)
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
        return await self._page(
            lambda tx: listing.list_versions(
                tx, buckets.require(tx, bucket), prefix, delimiter, key_marker, version_id_marker, limit
            )
        )

    async def list_uploads(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        key_marker: str = "",
        upload_id_marker: str | None = None,
        limit: int = 1000,
    ) -> MarkedPage[Upload]:
        """Uploads in progress by key and time, behind the markers (`upload_id_marker` only beside a key marker)."""
        return await self._page(
            lambda tx: listing.list_uploads(
                tx, buckets.require(tx, bucket), prefix, delimiter, key_marker, upload_id_marker, limit
            )
        )

    # multipart uploads

    async def create_upload(self, bucket: str, key: str, new: NewUpload) -> Upload:
        """Begin a multipart upload. Raises NoSuchBucket."""
        self._catalog.require_room()
        stamp = self._content.stamp()
        upload = Upload(
            id=stamp.version_id,
            key=key,
            initiated_us=stamp.now_us,
            owner=new.owner,
            initiator=new.initiator,
            storage_class=new.storage_class,
            metadata=new.metadata,
            headers=new.headers,
            checksum_algorithm=new.checksum_algorithm,
            checksum_type=new.checksum_type,
            acl=new.acl,
            tags=new.tags,
            lock=new.lock,
            creator=new.creator,
            encryption=new.encryption,
        )
        return await self._catalog.write(lambda tx: uploads.begin(tx, buckets.require(tx, bucket), upload))

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        """The upload; raises NoSuchBucket, NoSuchUpload."""
        return self._catalog.read(lambda tx: uploads.require(tx, buckets.require(tx, bucket), key, upload_id))

    async def put_part(
        self, bucket: str, key: str, upload_id: str, number: int, source: Source, seal: Seal | None = None
    ) -> Part:
        """Write a part, in place of an earlier one of that number. `seal` is the upload's. Raises NoSuchUpload,
        QuotaExceeded and as `put`."""
        self._catalog.require_room()
        upload = self._catalog.read(
            lambda tx: uploads.open_for(tx, buckets.require(tx, bucket), key, upload_id, source.length)
        )
        describe = (bucket, key, f"{upload_id}.{number}")
        stored = await self._content.take(source, upload.storage_class, describe, limit=MAX_PART, seal=seal)
        now_us, written, digest = self._clock(), stored.written, stored.digest
        extents = written.extents if written is not None else ()
        part = Part(number, stored.size, digest.etag, now_us, digest.checksum, extents, streams=stored.streams)

        def enter(tx: Transaction) -> Part:
            known = buckets.require(tx, bucket)
            return uploads.enter(tx, known, key, upload_id, part, stored.content, written, now_us)

        return await self._content.publish(written, now_us, enter)

    async def copy_part(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        number: int,
        source: ObjectName,
        *,
        span: tuple[int, int] | None = None,
        source_conditions: Preconditions = ALWAYS,
        digester: Callable[[Upload], Digester | None] | None = None,
        keys: Callable[[Upload, Version], Awaitable[CopyKeys]] | None = None,
    ) -> Copied[Part]:
        """Make a part of an object, or of its bytes `span` = (start, length), without moving them.

        With a `digester` the bytes are read for MD5 and checksum; without, the ETag is the source's (whole) or one made
        of the source's ETag and the span. Bytes that are encrypted, or are to be, are written again. Raises
        InvalidRange and as `copy`.
        """
        self._catalog.require_room()
        return await copying.copy_part(
            self._content, bucket, key, upload_id, number, source, span, source_conditions, digester, keys
        )

    async def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        parts: Sequence[CompletedPart],
        *,
        conditions: Preconditions = ALWAYS,
        combine: Callable[[Upload, Sequence[Part]], Checksum | None] | None = None,
        size: int | None = None,
        data_key: DataKey | None = None,
    ) -> Published:
        """Make the object of an upload's parts. Done again with the same parts it tells the same.

        `combine` computes (and compares) the object's checksum of the parts chosen; `size` is what the client expects;
        `data_key` is that of an encrypted upload.
        Raises NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall, InvalidRequest, PreconditionFailed,
        NoSuchKey.
        """
        asked = Completion(
            upload_id=upload_id,
            parts=parts,
            given=conditions,
            combine=combine,
            size=size,
            stamp=self._content.stamp(),
            key=data_key,
        )
        return await self._catalog.write(lambda tx: completing.complete(tx, bucket, key, asked))

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Forget an upload and its parts. Raises NoSuchBucket, NoSuchUpload."""
        now_us = self._clock()
        await self._catalog.write(lambda tx: uploads.abort(tx, buckets.require(tx, bucket), key, upload_id, now_us))

    async def list_parts(
        self, bucket: str, key: str, upload_id: str, *, after: int = 0, limit: int = 1000
    ) -> PartsPage:
        """Parts by number behind `after`. Raises NoSuchUpload."""

        def look(tx: Transaction) -> PartsPage:
            upload = uploads.require(tx, buckets.require(tx, bucket), key, upload_id)
            return uploads.page_of_parts(tx, upload, after, limit)

        return await self._page(look)

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
        return await self._page(lambda tx: quotas.page(tx, after, limit))

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
        return await self._page(repair.counters)

    async def _page(self, look: Callable[[Transaction], T]) -> T:
        """Read what takes longer than the loop may wait on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pages, self._catalog.read, look)
