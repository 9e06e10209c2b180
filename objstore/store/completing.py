"""CompleteMultipartUpload: the parts chosen become the object, in one transaction that moves no bytes.

Order of the checks: the upload, the list, each part with its ETag and checksum, the sizes, the checksum and size of the
whole, the preconditions. An upload that was completed before, with the same parts, tells the same again: a client whose
answer was lost may ask twice. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from objstore.catalog.transaction import Transaction
from objstore.sealing import DataKey, Encryption
from objstore.store import buckets, objects, uploads, versions
from objstore.store.errors import (
    EntityTooLarge,
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    InvalidRequest,
    NoSuchUpload,
)
from objstore.store.events import outbox
from objstore.store.preconditions import bare, check_write
from objstore.store.types import (
    MAX_OBJECT,
    MIN_PART,
    Bucket,
    Checksum,
    CompletedPart,
    Part,
    PartInfo,
    Preconditions,
    Published,
    Stamp,
    Upload,
    Version,
)

Combine = Callable[[Upload, Sequence[Part]], Checksum | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a complete asks for; `size` is what the client expects, or None; `key` that of an encrypted upload."""

    upload_id: str
    parts: Sequence[CompletedPart]
    given: Preconditions
    combine: Combine | None
    size: int | None
    stamp: Stamp
    key: DataKey | None = None


def complete(tx: Transaction, name: str, key: str, asked: Completion) -> Published:
    """Make the object. Raises as `Store.complete`."""
    bucket = buckets.require(tx, name)
    upload = uploads.find(tx, bucket, key, asked.upload_id)
    if upload is None:
        return _again(tx, bucket, key, asked)
    raw = bytes.fromhex(upload.id)
    known = uploads.parts_of(tx, raw)
    chosen = choose(asked.upload_id, asked.parts, known)
    check_sizes(chosen, asked.size)
    checksum = asked.combine(upload, chosen) if asked.combine is not None else None
    there = versions.place(tx, bucket, key.encode())
    check_write(asked.given, key, there.current)
    made = versions.put(tx, bucket, key.encode(), there, drafted(upload, chosen, checksum, asked))

    kept = {part.number for part in chosen}
    for part in known.values():
        if part.number not in kept:
            uploads.drop_part(tx, part)
    uploads.forget(tx, bucket.id, key.encode(), raw)
    outbox.created(tx, bucket, key, made, "CompleteMultipartUpload")
    return objects.shown(bucket, made)


def choose(upload_id: str, asked: Sequence[CompletedPart], known: dict[int, Part]) -> list[Part]:
    """The parts asked for. Of a number that is named twice in a row, the last counts (a part sent again)."""
    chosen: dict[int, CompletedPart] = {}
    last = 0
    for one in asked:
        if one.number < last:
            raise InvalidPartOrder(UploadId=upload_id)
        last = one.number
        chosen[one.number] = one
    if not chosen:
        raise InvalidRequest("You must specify at least one part", UploadId=upload_id)
    for one in chosen.values():
        part = known.get(one.number)
        if part is None or bare(one.etag) != part.etag or not _checksum_agrees(one, part):
            raise InvalidPart(UploadId=upload_id, PartNumber=str(one.number), ETag=one.etag)
    return [known[number] for number in chosen]


def _checksum_agrees(asked: CompletedPart, part: Part) -> bool:
    if asked.checksum is None:
        return True
    stored = part.checksum
    return stored is not None and asked.checksum == stored.value and asked.algorithm in (None, stored.algorithm)


def check_sizes(parts: Sequence[Part], expected: int | None) -> None:
    """Every part but the last has 5 MiB; the whole is not too large, and what the client expects."""
    for part in parts[:-1]:
        if part.size < MIN_PART:
            raise EntityTooSmall(
                ProposedSize=str(part.size),
                MinSizeAllowed=str(MIN_PART),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    size = sum(part.size for part in parts)
    if size > MAX_OBJECT:
        raise EntityTooLarge(ProposedSize=str(size), MaxSizeAllowed=str(MAX_OBJECT))
    if expected is not None and expected != size:
        raise InvalidRequest(f"The parts have {size} bytes together, x-amz-mp-object-size says {expected}")


def etag_of(parts: Sequence[Part] | Sequence[CompletedPart]) -> str:
    """MD5 of the MD5s of the parts, and their number."""
    digest = hashlib.md5(b"".join(bytes.fromhex(bare(part.etag)) for part in parts), usedforsecurity=False)
    return f"{digest.hexdigest()}-{len(parts)}"


def drafted(upload: Upload, parts: Sequence[Part], checksum: Checksum | None, asked: Completion) -> Version:
    """The draft of the version that an upload becomes. It takes the parts' payload over with their references."""
    extents, payload = uploads.joined(parts)
    return Version(
        version_id=asked.stamp.version_id,
        ord=asked.stamp.now_us,
        is_null=False,
        delete_marker=False,
        etag=etag_of(parts),
        size=sum(part.size for part in parts),
        modified_us=asked.stamp.now_us,
        owner=upload.owner,
        storage_class=upload.storage_class,
        metadata=upload.metadata,
        headers=upload.headers,
        checksum=checksum,
        parts=tuple(PartInfo(part.number, part.size, part.checksum) for part in parts),
        extents=extents,
        payload=payload,
        acl=upload.acl,
        upload_id=upload.id,
        part_count=len(parts),
        tags=upload.tags,
        lock=upload.lock,
        creator=upload.creator,
        encryption=_encryption(upload, parts, asked.key),
    )


def _encryption(upload: Upload, parts: Sequence[Part], key: DataKey | None) -> Encryption | None:
    """The upload's, for the streams of its parts in order."""
    if upload.encryption is None:
        return None
    assert key is not None, "who completes an encrypted upload has its data key"
    return upload.encryption.of(key, [stream for part in parts for stream in part.streams])


def _again(tx: Transaction, bucket: Bucket, key: str, asked: Completion) -> Published:
    """The outcome of an earlier complete of the same parts; else the upload is not known."""
    version = objects.completed_by(tx, bucket, key, asked.upload_id)
    chosen = list({part.number: part for part in asked.parts}.values())
    try:
        same = version is not None and etag_of(chosen) == version.etag
    except ValueError:
        same = False
    if version is None or not same:
        raise NoSuchUpload(UploadId=asked.upload_id)
    return objects.shown(bucket, version)
