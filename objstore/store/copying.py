"""Copies: another record that refers to the same bytes.

Bytes move only where they must: to a storage class of another geometry they are written again, and so they are when
they are to be encrypted otherwise; a checksum that the source does not have needs them read. Under the same key an
encrypted copy shares the source's bytes and its data key, sealed anew: whoever can open one can open the other, so
nothing is lost by it. Under another key it must not, or the old one would open the copy. Bytes that are written again
are those that the source had when the copy began, whatever it has by the end.

What was looked at before the transaction is looked at again inside it; when the source has changed in between the copy
starts over.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Awaitable, Callable

import msgspec

from objstore.catalog.transaction import Transaction
from objstore.sealing import DataKey, Seal
from objstore.store import buckets, extents, objects, quotas, sealed, uploads
from objstore.store.content import Content, cut
from objstore.store.errors import InvalidRange, InvalidRequest, OperationAborted
from objstore.store.ingest import Stored
from objstore.store.types import (
    INLINE,
    MAX_OBJECT,
    MAX_PART,
    Checksum,
    Copied,
    CopyKeys,
    Digest,
    Digester,
    NewObject,
    ObjectName,
    Part,
    Preconditions,
    Published,
    Source,
    Upload,
    Version,
)

_TRIES = 4
_PLAIN = CopyKeys()

Change = Callable[[Version], NewObject]


async def copy(
    content: Content,
    source: ObjectName,
    bucket: str,
    key: str,
    change: Change,
    source_given: Preconditions,
    given: Preconditions,
    digester: Callable[[Version], Digester | None] | None,
    keys: Callable[[Version], Awaitable[CopyKeys]] | None,
) -> Copied[Published]:
    """As `Store.copy`."""
    with contextlib.closing(await content.begin_read()):
        for _ in range(_TRIES):
            from_bucket, version = content.catalog.read(lambda tx: objects.source_of(tx, source, source_given))
            held = await keys(version) if keys is not None else _PLAIN
            wanted = digester(version) if digester is not None else None
            new = change(version)
            moves = version.extents and content.parity(new.storage_class) != content.parity(version.storage_class)
            if moves or held.recodes:
                published = await _rewritten(content, version, bucket, key, new, held, wanted, given)
                return Copied(published, version, version.version_id if from_bucket.versioning else None)
            digest = await content.digest(version, 0, version.size, wanted, held.source) if wanted is not None else None
            copied = await _shared(
                content, source, bucket, key, change, version, held.seal, digest, source_given, given
            )
            if copied is not None:
                return copied
        raise OperationAborted("The source of the copy keeps changing")


async def _shared(
    content: Content,
    source: ObjectName,
    bucket: str,
    key: str,
    change: Change,
    seen: Version,
    seal: Seal | None,
    digest: Digest | None,
    source_given: Preconditions,
    given: Preconditions,
) -> Copied[Published] | None:
    """Publish a record that refers to the source's bytes; None if the source is another than what was seen."""
    stamp = content.stamp()
    checksum = digest.checksum if digest is not None else None
    if seal is not None:
        checksum = sealed.hidden(seal.key, checksum)

    def draft(version: Version) -> Version | None:
        if _identity(version) != _identity(seen):
            return None
        assert (version.encryption is None) == (seal is None), "shared bytes stay under the key that sealed them"
        return _with_checksum(objects.drafted_copy(version, change(version), stamp, seal), checksum)

    return await content.catalog.write(lambda tx: objects.copy(tx, source, bucket, key, draft, source_given, given))


async def _rewritten(
    content: Content,
    version: Version,
    bucket: str,
    key: str,
    new: NewObject,
    held: CopyKeys,
    wanted: Digester | None,
    given: Preconditions,
) -> Published:
    """Write the source's bytes again, in the geometry of the target and under its key."""
    stamp, seal = content.stamp(), held.seal
    uncovers = version.encryption is not None and version.encryption.opaque and not version.parts
    digests = wanted or (_md5() if uncovers else Digester(_ignore, lambda: Digest(version.etag)))
    body = _body(content, version, 0, version.size, digests, held.source)
    stored = await content.take(
        body, new.storage_class, (bucket, key, stamp.version_id), limit=MAX_OBJECT, seal=seal, new=new
    )
    draft = msgspec.structs.replace(
        objects.drafted_copy(sealed.laid_open(version, held.source), new, stamp),
        modified_us=content.clock(),
        etag=_etag_of_copy(version, seal, stored.digest.etag),
        extents=stored.written.extents if stored.written is not None else (),
        content=stored.content,
    )
    if seal is not None:
        encryption = seal.record.of(seal.key, stored.streams)
        draft = msgspec.structs.replace(sealed.covered(draft, seal.key), encryption=encryption)
    draft = _with_checksum(draft, stored.digest.checksum if wanted is not None else None)
    return await content.publish(
        stored.written,
        draft.modified_us,
        lambda tx: objects.publish(tx, bucket, key, draft, stored.written, given, "Copy"),
    )


def _etag_of_copy(version: Version, seal: Seal | None, taken: str) -> str:
    """The ETag of a copy whose bytes were written again, whose own digest is `taken`.

    It is the source's as long as it is made of MD5s on both sides. Where one side's is random, it is the MD5 or a
    random one as the target has it, but for an object of parts, whose ETag is no MD5 of its bytes anyway.
    """
    if seal is not None and seal.opaque:
        return f"{taken}-{len(version.parts)}" if version.parts else taken
    uncovered = version.encryption is not None and version.encryption.opaque and not version.parts
    return taken if uncovered else version.etag


def _identity(version: Version) -> object:
    """What a copy that shares bytes depends on: which version it is, and the geometry of its bytes."""
    return version.ord, version.version_id, version.storage_class


def _with_checksum(draft: Version, checksum: Checksum | None) -> Version:
    """The draft with the checksum of the whole that was computed, if any, and without those of its parts."""
    if checksum is None:
        return draft
    parts = draft.parts and tuple(msgspec.structs.replace(part, checksum=None) for part in draft.parts)
    return msgspec.structs.replace(draft, checksum=checksum, parts=parts)


async def copy_part(
    content: Content,
    bucket: str,
    key: str,
    upload_id: str,
    number: int,
    source: ObjectName,
    span: tuple[int, int] | None,
    source_given: Preconditions,
    digester: Callable[[Upload], Digester | None] | None,
    keys: Callable[[Upload, Version], Awaitable[CopyKeys]] | None,
) -> Copied[Part]:
    """As `Store.copy_part`."""

    def look(tx: Transaction) -> tuple[Upload, bool, Version]:
        upload = uploads.require(tx, buckets.require(tx, bucket), key, upload_id)
        from_bucket, version = objects.source_of(tx, source, source_given)
        return upload, bool(from_bucket.versioning), version

    with contextlib.closing(await content.begin_read()):
        for _ in range(_TRIES):
            upload, versioned, version = content.catalog.read(look)
            start, length = _span(version, span)
            held = await keys(upload, version) if keys is not None else _PLAIN
            wanted = digester(upload) if digester is not None else None
            part, stored = await _made(content, bucket, upload, number, version, start, length, held, wanted)
            if await _enter(content, bucket, upload, source, version, part, stored, source_given):
                return Copied(part, version, version.version_id if versioned else None)
    raise OperationAborted("The source of the copy keeps changing")


async def _enter(
    content: Content,
    bucket: str,
    upload: Upload,
    source: ObjectName,
    seen: Version,
    part: Part,
    stored: Stored | None,
    source_given: Preconditions,
) -> bool:
    """Enter a part whose last extents were written for it (`stored`); False if the source is not what was seen."""
    written = stored.written if stored is not None else None
    own = len(written.extents) if written is not None else 0
    shared = part.extents[: len(part.extents) - own]

    def enter(tx: Transaction) -> bool:
        known = buckets.require(tx, bucket)
        bound = uploads.require(tx, known, upload.key, upload.id)
        quotas.check_alone(tx, known, bound.key.encode(), bound.creator, part.size)
        if shared and objects.source_of(tx, source, source_given)[1].extents != seen.extents:
            if written is not None:
                extents.discard(tx, written, part.modified_us)
            return False
        extents.acquire(tx, shared)
        if written is not None:
            extents.record(tx, written)
        uploads.put_part(tx, bound, part, stored.content if stored is not None else None, part.modified_us)
        return True

    return await content.publish(written, part.modified_us, enter)


def _span(version: Version, span: tuple[int, int] | None) -> tuple[int, int]:
    """The range of the source, checked."""
    start, length = span if span is not None else (0, version.size)
    if start < 0 or length < 0 or start + length > version.size:
        raise InvalidRange(ActualObjectSize=str(version.size), RangeRequested=f"bytes={start}-{start + length - 1}")
    if length > MAX_PART:
        raise InvalidRequest(
            f"The specified copy source is larger than the maximum allowable size for a copy source: {MAX_PART}"
        )
    return start, length


async def _made(
    content: Content,
    bucket: str,
    upload: Upload,
    number: int,
    version: Version,
    start: int,
    length: int,
    held: CopyKeys,
    wanted: Digester | None,
) -> tuple[Part, Stored | None]:
    """A part of a range of a version: shared extents, then what had to be written (`Stored`) for it.

    A small tail behind extents is written to a blob: only the last part of an object may have bytes in the catalog.
    """
    describe = (bucket, upload.key, f"{upload.id}.{number}")
    if held.recodes:
        return await _recoded(content, describe, upload, number, version, start, length, held, wanted or _md5())
    listed, tail = cut(version, start, length)
    stored: Stored | None = None
    digest: Digest | None
    if listed and content.parity(upload.storage_class) != content.parity(version.storage_class):
        body = _body(content, version, start, length, wanted or _md5())
        stored = await content.take(body, upload.storage_class, describe, limit=MAX_PART, new=upload)
        digest, listed = stored.digest, ()
    else:
        digest = await content.digest(version, start, length, wanted) if wanted is not None else None
        digest = digest if digest is not None else Digest(_etag(version, start, length))
        if tail:
            body = _body(content, version, start + length - len(tail), len(tail), _md5())
            inline = INLINE if not listed else -1
            at = length - len(tail)
            stored = await content.take(
                body, upload.storage_class, describe, limit=MAX_PART, inline=inline, new=upload, at=at
            )
    own = stored.written.extents if stored is not None and stored.written is not None else ()
    return Part(number, length, digest.etag, content.clock(), digest.checksum, (*listed, *own)), stored


async def _recoded(
    content: Content,
    describe: tuple[str, str, str],
    upload: Upload,
    number: int,
    version: Version,
    start: int,
    length: int,
    held: CopyKeys,
    digester: Digester,
) -> tuple[Part, Stored]:
    """A part of a range that is opened, or sealed, or both."""
    body = _body(content, version, start, length, digester, held.source)
    stored = await content.take(body, upload.storage_class, describe, limit=MAX_PART, seal=held.seal, new=upload)
    extents = stored.written.extents if stored.written is not None else ()
    digest = stored.digest
    made = Part(number, length, digest.etag, content.clock(), digest.checksum, extents, streams=stored.streams)
    return made, stored


def _etag(version: Version, start: int, length: int) -> str:
    """The source's own MD5 where the whole of it is copied; else a name that the source and the range determine."""
    if (start, length) == (0, version.size) and "-" not in version.etag:
        return version.etag
    return hashlib.md5(f"{version.etag}:{start}+{length}".encode(), usedforsecurity=False).hexdigest()


def _body(
    content: Content, version: Version, start: int, length: int, digester: Digester, key: DataKey | None = None
) -> Source:
    return Source(content.read(version, start, length, key), length, digester.update, digester.finish)


def _md5() -> Digester:
    digest = hashlib.md5(usedforsecurity=False)
    return Digester(digest.update, lambda: Digest(digest.hexdigest()))


def _ignore(_: object) -> None:
    """What a rewrite with a known digest does with its bytes."""
