"""CopyObject: a new object of the bytes of another, without moving them.

The metadata is the source's, or with `x-amz-metadata-directive: REPLACE` the request's; so are the tags, with
`x-amz-tagging-directive`. The storage class and the ACL are always the request's. The ETag and the parts stay those of
the source, because the bytes do. Bytes are read only where the client asks for a checksum that the source has not.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from objstore.aws import copy_source
from objstore.aws.checksums import FULL_OBJECT, algorithm
from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import (
    checksums,
    conditions,
    customer_keys,
    encryption,
    headers,
    keys,
    lifecycle,
    new_objects,
    versions,
)
from objstore.s3.times import second
from objstore.store.sealed import revealed
from objstore.store.types import CopyKeys, Digester, NewObject, ObjectName, Version

_CHANGES: Final = frozenset({"StorageClass", "WebsiteRedirectLocation"}) | encryption.WRITE_MEMBERS
COPY: Final = "COPY"
REPLACE: Final = "REPLACE"

SOURCE_CONDITIONS: Final = frozenset(
    {
        "CopySourceIfMatch",
        "CopySourceIfModifiedSince",
        "CopySourceIfNoneMatch",
        "CopySourceIfUnmodifiedSince",
    }
)


@operation(
    "CopyObject",
    action="s3:PutObject",
    supports=new_objects.MEMBERS
    | SOURCE_CONDITIONS
    | customer_keys.COPY_SOURCE
    | {"IfMatch", "IfNoneMatch", "MetadataDirective", "TaggingDirective"},
)
async def copy_object(call: Call, context: Context) -> dict[str, Any]:
    source = copy_source.parse(call["CopySource"])
    keys.check(call.key)
    directive = _directive(call, "MetadataDirective", "x-amz-metadata-directive")
    tagging = _directive(call, "TaggingDirective", "x-amz-tagging-directive")
    _refuse_to_itself(call, source, directive)
    held = CopyKeys()

    async def keys_of(version: Version) -> CopyKeys:
        nonlocal held
        held = await encryption.for_copy(call, context, version)
        return held

    copied = await context.store.copy(
        source,
        call.bucket,
        call.key,
        _change(new_objects.described(call, context), directive, tagging),
        source_conditions=conditions.of_read(call.members, "CopySource"),
        conditions=conditions.of_write(call.members),
        digester=_digester(call.get("ChecksumAlgorithm")),
        keys=keys_of,
    )
    made = copied.made.version
    members: dict[str, Any] = {
        "CopyObjectResult": {
            "ETag": versions.quoted(made.etag),
            "LastModified": second(made.modified_us),
            **checksums.members(revealed(encryption.key_of(held.seal), made.checksum)),
        },
        **encryption.told(call, made.encryption, context=True),
        **versions.written_id(copied.made.version_id),
        **lifecycle.expiration(bucket_of(call, context), call.key, made),
    }
    if copied.source_version_id is not None:
        members["CopySourceVersionId"] = copied.source_version_id
    return members


def _directive(call: Call, member: str, header: str) -> str:
    directive = str(call.get(member) or COPY)
    if directive not in (COPY, REPLACE):
        raise AwsError("InvalidArgument", f"Unknown {header}.", ArgumentName=header, ArgumentValue=directive)
    return directive


def _refuse_to_itself(call: Call, source: ObjectName, directive: str) -> None:
    """A copy onto itself must change something; an older version may be copied onto the current one."""
    same = (source.bucket, source.key, source.version_id) == (call.bucket, call.key, None)
    if same and directive == COPY and not _CHANGES & call.members.keys():
        raise AwsError(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes.",
        )


def _change(wanted: NewObject, directive: str, tagging: str) -> Callable[[Version], NewObject]:
    def change(source: Version) -> NewObject:
        new = wanted
        if directive == COPY:
            new = msgspec.structs.replace(
                new, metadata=source.metadata, headers=headers.copied(source.headers, wanted.headers)
            )
        if tagging == COPY:
            new = msgspec.structs.replace(new, tags=source.tags)
        return new

    return change


def _digester(name: str | None) -> Callable[[Version], Digester | None] | None:
    """Reads the bytes when the source has no full-object checksum of the algorithm asked for."""
    if not name:
        return None
    chosen = algorithm(name)

    def digester(source: Version) -> Digester | None:
        has = source.checksum
        if has is not None and (has.algorithm, has.type) == (chosen.name, FULL_OBJECT):
            return None
        return checksums.digester(chosen)

    return digester
