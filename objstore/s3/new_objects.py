"""What an object is to carry beside its bytes, as the headers of PutObject, CreateMultipartUpload and CopyObject say.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.operation import Call
from objstore.iam import acl
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.iam.users import owner_of
from objstore.s3 import headers, metadata, storage_classes, tags
from objstore.store.types import Acl, NewObject

MEMBERS: Final = frozenset(
    {
        "ACL",
        "CacheControl",
        "ContentDisposition",
        "ContentEncoding",
        "ContentLanguage",
        "ContentType",
        "Expires",
        "GrantFullControl",
        "GrantRead",
        "GrantReadACP",
        "GrantWriteACP",
        "Metadata",
        "StorageClass",
        "Tagging",
    }
)
"""The members that `described` honours."""


def described(call: Call, context: Context) -> NewObject:
    """The object that the request describes, owned by the caller. Raises for what cannot be stored."""
    return NewObject(
        owner=owner_of(call.principal),
        metadata=metadata.accept(call.get("Metadata") or {}),
        headers=headers.accept(call),
        storage_class=storage_classes.check(call.get("StorageClass")),
        acl=requested_acl(call, context),
        tags=tags.from_header(call.get("Tagging")),
    )


def requested_acl(call: Call, context: Context) -> Acl | None:
    """The ACL that the request asks for the object it makes; None when it asks for none."""
    bucket_owner = bucket_of(call, context).owner
    return acl.requested(call.members, call.request.headers, context.users, owner_of(call.principal), bucket_owner)
