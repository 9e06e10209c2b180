"""What the records on the drives say of an object beside its bytes, so that it can be had again without a catalog.

The record in front of every append names bucket, key, version, size, ETag and checksum. What else makes the object is
packed behind it: whose it is, metadata, tags, lock, how it is sealed. What does not fit into a page is left out, the
longest first; how it is sealed goes last, because without that the bytes are of no use.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from objstore.blobs.records import Record, fits, pack_record
from objstore.sealing import Encryption, Seal, Stream, sealed_size
from objstore.store.types import Acl, Digest, Lock, NewObject, Owner, Upload

_encode = msgspec.msgpack.Encoder().encode


class About(msgspec.Struct, frozen=True, array_like=True):
    """What is described. With `encryption`, its streams are those of the append. `versioned`: what was written before
    stays as a version, for the bucket had versioning enabled then."""

    owner: Owner
    creator: str = ""
    storage_class: str = "STANDARD"
    encryption: Encryption | None = None
    lock: Lock | None = None
    acl: Acl | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    versioned: bool = False


_decode = msgspec.msgpack.Decoder(About).decode


def read(record: Record) -> About | None:
    """What a record describes; None where it says nothing, or what cannot be read."""
    try:
        return _decode(record.about) if record.about else None
    except msgspec.DecodeError:
        return None


def packed(
    name: tuple[str, str, str],
    size: int,
    digest: Digest,
    *,
    at: int = 0,
    new: NewObject | Upload | None = None,
    seal: Seal | None = None,
    streams: Sequence[Stream] = (),
    versioned: bool = False,
) -> bytes:
    """The record, as it stands on the drives, of `size` bytes of `name` (bucket, key, version or upload and part).

    They stand `at` that place in the object. With a `seal`, `digest` is as it may be stored."""
    bucket, key, version = name
    checksum = ""
    if digest.checksum is not None:
        checksum = f"{digest.checksum.algorithm}:{digest.checksum.value}:{digest.checksum.type}"
    stored = sealed_size(size) if seal is not None else size
    record = Record(bucket, key.encode(), version, size, digest.etag, checksum, stored, at)
    if new is None:
        return pack_record(record)
    encryption = seal.record.of(seal.key, streams) if seal is not None else None
    about = About(
        *(new.owner, new.creator, new.storage_class, encryption, new.lock, new.acl, new.headers, new.tags),
        new.metadata,
        versioned,
    )
    for shorter in (
        about,
        msgspec.structs.replace(about, metadata={}),
        msgspec.structs.replace(about, metadata={}, acl=None, tags={}, headers={}),
    ):
        full = msgspec.structs.replace(record, about=_encode(shorter))
        if fits(full):
            return pack_record(full)
    return pack_record(record)
