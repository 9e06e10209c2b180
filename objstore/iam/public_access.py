"""The public access block of a bucket: whatever ACLs and policy say, what of it opens the bucket to the public.

An ACL is public when it grants anything to AllUsers or AuthenticatedUsers.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
"""

from __future__ import annotations

from typing import Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.iam import acl, bucket_policy
from objstore.iam.policy import Policy
from objstore.store import configuration
from objstore.store.types import Acl, Bucket

SUBJECT: Final = "public_access_block"


class PublicAccessBlock(msgspec.Struct, frozen=True):
    """What is refused and what is ignored; nothing by default."""

    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False


_NOTHING: Final = PublicAccessBlock()


def of(bucket: Bucket) -> PublicAccessBlock:
    """The bucket's block; one that blocks nothing where none was put."""
    return configuration.of(bucket, SUBJECT, PublicAccessBlock) or _NOTHING


def is_public(grants: Acl) -> bool:
    """Whether an ACL grants anything to everybody or to everybody who signs."""
    return any(grant.uri in (acl.ALL_USERS, acl.AUTHENTICATED_USERS) for grant in grants)


def check_acl(bucket: Bucket, asked: Acl | None) -> None:
    """Raise AccessDenied when the bucket takes no public ACL and this is one."""
    if asked and SUBJECT in bucket.configuration and is_public(asked) and of(bucket).block_public_acls:
        raise AwsError("AccessDenied", "The public access block of the bucket (BlockPublicAcls) refuses public ACLs.")


def restricted(bucket: Bucket, policy: Policy) -> bool:
    """Whether the bucket is public by its policy, and so for its owner's account alone (RestrictPublicBuckets)."""
    return SUBJECT in bucket.configuration and of(bucket).restrict_public_buckets and bucket_policy.opens(policy)


def check_policy(bucket: Bucket, policy: Policy) -> None:
    """Raise AccessDenied when the bucket takes no public policy and this is one."""
    if SUBJECT in bucket.configuration and of(bucket).block_public_policy and bucket_policy.opens(policy):
        raise AwsError(
            "AccessDenied", "The public access block of the bucket (BlockPublicPolicy) refuses public policies."
        )


def counted(bucket: Bucket, grants: Acl) -> Acl:
    """The grants that count: public ones do not where they are to be ignored."""
    if SUBJECT not in bucket.configuration or not of(bucket).ignore_public_acls:
        return grants
    return tuple(grant for grant in grants if grant.uri not in (acl.ALL_USERS, acl.AUTHENTICATED_USERS))
