"""PutPublicAccessBlock, GetPublicAccessBlock, DeletePublicAccessBlock.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html
"""

from __future__ import annotations

from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam import public_access
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.iam.public_access import PublicAccessBlock
from objstore.store import configuration

_FIELDS: Final = {
    "BlockPublicAcls": "block_public_acls",
    "IgnorePublicAcls": "ignore_public_acls",
    "BlockPublicPolicy": "block_public_policy",
    "RestrictPublicBuckets": "restrict_public_buckets",
}


@operation("PutPublicAccessBlock", action="s3:PutBucketPublicAccessBlock")
async def put_public_access_block(call: Call, context: Context) -> None:
    given = call["PublicAccessBlockConfiguration"]
    block = PublicAccessBlock(**{field: given.get(member, False) for member, field in _FIELDS.items()})
    await context.store.configure(call.bucket, public_access.SUBJECT, block)


@operation("GetPublicAccessBlock", action="s3:GetBucketPublicAccessBlock")
async def get_public_access_block(call: Call, context: Context) -> dict[str, Any]:
    block = configuration.of(bucket_of(call, context), public_access.SUBJECT, PublicAccessBlock)
    if block is None:
        raise AwsError("NoSuchPublicAccessBlockConfiguration")
    return {"PublicAccessBlockConfiguration": {member: getattr(block, field) for member, field in _FIELDS.items()}}


@operation("DeletePublicAccessBlock", action="s3:PutBucketPublicAccessBlock")
async def delete_public_access_block(call: Call, context: Context) -> None:
    await context.store.configure(call.bucket, public_access.SUBJECT, None)
