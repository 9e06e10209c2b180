"""Appends: an object that is there gets more bytes at its end, and becomes another version that shares the old ones.

The offset must be the object's size when the append is published, so of two writers at one offset one wins. In a bucket
without versioning the longer object takes the place of the shorter one; else that stays as a version. Everything the
object says of itself stays as it was.

Each append is a part of the object. The ETag is the MD5 of the old ETag and of the MD5 of what was appended, with the
number of parts behind: it can be computed, and is not that of the whole. A checksum that can be combined (a CRC of the
full object) goes on being one of the whole; others end with the first append. A small tail that lives in the catalog is
written once more together with what follows it, so that only the end of an object ever does.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-objects-append.html
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec

from objstore.blobs.types import Extent
from objstore.catalog.transaction import Transaction
from objstore.store import buckets, objects, versions
from objstore.store.content import Content, drafted
from objstore.store.errors import (
    ConditionalRequestConflict,
    EntityTooLarge,
    InvalidRequest,
    InvalidWriteOffset,
    TooManyParts,
)
from objstore.store.events import outbox
from objstore.store.ingest import Stored
from objstore.store.preconditions import check_write
from objstore.store.types import (
    MAX_OBJECT,
    MAX_PART,
    MAX_PARTS,
    Buffer,
    Checksum,
    Digest,
    NewObject,
    PartInfo,
    Preconditions,
    Published,
    Source,
    Stamp,
    Version,
)

Combine = Callable[[Checksum, int, Checksum, int], Checksum | None]


@dataclass(frozen=True, slots=True)
class Append:
    """What an append asks for, beside its bytes: `source` gives them, read as suits the object that is there (None: a
    new one). `fits` raises when the request wants that to be another than it is; `combine` joins the checksums of two
    runs of bytes with their lengths, None where that cannot be done."""

    offset: int
    source: Callable[[Version | None], Source]
    fits: Callable[[Version], None]
    combine: Combine


async def append(
    content: Content, bucket: str, key: str, asked: Append, new: NewObject, given: Preconditions
) -> Published:
    """As `Store.append`."""
    seen = content.catalog.read(lambda tx: _look(tx, bucket, key, asked, given))
    source = asked.source(seen)
    size = asked.offset + source.length if source.length is not None else None
    content.catalog.read(lambda tx: objects.check(tx, bucket, key, given, new, size))
    tail = (seen.content or b"") if seen is not None else b""
    storage_class = seen.storage_class if seen is not None else new.storage_class
    stamp = content.stamp()
    describe = (bucket, key, stamp.version_id)
    seal = new.seal if seen is None else None
    body = _behind(tail, source)
    stored = await content.take(body, storage_class, describe, limit=MAX_PART + len(tail), seal=seal)
    now_us = content.clock()

    def publish(tx: Transaction) -> Published:
        known = buckets.require(tx, bucket)
        there = versions.place(tx, known, key.encode())
        check_write(given, key, there.current)
        _check_offset(there.current, asked.offset)
        if _identity(there.current) != _identity(seen):
            raise ConditionalRequestConflict()
        draft = drafted(new, stored, stamp, now_us)
        shared: tuple[Extent, ...] = ()
        if there.current is not None:
            old = versions.whole(tx, there.current)
            asked.fits(old)
            draft, shared = _longer(old, new, stored, len(tail), stamp, now_us, asked.combine), old.extents
        made = versions.put(tx, known, key.encode(), there, draft, written=stored.written, shared=shared)
        outbox.created(tx, known, key, made)
        return objects.shown(known, made)

    return await content.publish(stored.written, now_us, publish)


def _look(tx: Transaction, name: str, key: str, asked: Append, given: Preconditions) -> Version | None:
    """The object that is there, whole. Refuses early what would be refused in the end."""
    bucket = buckets.require(tx, name)
    current = versions.current(tx, bucket.id, key.encode())
    check_write(given, key, current)
    _check_offset(current, asked.offset)
    if current is None:
        return None
    old = versions.whole(tx, current)
    asked.fits(old)
    return old


def _check_offset(current: Version | None, offset: int) -> None:
    size = current.size if current is not None else 0
    if offset != size:
        raise InvalidWriteOffset(ObjectSize=str(size), WriteOffset=str(offset))


def _identity(version: Version | None) -> tuple[int, str] | None:
    return (version.ord, version.version_id) if version is not None else None


def _behind(tail: bytes, source: Source) -> Source:
    """The bytes of `source` behind those of `tail`, which are in no digest. Refuses a source without any."""
    seen = 0

    async def chunks() -> AsyncIterator[Buffer]:
        if tail:
            yield tail
        async for chunk in source.chunks:
            yield chunk

    def update(data: Buffer) -> None:
        nonlocal seen
        source.update(memoryview(data)[max(0, len(tail) - seen) :])
        seen += len(data)

    def finish() -> Digest:
        digest = source.finish()
        if seen == len(tail):
            raise InvalidRequest("Request body cannot be empty when 'write offset' is specified.")
        return digest

    return Source(chunks(), None if source.length is None else len(tail) + source.length, update, finish)


def _longer(
    old: Version, new: NewObject, stored: Stored, tail: int, stamp: Stamp, now_us: int, combine: Combine
) -> Version:
    """The draft of the old version with what was stored behind it, of which the first `tail` bytes are its own."""
    length = stored.size - tail
    if old.size + length > MAX_OBJECT:
        raise EntityTooLarge(ProposedSize=str(old.size + length), MaxSizeAllowed=str(MAX_OBJECT))
    parts = _parts(old)
    number = parts[-1].number + 1 if parts else 1
    if number > MAX_PARTS:
        raise TooManyParts(f"An object has at most {MAX_PARTS:,} parts, and each append is one: write it anew.")
    parts = (*parts, PartInfo(number, length, stored.digest.checksum))
    return msgspec.structs.replace(
        old,
        version_id=stamp.version_id,
        ord=stamp.now_us,
        modified_us=now_us,
        etag=_etag(old.etag, stored.digest.etag, len(parts)),
        size=old.size + length,
        checksum=_checksum(old, stored.digest.checksum, length, combine),
        parts=parts,
        part_count=len(parts),
        extents=(*old.extents, *(stored.written.extents if stored.written is not None else ())),
        payload=None,
        content=stored.content,
        manifest=None,
        upload_id=None,
        lock=new.lock,
        creator=new.creator,
    )


def _parts(old: Version) -> tuple[PartInfo, ...]:
    """The parts of what is there: an object put in one piece is its own first one."""
    if old.parts is not None:
        return old.parts
    return (PartInfo(1, old.size, old.checksum),) if old.size else ()


def _etag(old: str, appended: str, parts: int) -> str:
    joined = bytes.fromhex(old.partition("-")[0]) + bytes.fromhex(appended)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{parts}"


def _checksum(old: Version, appended: Checksum | None, length: int, combine: Combine) -> Checksum | None:
    """That of the whole, if it follows from those of its two runs."""
    if old.size == 0:
        return appended
    if old.checksum is None or appended is None:
        return None
    return combine(old.checksum, old.size, appended, length)
