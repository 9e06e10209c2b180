"""PutBucketRequestPayment and GetBucketRequestPayment.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketRequestPayment.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call, operation
from objstore.iam import requester_pays
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.iam.requester_pays import BUCKET_OWNER, RequestPayment


@operation("PutBucketRequestPayment", action="s3:PutBucketRequestPayment")
async def put_bucket_request_payment(call: Call, context: Context) -> None:
    payer = call["RequestPaymentConfiguration"]["Payer"]
    document = None if payer == BUCKET_OWNER else RequestPayment(payer)
    await context.store.configure(call.bucket, requester_pays.SUBJECT, document)


@operation("GetBucketRequestPayment", action="s3:GetBucketRequestPayment")
async def get_bucket_request_payment(call: Call, context: Context) -> dict[str, Any]:
    return {"Payer": requester_pays.payer(bucket_of(call, context))}
