"""GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAcl.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectAcl.html
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam import acl, ownership, public_access
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of, version_of
from objstore.store.types import Acl, Bucket, Owner, Version

_GRANTS: Final = frozenset(
    {
        "ACL",
        "AccessControlPolicy",
        "GrantFullControl",
        "GrantRead",
        "GrantReadACP",
        "GrantWrite",
        "GrantWriteACP",
    }
)


@operation("GetBucketAcl", action="s3:GetBucketAcl")
async def get_bucket_acl(call: Call, context: Context) -> dict[str, Any]:
    bucket = bucket_of(call, context)
    return acl.to_members(ownership.bucket_acl(bucket), bucket.owner)


@operation("PutBucketAcl", action="s3:PutBucketAcl", supports=_GRANTS)
async def put_bucket_acl(call: Call, context: Context) -> dict[str, Any]:
    ownership.require_acls(bucket_of(call, context))
    grants = _given(call, context, bucket_of(call, context).owner)

    def change(bucket: Bucket) -> Bucket:
        ownership.require_acls(bucket)
        public_access.check_acl(bucket, grants)
        return msgspec.structs.replace(bucket, acl=grants)

    await context.store.update_bucket(call.bucket, change)
    return {}


@operation("GetObjectAcl", action="s3:GetObjectAcl", supports={"VersionId"})
async def get_object_acl(call: Call, context: Context) -> dict[str, Any]:
    bucket, version = bucket_of(call, context), version_of(call, context)
    return acl.to_members(ownership.object_acl(bucket, version), ownership.of_object(bucket, version))


@operation("PutObjectAcl", action="s3:PutObjectAcl", supports=_GRANTS | {"VersionId"})
async def put_object_acl(call: Call, context: Context) -> dict[str, Any]:
    bucket, found = bucket_of(call, context), version_of(call, context)
    ownership.require_acls(bucket)
    grants = _given(call, context, found.owner, bucket.owner)
    public_access.check_acl(bucket, grants)

    def change(version: Version) -> Version:
        return msgspec.structs.replace(version, acl=grants)

    # By the id that was looked at: the grants were made for its owner. Where ids are not kept, all is current.
    version_id = found.version_id if bucket.versioning else None
    await context.store.update_version(call.bucket, call.key, version_id, change)
    return {}


def _given(call: Call, context: Context, owner: Owner, bucket_owner: Owner | None = None) -> Acl:
    """The ACL of a request, in its headers or its body; there must be exactly one."""
    policy = call.get("AccessControlPolicy")
    asked = acl.requested(call.members, call.request.headers, context.users, owner, bucket_owner)
    if asked is not None and policy:
        raise AwsError("UnexpectedContent")
    if asked is not None:
        return asked
    if not policy:
        raise AwsError("MissingSecurityHeader", MissingHeaderName="x-amz-acl")
    return acl.from_policy(policy, owner, context.users)
