"""The gate: the one place where a request is allowed or refused.

Root may do everything, the owner of a bucket everything in it, the owner of an object may read and change its ACL;
the rest is what the ACLs of the bucket and the object grant to the caller, to signed callers, or to everybody. What no
ACL can grant (deleting a bucket, its versioning) is left to the owner. A bucket that is not there is said to be not
there; a key that is not there is, to whoever may not list the bucket, simply denied.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#permissions
https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.aws.principal import Principal
from objstore.iam import acl, administration, ownership, public_access, requester_pays
from objstore.iam.context import Context
from objstore.iam.lookup import VERSION, bucket_of, find
from objstore.store.errors import NoSuchUpload, NoSuchVersion
from objstore.store.types import Bucket, Upload, Version

# What an action needs of the bucket's ACL. An action in no table needs the owner of the bucket.
_OF_BUCKET: Final = {
    "s3:ListBucket": acl.READ,
    "s3:ListBucketVersions": acl.READ,
    "s3:ListBucketMultipartUploads": acl.READ,
    "s3:PutObject": acl.WRITE,
    "s3:DeleteObject": acl.WRITE,
    "s3:AbortMultipartUpload": acl.WRITE,
    "s3:ListMultipartUploadParts": acl.WRITE,
    "s3:GetBucketAcl": acl.READ_ACP,
    "s3:PutBucketAcl": acl.WRITE_ACP,
}
# What an action needs of the object's ACL.
_OF_OBJECT: Final = {
    "s3:GetObject": acl.READ,
    "s3:GetObjectAttributes": acl.READ,
    "s3:GetObjectAcl": acl.READ_ACP,
    "s3:PutObjectAcl": acl.WRITE_ACP,
}
# Decided key by key, by the handler, through `may_delete`.
_PER_KEY: Final = frozenset({"DeleteObjects"})


async def authorise(call: Call, context: Context) -> None:
    """Let the request pass, or raise AccessDenied, NoSuchBucket, NoSuchKey and the like.

    Only looks at the catalog: the body of the request has not been received yet.
    """
    if call.operation.service != "s3":
        administration.authorise(call, context)
        return
    if "Bucket" not in call:
        return  # ListBuckets tells everybody of their own buckets: nobody's are none
    if call.operation.name == "CreateBucket":
        if call.principal.anonymous:
            raise AwsError("AccessDenied")
        return
    bucket = bucket_of(call, context)
    check_owner(bucket, call.get("ExpectedBucketOwner"))
    requester_pays.check(call, bucket)
    if call.principal.is_root or bucket.owner.id == call.principal.id or call.operation.name in _PER_KEY:
        return
    action = call.operation.action
    if action in _OF_OBJECT:
        _check_object(call, context, bucket, _OF_OBJECT[action])
        return
    if _OF_BUCKET.get(action) not in bucket_permissions(bucket, call.principal):
        raise AwsError("AccessDenied")
    if "UploadId" in call:
        _check_initiator(call, context)


def check_owner(bucket: Bucket, expected: str | None) -> None:
    """Raise AccessDenied when the client expects another owner (`x-amz-expected-bucket-owner`)."""
    if expected is not None and expected != bucket.owner.id:
        raise AwsError("AccessDenied")


def may_delete(call: Call, context: Context) -> bool:
    """Whether the caller of DeleteObjects may delete keys in its bucket."""
    bucket, principal = bucket_of(call, context), call.principal
    return principal.is_root or bucket.owner.id == principal.id or acl.WRITE in bucket_permissions(bucket, principal)


def may_bypass_governance(call: Call, context: Context) -> bool:
    """Whether the request asks to bypass governance retention, and its caller may."""
    if not call.get("BypassGovernanceRetention"):
        return False
    return call.principal.is_root or bucket_of(call, context).owner.id == call.principal.id


def authorise_source(call: Call, context: Context, bucket_name: str, key: str, version_id: str | None) -> None:
    """The same as GetObject, for the source of a copy. Raises as `authorise`."""
    bucket = context.store.bucket(bucket_name)
    check_owner(bucket, call.get("ExpectedSourceBucketOwner"))
    requester_pays.check(call, bucket)
    if call.principal.is_root or bucket.owner.id == call.principal.id:
        return
    _find(context, bucket, key, version_id, call.principal, acl.READ)


def _check_object(call: Call, context: Context, bucket: Bucket, needed: str) -> None:
    version = _find(context, bucket, call.key, call.get("VersionId"), call.principal, needed)
    call.notes[VERSION] = version


def _find(
    context: Context, bucket: Bucket, key: str, version_id: str | None, principal: Principal, needed: str
) -> Version:
    """The version, when its ACL gives `needed`; what is not there is told only to who may list the bucket."""
    try:
        version = find(context, bucket.name, key, version_id)
    except (AwsError, NoSuchVersion):
        if acl.READ in bucket_permissions(bucket, principal):
            raise
        raise AwsError("AccessDenied") from None
    if needed not in object_permissions(bucket, version, principal):
        raise AwsError("AccessDenied")
    return version


def bucket_permissions(bucket: Bucket, principal: Principal) -> frozenset[str]:
    """What a caller may do with a bucket by its ACL."""
    return acl.permissions(public_access.counted(bucket, ownership.bucket_acl(bucket)), principal)


def object_permissions(bucket: Bucket, version: Version, principal: Principal) -> frozenset[str]:
    """What a caller may do with a version by its ACL, and by owning it."""
    grants = public_access.counted(bucket, ownership.object_acl(bucket, version))
    allowed = acl.permissions(grants, principal)
    if ownership.of_object(bucket, version).id == principal.id and not principal.anonymous:
        allowed |= {acl.READ_ACP, acl.WRITE_ACP}
    return allowed


def _check_initiator(call: Call, context: Context) -> None:
    """An upload belongs to who began it: WRITE on the bucket lets nobody touch another's."""
    try:
        upload: Upload = context.store.upload(call.bucket, call.key, str(call["UploadId"]))
    except NoSuchUpload:
        return  # completed before, or never there: the operation tells
    if upload.initiator.id != call.principal.id:
        raise AwsError("AccessDenied")
