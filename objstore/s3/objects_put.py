"""PutObject. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import checksums, conditions, keys, lifecycle, locks, new_objects, versions


@operation("PutObject", action="s3:PutObject", supports=new_objects.MEMBERS | {"IfMatch", "IfNoneMatch"})
async def put_object(call: Call, context: Context) -> dict[str, Any]:
    new = new_objects.described(call, context)
    locks.require_digest(call.body, bucket_of(call, context), new.lock, "Put Object")
    published = await context.store.put(
        call.bucket,
        keys.check(call.key),
        checksums.source(call.body),
        new,
        conditions.of_write(call.members),
    )
    return {
        "ETag": versions.quoted(published.version.etag),
        **checksums.members(published.version.checksum),
        **versions.written_id(published.version_id),
        **lifecycle.expiration(bucket_of(call, context), call.key, published.version),
    }
