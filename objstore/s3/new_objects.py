"""What an object is to carry beside its bytes, as the headers of PutObject, CreateMultipartUpload and CopyObject say.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.operation import Call
from objstore.iam import ownership, public_access
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.iam.users import creator_of, owner_of
from objstore.s3 import encryption, headers, locks, metadata, storage_classes, tags
from objstore.sealing import Seal
from objstore.store.types import Acl, NewObject, Owner

MEMBERS: Final = (
    locks.MEMBERS
    | encryption.WRITE_MEMBERS
    | frozenset(
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
            "WebsiteRedirectLocation",
        }
    )
)
"""The members that `described` honours, with `encryption.for_write`."""


def described(call: Call, context: Context, seal: Seal | None = None) -> NewObject:
    """The object that the request describes, with what it is sealed with. Raises for what cannot be stored."""
    owner, acl = owner_and_acl(call, context)
    return NewObject(
        owner=owner,
        creator=creator_of(call.principal),
        metadata=metadata.accept(call.get("Metadata") or {}),
        headers=headers.accept(call),
        acl=acl,
        storage_class=storage_classes.check(call.get("StorageClass"), context.store),
        tags=tags.from_header(call.get("Tagging")),
        lock=locks.from_headers(call),
        seal=seal,
    )


def owner_and_acl(call: Call, context: Context) -> tuple[Owner, Acl | None]:
    """Whose the object will be, the caller's or the bucket owner's, and the ACL asked for it (None: private)."""
    bucket, writer = bucket_of(call, context), owner_of(call.principal)
    owner, asked = ownership.of_new_object(bucket, writer, call.members, call.request.headers, context.users)
    public_access.check_acl(bucket, asked)
    return owner, asked
