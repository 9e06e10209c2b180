"""PutObject. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import appends, checksums, conditions, keys, lifecycle, locks, new_objects, versions


@operation(
    "PutObject", action="s3:PutObject", supports=new_objects.MEMBERS | {"IfMatch", "IfNoneMatch", appends.OFFSET}
)
async def put_object(call: Call, context: Context) -> dict[str, Any]:
    new = new_objects.described(call, context)
    locks.require_digest(call.body, bucket_of(call, context), new.lock, "Put Object")
    key, given = keys.check(call.key), conditions.of_write(call.members)
    append = appends.asked(call)
    if append is not None:
        published = await context.store.append(call.bucket, key, append, new, given)
    else:
        published = await context.store.put(call.bucket, key, checksums.source(call.body), new, given)
    return {
        "ETag": versions.quoted(published.version.etag),
        **checksums.members(published.version.checksum),
        **versions.written_id(published.version_id),
        **(appends.size(published.version) if append is not None else {}),
        **lifecycle.expiration(bucket_of(call, context), call.key, published.version),
    }
