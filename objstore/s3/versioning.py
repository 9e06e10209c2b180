"""PutBucketVersioning and GetBucketVersioning.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of


@operation("PutBucketVersioning", action="s3:PutBucketVersioning")
async def put_bucket_versioning(call: Call, context: Context) -> dict[str, Any]:
    wanted: dict[str, Any] = call["VersioningConfiguration"]
    if wanted.get("MFADelete", "Disabled") != "Disabled":
        raise AwsError("NotImplemented", "MFA Delete is not implemented.")
    status = wanted.get("Status")
    if status is None:
        raise AwsError("IllegalVersioningConfigurationException")
    if status not in ("Enabled", "Suspended"):
        raise AwsError("MalformedXML")
    await context.store.set_versioning(call.bucket, status)
    return {}


@operation("GetBucketVersioning", action="s3:GetBucketVersioning")
async def get_bucket_versioning(call: Call, context: Context) -> dict[str, Any]:
    status = bucket_of(call, context).versioning
    return {"Status": status} if status else {}
