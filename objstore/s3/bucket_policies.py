"""PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketPolicyStatus.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, Reply, operation
from objstore.iam import bucket_policy, gate, ownership, public_access
from objstore.iam.bucket_policy import BucketPolicy
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.iam.policy import BUCKET_LIMIT, check_bucket
from objstore.store import configuration
from objstore.store.types import Bucket


@operation("PutBucketPolicy", action="s3:PutBucketPolicy", supports={"ConfirmRemoveSelfBucketAccess"})
async def put_bucket_policy(call: Call, context: Context) -> Reply:
    """Without a confirmation, a policy that would deny its own maker to put another is refused."""
    text: str = call["Policy"]
    if len(text.encode()) > BUCKET_LIMIT:
        raise AwsError("EntityTooLarge", f"A bucket policy has at most {BUCKET_LIMIT} bytes.")
    policy = bucket_policy.compiled(text)
    check_bucket(policy, call.bucket)
    if not call.get("ConfirmRemoveSelfBucketAccess"):
        gate.check_not_locked_out(call, context, policy)

    def change(bucket: Bucket) -> Bucket:
        public_access.check_policy(bucket, policy)
        return configuration.changed(bucket, bucket_policy.SUBJECT, BucketPolicy(text))

    await context.store.update_bucket(call.bucket, change)
    return Reply(status=204)


@operation("GetBucketPolicy", action="s3:GetBucketPolicy")
async def get_bucket_policy(call: Call, context: Context) -> dict[str, Any]:
    text = bucket_policy.text_of(bucket_of(call, context))
    if text is None:
        raise AwsError("NoSuchBucketPolicy", BucketName=call.bucket)
    return {"Policy": text}


@operation("DeleteBucketPolicy", action="s3:DeleteBucketPolicy")
async def delete_bucket_policy(call: Call, context: Context) -> None:
    await context.store.configure(call.bucket, bucket_policy.SUBJECT, None)


@operation("GetBucketPolicyStatus", action="s3:GetBucketPolicyStatus")
async def get_bucket_policy_status(call: Call, context: Context) -> dict[str, Any]:
    """Whether policy or ACL make the bucket public. That there is no policy is no error, as with Ceph."""
    bucket = bucket_of(call, context)
    policy = bucket_policy.of(bucket)
    by_policy = policy is not None and bucket_policy.opens(policy)
    by_acl = public_access.is_public(public_access.counted(bucket, ownership.bucket_acl(bucket)))
    return {"PolicyStatus": {"IsPublic": by_policy or by_acl}}
