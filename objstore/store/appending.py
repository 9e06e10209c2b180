"""Appends: an object that is there gets more bytes at its end, and becomes another version that shares the old ones.

The offset must be the object's size when the append is published, so of two writers at one offset one wins. In a bucket
without versioning the longer object takes the place of the shorter one; else that stays as a version. Everything the
object says of itself stays as it was.

Each append is a part of the object. The ETag is the MD5 of the old ETag and of the MD5 of what was appended, with the
number of parts behind: it can be computed, and is not that of the whole. A checksum that can be combined (a CRC of the
full object) goes on being one of the whole; others end with the first append. A small tail that lives in the catalog is
written to the blobs when what follows it is not small, so that only the end of an object ever lives there. An encrypted
object gets another sealed stream under its data key.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-objects-append.html
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec

from objstore.blobs.types import Extent, Written
from objstore.catalog.transaction import Transaction
from objstore.store import buckets, objects, sealed, versions
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
    INLINE,
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
    """What an append asks for: the bytes of `source` behind the object `seen`, whole (None: a new one), at `offset`.

    `fits` raises when the request wants the object to be another than it is; `combine` joins the checksums of two runs
    of bytes with their lengths, None where that cannot be done.
    """

    offset: int
    seen: Version | None
    source: Source
    fits: Callable[[Version], None]
    combine: Combine


async def append(
    content: Content, bucket: str, key: str, asked: Append, new: NewObject, given: Preconditions
) -> Published:
    """As `Store.append`."""
    size = asked.offset + asked.source.length if asked.source.length is not None else None
    content.catalog.read(lambda tx: _check(tx, bucket, key, asked, given))
    content.catalog.read(lambda tx: objects.check(tx, bucket, key, given, new, size))
    storage_class = asked.seen.storage_class if asked.seen is not None else new.storage_class
    stamp = content.stamp()
    describe = (bucket, key, stamp.version_id)
    stored = await content.take(
        _some(asked.source), storage_class, describe, limit=MAX_PART, seal=new.seal, new=new, at=asked.offset
    )
    stored = await _behind(content, asked.seen, stored, storage_class, describe)
    now_us = content.clock()

    def publish(tx: Transaction) -> Published:
        known = buckets.require(tx, bucket)
        there = _check(tx, bucket, key, asked, given)
        draft = drafted(new, stored, stamp, now_us)
        shared: tuple[Extent, ...] = ()
        if there.current is not None:
            old = versions.whole(tx, there.current)
            draft, shared = longer(old, new, stored, stamp, now_us, asked.combine), old.extents
        made = versions.put(tx, known, key.encode(), there, draft, written=stored.written, shared=shared)
        outbox.created(tx, known, key, made)
        return objects.shown(known, made)

    return await content.publish(stored.written, now_us, publish)


def _check(tx: Transaction, name: str, key: str, asked: Append, given: Preconditions) -> versions.Place:
    """What is at the key. Raises for what is not what the append is for."""
    there = versions.place(tx, buckets.require(tx, name), key.encode())
    check_write(given, key, there.current)
    check_offset(there.current, asked.offset)
    if _identity(there.current) != _identity(asked.seen):
        raise ConditionalRequestConflict()
    if there.current is not None:
        asked.fits(there.current)
    return there


def check_offset(current: Version | None, offset: int) -> None:
    """Raise InvalidWriteOffset unless the object, or nothing, ends at the offset."""
    size = current.size if current is not None else 0
    if offset != size:
        raise InvalidWriteOffset(ObjectSize=str(size), WriteOffset=str(offset))


def _identity(version: Version | None) -> object:
    """What must not have changed: which version it is, and how it is sealed."""
    if version is None:
        return None
    record = version.encryption
    return version.ord, version.version_id, record.streams if record is not None else None


def _some(source: Source) -> Source:
    """A source that is refused when it has no bytes."""
    seen = 0

    def update(data: Buffer) -> None:
        nonlocal seen
        seen += len(data)
        source.update(data)

    def finish() -> Digest:
        digest = source.finish()
        if not seen:
            raise InvalidRequest("Request body cannot be empty when 'write offset' is specified.")
        return digest

    return Source(source.chunks, source.length, update, finish)


async def _behind(
    content: Content, old: Version | None, stored: Stored, storage_class: str, describe: tuple[str, str, str]
) -> Stored:
    """What was stored, behind the bytes at the old object's end that live in the catalog."""
    tail = (old.content or b"") if old is not None else b""
    if not tail:
        return stored
    small = tail + (stored.content or b"")
    if stored.written is None and len(small) <= INLINE:
        return msgspec.structs.replace(stored, content=small)
    body = Source(_once(small), len(small), lambda _: None, lambda: Digest(""))
    at = (old.size if old is not None else 0) - len(tail)
    try:
        before = (await content.take(body, storage_class, describe, limit=MAX_PART, inline=-1, at=at)).written
    except BaseException:
        await content.give_back(stored.written)
        raise
    assert before is not None, "what may not be inline is written"
    written = stored.written or Written()
    joined = Written(before.extents + written.extents, before.blobs + written.blobs, before.spans + written.spans)
    return msgspec.structs.replace(stored, content=None, written=joined)


async def _once(data: bytes) -> AsyncIterator[Buffer]:
    yield data


def longer(old: Version, new: NewObject, stored: Stored, stamp: Stamp, now_us: int, combine: Combine) -> Version:
    """The draft of the whole version `old` with what was stored behind it."""
    if old.size + stored.size > MAX_OBJECT:
        raise EntityTooLarge(ProposedSize=str(old.size + stored.size), MaxSizeAllowed=str(MAX_OBJECT))
    key, record = new.seal.key if new.seal is not None else None, old.encryption
    old, appended = sealed.laid_open(old, key), sealed.revealed(key, stored.digest.checksum)
    parts = _parts(old)
    number = parts[-1].number + 1 if parts else 1
    if number > MAX_PARTS:
        raise TooManyParts(f"An object has at most {MAX_PARTS:,} parts, and each append is one: write it anew.")
    parts = (*parts, PartInfo(number, stored.size, appended))
    longer = msgspec.structs.replace(
        old,
        version_id=stamp.version_id,
        ord=stamp.now_us,
        modified_us=now_us,
        etag=_etag(old.etag, stored.digest.etag, len(parts)),
        size=old.size + stored.size,
        checksum=_checksum(old, appended, stored.size, combine),
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
    if key is None or record is None:
        return longer
    record.check(key)
    streams = (*record.streams, *stored.streams)
    return sealed.covered(msgspec.structs.replace(longer, encryption=record.of(key, streams)), key)


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
