"""Tags of objects and buckets: Put, Get and Delete of ObjectTagging and BucketTagging.

Tags belong to one version and change in its place: neither its ETag nor its time moves. They are also given with
PutObject, CopyObject and CreateMultipartUpload, and counted in the answers of GetObject and HeadObject.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectTagging.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of, version_of
from objstore.s3 import tags, versions
from objstore.store.tags import BUCKET_TAGS, of_bucket
from objstore.store.types import Version


@operation("PutObjectTagging", action="s3:PutObjectTagging", supports={"VersionId"}, weighs_document=True)
async def put_object_tagging(call: Call, context: Context) -> dict[str, Any]:
    return await _replace(call, context, tags.of_object(call["Tagging"]["TagSet"]))


@operation("GetObjectTagging", action="s3:GetObjectTagging", supports={"VersionId"})
async def get_object_tagging(call: Call, context: Context) -> dict[str, Any]:
    version = version_of(call, context)
    return {"TagSet": tags.members(version.tags), **_id(call, context, version)}


@operation("DeleteObjectTagging", action="s3:DeleteObjectTagging", supports={"VersionId"})
async def delete_object_tagging(call: Call, context: Context) -> dict[str, Any]:
    return await _replace(call, context, {})


async def _replace(call: Call, context: Context, wanted: dict[str, str]) -> dict[str, Any]:
    found = version_of(call, context)

    def change(version: Version) -> Version:
        return msgspec.structs.replace(version, tags=wanted)

    # By the id that the gate looked at: what is allowed may depend on the tags it has.
    version_id = found.version_id if bucket_of(call, context).versioning else None
    return _id(call, context, await context.store.update_version(call.bucket, call.key, version_id, change))


def _id(call: Call, context: Context, version: Version) -> dict[str, Any]:
    version_id = versions.read_id(call, context, version)
    return {} if version_id is None else {"VersionId": version_id}


@operation("PutBucketTagging", action="s3:PutBucketTagging")
async def put_bucket_tagging(call: Call, context: Context) -> None:
    await context.store.configure(call.bucket, BUCKET_TAGS, tags.of_bucket(call["Tagging"]["TagSet"]))


@operation("GetBucketTagging", action="s3:GetBucketTagging")
async def get_bucket_tagging(call: Call, context: Context) -> dict[str, Any]:
    found = of_bucket(bucket_of(call, context))
    if not found:
        raise AwsError("NoSuchTagSet", BucketName=call.bucket)
    return {"TagSet": tags.members(found)}


@operation("DeleteBucketTagging", action="s3:PutBucketTagging")
async def delete_bucket_tagging(call: Call, context: Context) -> None:
    await context.store.configure(call.bucket, BUCKET_TAGS, None)
