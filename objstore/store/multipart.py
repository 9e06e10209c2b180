"""The verbs of multipart uploads, as the wire above calls them: begun, given parts, and completed or aborted.

Parts are written as objects are: bytes first, then one transaction that enters them. What begins an upload or adds to
one is refused (StorageFull) while a drive of the catalog is full; completing and aborting go on.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from objstore.catalog.transaction import Transaction
from objstore.sealing import DataKey, Seal
from objstore.store import buckets, completing, copying, listing, uploads
from objstore.store.completing import Completion
from objstore.store.types import (
    ALWAYS,
    MAX_PART,
    Checksum,
    CompletedPart,
    Copied,
    CopyKeys,
    Digester,
    MarkedPage,
    NewUpload,
    ObjectName,
    Part,
    PartsPage,
    Preconditions,
    Published,
    Source,
    Upload,
    Version,
)

if TYPE_CHECKING:
    from objstore.store.content import Content
    from objstore.store.events.cause import Caused
    from objstore.store.pages import Pages


class Multipart:
    """Uploads of a store, over its catalog and content. `clock` gives microseconds since 1970."""

    def __init__(self, catalog: Caused, content: Content, pages: Pages, clock: Callable[[], int]) -> None:
        self._catalog = catalog
        self._content = content
        self._pages = pages
        self._clock = clock

    async def create(self, bucket: str, key: str, new: NewUpload) -> Upload:
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
        stored = await self._content.take(source, upload.storage_class, describe, limit=MAX_PART, seal=seal, new=upload)
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
        await self._catalog.write(lambda tx: uploads.abort(tx, buckets.require(tx, bucket), key, upload_id))

    async def list_parts(
        self, bucket: str, key: str, upload_id: str, *, after: int = 0, limit: int = 1000
    ) -> PartsPage:
        """Parts by number behind `after`. Raises NoSuchUpload."""

        def look(tx: Transaction) -> PartsPage:
            upload = uploads.require(tx, buckets.require(tx, bucket), key, upload_id)
            return uploads.page_of_parts(tx, upload, after, limit)

        return await self._pages.read(look)

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
        return await self._pages.read(
            lambda tx: listing.list_uploads(
                tx, buckets.require(tx, bucket), prefix, delimiter, key_marker, upload_id_marker, limit
            )
        )
