"""PutBucketWebsite, GetBucketWebsite, DeleteBucketWebsite.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3.website import documents

_MAX_BYTES = 128 << 10  # of the document


@operation("PutBucketWebsite", action="s3:PutBucketWebsite", body_limit=_MAX_BYTES)
async def put_bucket_website(call: Call, context: Context) -> dict[str, Any]:
    website = documents.parse(call["WebsiteConfiguration"])
    await context.store.configure(call.bucket, documents.SUBJECT, website)
    return {}


@operation("GetBucketWebsite", action="s3:GetBucketWebsite")
async def get_bucket_website(call: Call, context: Context) -> dict[str, Any]:
    website = documents.of(bucket_of(call, context))
    if website is None:
        raise AwsError("NoSuchWebsiteConfiguration", BucketName=call.bucket)
    return documents.to_members(website)


@operation("DeleteBucketWebsite", action="s3:DeleteBucketWebsite")
async def delete_bucket_website(call: Call, context: Context) -> None:
    await context.store.configure(call.bucket, documents.SUBJECT, None)
