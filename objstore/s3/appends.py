"""Appends: PutObject with `x-amz-write-offset-bytes`. AWS has them for directory buckets, we for every bucket.

The object that is there keeps its headers, metadata, tags, class and ACL: a request that gives others is refused, and
so is one for an object under encryption.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-buckets-objects-append.html
"""

from __future__ import annotations

import base64
from typing import Any, Final

from objstore.aws.checksums import ALGORITHMS, FULL_OBJECT, Algorithm, combined, encode
from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.s3 import checksums, encryption, headers
from objstore.store.appending import Append
from objstore.store.types import Checksum, Source, Version

OFFSET: Final = "WriteOffsetBytes"

_OF_NEW: Final = (
    ("user-defined object metadata", ("Metadata",)),
    ("tags", ("Tagging",)),
    ("an ACL", ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP")),
    ("a website redirect location", ("WebsiteRedirectLocation",)),
)
"""What only a new object can be given, by its members."""


def asked(call: Call) -> Append | None:
    """The append that a PutObject asks for; None where it asks for none. Raises InvalidArgument."""
    offset: int | None = call.get(OFFSET)
    if offset is None:
        return None
    if offset < 0:
        raise AwsError("InvalidArgument", ArgumentName="x-amz-write-offset-bytes", ArgumentValue=offset)

    def source(old: Version | None) -> Source:
        return checksums.source(call.body, _continued(old))

    def fits(old: Version) -> None:
        _check(call, old)

    return Append(offset, source, fits, _combine)


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
    """Raise InvalidRequest for a request that wants the object to be another than it is, and NotImplemented for one
    that is encrypted."""
    if old.encryption is not None:
        raise AwsError("NotImplemented", "Appends to encrypted objects are not implemented.")
    if encryption.WRITE_MEMBERS & call.members.keys():
        raise AwsError("InvalidRequest", "The existing object is not encrypted.")
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
