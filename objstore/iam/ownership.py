"""Object ownership: who owns what is written into a bucket, and whether its ACLs count.

With BucketOwnerEnforced the owner of the bucket owns every object in it, whoever wrote it and when, and ACLs neither
grant nor can be set. With BucketOwnerPreferred it owns what others write with the canned ACL
`bucket-owner-full-control`. With ObjectWriter, and where nothing was set, an object belongs to its writer.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.iam import acl
from objstore.iam.users import Users
from objstore.store.types import Acl, Bucket, Listed, Owner, Version

ENFORCED: Final = "BucketOwnerEnforced"
PREFERRED: Final = "BucketOwnerPreferred"
WRITER: Final = "ObjectWriter"
KINDS: Final = (WRITER, PREFERRED, ENFORCED)

_FULL_CONTROL: Final = "bucket-owner-full-control"


def enforced(bucket: Bucket) -> bool:
    """Whether the bucket's owner owns everything in it and ACLs are switched off."""
    return bucket.ownership == ENFORCED


def of_object(bucket: Bucket, version: Listed) -> Owner:
    """Who owns a version."""
    return bucket.owner if bucket.ownership == ENFORCED else version.owner


def bucket_acl(bucket: Bucket) -> Acl:
    """The bucket's grants as they count."""
    return acl.private(bucket.owner) if bucket.ownership == ENFORCED else bucket.acl


def object_acl(bucket: Bucket, version: Version) -> Acl:
    """A version's grants as they count."""
    if bucket.ownership == ENFORCED or version.acl is None:
        return acl.private(of_object(bucket, version))
    return version.acl


def require_acls(bucket: Bucket) -> None:
    """Raise AccessControlListNotSupported where no ACL can be set."""
    if bucket.ownership == ENFORCED:
        raise AwsError("AccessControlListNotSupported")


def require_private(grants: Acl, owner: Owner) -> None:
    """Raise InvalidBucketAclWithObjectOwnership when a bucket's ACL lets others in: it cannot be enforced upon."""
    if any(grant.kind == acl.GROUP or grant.id != owner.id for grant in grants):
        raise AwsError("InvalidBucketAclWithObjectOwnership")


def of_new_object(
    bucket: Bucket, writer: Owner, members: Mapping[str, Any], headers: Mapping[str, str], users: Users
) -> tuple[Owner, Acl | None]:
    """The owner of an object that `writer` makes, and the ACL that the request asks for it (None: private).

    Raises AccessControlListNotSupported, and as `acl.requested`.
    """
    mine = bucket.ownership == ENFORCED or (bucket.ownership == PREFERRED and members.get("ACL") == _FULL_CONTROL)
    owner = bucket.owner if mine else writer
    asked = acl.requested(members, headers, users, owner, bucket.owner)
    if bucket.ownership != ENFORCED:
        return owner, asked
    canned = members.get("ACL")
    if canned == _FULL_CONTROL or (not canned and asked in (None, acl.private(owner))):
        return owner, None
    raise AwsError("AccessControlListNotSupported")
