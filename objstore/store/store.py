"""The store: every verb of buckets, objects and uploads, as the wire above calls it.

A verb that writes bytes makes them durable first and publishes them by one catalog transaction, in which everything
that decides is looked at; when that transaction refuses, the bytes go to the garbage. Verbs that only look at a few rows
are plain functions (a point read takes microseconds); pages of listings are read on a thread.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence

from objstore.blobs.blobs import Blobs
from objstore.catalog.catalog import Catalog
from objstore.store.types import (
    ALWAYS,
    Acl,
    Bucket,
    Buffer,
    Checksum,
    CompletedPart,
    Copied,
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
from objstore.store.errors import StoreError


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


class Store:
    """Buckets and objects over a catalog and blobs. `clock` gives microseconds since 1970."""

    def __init__(self, catalog: Catalog, blobs: Blobs, *, clock: Callable[[], int] = now_us) -> None: ...

    # buckets

    async def create_bucket(
        self, name: str, owner: Owner, *, region: str = "", acl: Acl = (), ownership: str = "", versioning: str = ""
    ) -> Bucket:
        """Make a bucket. Raises BucketAlreadyOwnedByYou, BucketAlreadyExists."""
        ...

    def bucket(self, name: str) -> Bucket:
        """The bucket; raises NoSuchBucket."""
        ...

    async def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket and its uploads. Raises NoSuchBucket, BucketNotEmpty."""
        ...

    def list_buckets(
        self, *, owner: str | None = None, prefix: str = "", after: str = "", limit: int = 10_000
    ) -> Page[Bucket]:
        """Buckets by name, of one owner id or of all, behind the name `after`. `next` is the last name given."""
        ...

    async def set_versioning(self, name: str, status: str) -> Bucket:
        """Set versioning to Enabled or Suspended. Raises NoSuchBucket, IllegalVersioningConfiguration."""
        ...

    async def update_bucket(self, name: str, change: Callable[[Bucket], Bucket]) -> Bucket:
        """Replace a bucket's record by `change` of it, in one transaction. Its id and name stay."""
        ...

    # objects

    async def put(
        self, bucket: str, key: str, source: Source, new: NewObject, conditions: Preconditions = ALWAYS
    ) -> Published:
        """Write an object. Raises NoSuchBucket, IncompleteBody, EntityTooLarge, PreconditionFailed, NoSuchKey (If-Match
        of a key that is not there), and what `source.finish` raises; nothing is visible then."""
        ...

    def current(self, bucket: str, key: str, version_id: str | None = None) -> Version:
        """The current version, or the one of that id ("null" for the null version), whole: what `read` needs is in it.

        Raises NoSuchBucket; NoSuchKey (with `marker` when a delete marker is current); NoSuchVersion; MethodNotAllowed
        (with `marker`) when the version of that id is a delete marker; InvalidArgument for an id that cannot be one.
        """
        ...

    def read(self, version: Version, start: int = 0, length: int | None = None) -> AsyncIterator[Buffer]:
        """The verified bytes [start, start + length) of a version that `current` gave; to its end without `length`."""
        ...

    async def delete(
        self, bucket: str, key: str, version_id: str | None = None, conditions: Preconditions = ALWAYS
    ) -> Deleted:
        """Delete a version, or the current one as the bucket's versioning says. What is not there is deleted well.

        Raises NoSuchBucket, PreconditionFailed.
        """
        ...

    async def delete_many(self, bucket: str, items: Sequence[DeleteItem]) -> list[Deleted | StoreError]:
        """Delete in one transaction; for each item its outcome. Raises NoSuchBucket."""
        ...

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
    ) -> Copied[Published]:
        """Copy an object without moving bytes; `change` says, of the source, what the copy carries (pure, may run again).

        Bytes are read and written again where the storage class has another geometry, and read where `digester` of the
        source is not None: its checksum then replaces the source's. ETag and parts stay the source's. Errors as `current`
        (source) and `put`; PreconditionFailed for any source condition that fails.
        """
        ...

    async def rename(
        self,
        bucket: str,
        key: str,
        target: str,
        *,
        source_conditions: Preconditions = ALWAYS,
        conditions: Preconditions = ALWAYS,
    ) -> Published:
        """Give the current object of `key` the name `target`, in one transaction.

        In a bucket with versioning the target gets a new version, the source a delete marker.
        """
        ...

    async def update_version(
        self, bucket: str, key: str, version_id: str | None, change: Callable[[Version], Version]
    ) -> Version:
        """Replace what a version says of itself (ACL, later tags and locks); not its bytes. Errors as `current`."""
        ...

    # listings

    async def list_objects(
        self, bucket: str, *, prefix: str = "", delimiter: str = "", after: str = "", limit: int = 1000
    ) -> Page[Entry]:
        """Keys behind `after` (a key, or a prefix given before), keys with the delimiter behind `prefix` rolled up."""
        ...

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
        """All versions and delete markers by key, newest first, behind the markers. Raises InvalidArgument for a marker."""
        ...

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
        ...

    # multipart uploads

    async def create_upload(self, bucket: str, key: str, new: NewUpload) -> Upload:
        """Begin a multipart upload. Raises NoSuchBucket."""
        ...

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        """The upload; raises NoSuchBucket, NoSuchUpload."""
        ...

    async def put_part(self, bucket: str, key: str, upload_id: str, number: int, source: Source) -> Part:
        """Write a part, in place of an earlier one of that number. Raises NoSuchUpload and as `put`."""
        ...

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
    ) -> Copied[Part]:
        """Make a part of an object, or of its bytes `span` = (start, length), without moving them.

        With a `digester` the bytes are read for MD5 and checksum; without, the ETag is the source's (whole) or one made
        of the source's ETag and the span. Raises InvalidRange and as `copy`.
        """
        ...

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
    ) -> Published:
        """Make the object of an upload's parts. Done again with the same parts it tells the same.

        `combine` computes (and compares) the object's checksum of the parts chosen; `size` is what the client expects.
        Raises NoSuchUpload, InvalidPart, InvalidPartOrder, EntityTooSmall, InvalidRequest, PreconditionFailed, NoSuchKey.
        """
        ...

    async def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Forget an upload and its parts. Raises NoSuchBucket, NoSuchUpload."""
        ...

    async def list_parts(self, bucket: str, key: str, upload_id: str, *, after: int = 0, limit: int = 1000) -> PartsPage:
        """Parts by number behind `after`. Raises NoSuchUpload."""
        ...

    # accounts

    def usage(self, bucket: str) -> Usage:
        """Exact counts of a bucket. Raises NoSuchBucket."""
        ...

    async def counters(self) -> Counters:
        """Counts of the whole store."""
        ...
