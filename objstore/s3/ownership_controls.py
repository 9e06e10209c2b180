"""PutBucketOwnershipControls, GetBucketOwnershipControls, DeleteBucketOwnershipControls.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketOwnershipControls.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam import ownership
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.store.types import Bucket


@operation("PutBucketOwnershipControls", action="s3:PutBucketOwnershipControls")
async def put_bucket_ownership_controls(call: Call, context: Context) -> None:
    rules = call["OwnershipControls"]["Rules"]
    if len(rules) != 1:
        raise AwsError("MalformedXML", "OwnershipControls holds exactly one rule.")
    wanted = rules[0]["ObjectOwnership"]

    def change(bucket: Bucket) -> Bucket:
        if wanted == ownership.ENFORCED:
            ownership.require_private(bucket.acl, bucket.owner)
        return msgspec.structs.replace(bucket, ownership=wanted)

    await context.store.update_bucket(call.bucket, change)


@operation("GetBucketOwnershipControls", action="s3:GetBucketOwnershipControls")
async def get_bucket_ownership_controls(call: Call, context: Context) -> dict[str, Any]:
    known = bucket_of(call, context).ownership
    if not known:
        raise AwsError("OwnershipControlsNotFoundError")
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": known}]}}


@operation("DeleteBucketOwnershipControls", action="s3:PutBucketOwnershipControls")
async def delete_bucket_ownership_controls(call: Call, context: Context) -> None:
    await context.store.update_bucket(call.bucket, lambda bucket: msgspec.structs.replace(bucket, ownership=""))
