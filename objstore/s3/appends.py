"""Appends: PutObject with `x-amz-write-offset-bytes`. AWS has them for directory buckets, we for every bucket.

The object that is there keeps its headers, metadata, tags, class, ACL and encryption: a request that gives others is
refused. Under SSE-C the request brings the object's key. What is not encrypted cannot be continued in a bucket that
encrypts: copied onto itself before, it can.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-objects-append.html
"""

from __future__ import annotations

import base64
from typing import Any, Final

from objstore.aws.checksums import ALGORITHMS, FULL_OBJECT, Algorithm, combined, encode
from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import checksums, encryption, headers
from objstore.sealing import Seal
from objstore.store.appending import Append, check_offset
from objstore.store.errors import NoSuchKey
from objstore.store.types import Checksum, Version

OFFSET: Final = "WriteOffsetBytes"

_MISMATCH: Final = "The existing object was created with a different encryption type."

_OF_NEW: Final = (
    ("user-defined object metadata", ("Metadata",)),
    ("tags", ("Tagging",)),
    ("an ACL", ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP")),
    ("a website redirect location", ("WebsiteRedirectLocation",)),
)
"""What only a new object can be given, by its members."""


async def asked(call: Call, context: Context) -> tuple[Append, Seal | None] | None:
    """The append that a PutObject asks for, and what it is sealed with; None where it asks for none.

    Raises InvalidArgument, InvalidWriteOffset, EncryptionTypeMismatch, and as `encryption.for_write` and `for_read`.
    """
    offset: int | None = call.get(OFFSET)
    if offset is None:
        return None
    if offset < 0:
        raise AwsError("InvalidArgument", ArgumentName="x-amz-write-offset-bytes", ArgumentValue=offset)
    seen = _seen(call, context)
    check_offset(seen, offset)
    seal = await (encryption.for_write(call, context) if seen is None else _seal(call, context, seen))
    source = checksums.source(call.body, _continued(seen))
    return Append(offset, seen, source, lambda old: _check(call, old), _combine), seal


def _seen(call: Call, context: Context) -> Version | None:
    try:
        return context.store.current(call.bucket, call.key)
    except NoSuchKey:
        return None


async def _seal(call: Call, context: Context, seen: Version) -> Seal | None:
    """What is sealed like the object that is there; a request may say how that is, but not otherwise."""
    wanted, record = encryption.wanted_by(call, context, bucket_of(call, context)), seen.encryption
    if record is None:
        if wanted is not None:
            raise AwsError("EncryptionTypeMismatch", f"{_MISMATCH} It is not encrypted.")
        return None
    if "ServerSideEncryption" in call and wanted is not None:
        same = (wanted.scheme, wanted.context) == (record.scheme, record.context)
        if not same or ("SSEKMSKeyId" in call and wanted.key_id != record.key_id):
            raise AwsError("EncryptionTypeMismatch", f"{_MISMATCH} It is encrypted by {record.scheme}.")
    key = await encryption.for_read(call, context, record)
    assert key is not None, "what is encrypted has a data key"
    return Seal(key, record)


def size(version: Version) -> dict[str, Any]:
    """The member that tells how long an object has become."""
    return {"Size": version.size}


def _continued(old: Version | None) -> Algorithm | None:
    """The algorithm in which the checksum of the whole object can go on."""
    if old is None or not old.size or old.checksum is None or old.checksum.type != FULL_OBJECT:
        return None
    found = ALGORITHMS[old.checksum.algorithm]
    return found if found.combine is not None else None


def _combine(first: Checksum, length: int, second: Checksum, more: int) -> Checksum | None:
    chosen = ALGORITHMS[first.algorithm]
    if first.type != FULL_OBJECT or second.algorithm != first.algorithm or chosen.combine is None:
        return None
    runs = [(base64.b64decode(first.value), length), (base64.b64decode(second.value), more)]
    return Checksum(chosen.name, encode(combined(chosen, runs)), FULL_OBJECT)


def _check(call: Call, old: Version) -> None:
    """Raise InvalidRequest for a request that wants the object to be another than it is."""
    for name, members in _OF_NEW:
        if any(call.get(member) for member in members):
            raise AwsError(
                "InvalidRequest", f"Cannot specify both a write offset value and {name} for existing objects."
            )
    if call.get("StorageClass", old.storage_class) != old.storage_class:
        raise AwsError("InvalidRequest", f"The storage class of the existing object is {old.storage_class}.")
    for name, value in headers.accept(call).items():
        given = name != "content-type" or "ContentType" in call
        if given and old.headers.get(name) != value:
            raise AwsError("InvalidRequest", f"The header {name} is not that of the existing object.")
