"""PutObject. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.s3 import checksums, conditions, keys, new_objects, versions


@operation("PutObject", action="s3:PutObject", supports=new_objects.MEMBERS | {"IfMatch", "IfNoneMatch"})
async def put_object(call: Call, context: Context) -> dict[str, Any]:
    published = await context.store.put(
        call.bucket,
        keys.check(call.key),
        checksums.source(call.body),
        new_objects.described(call, context),
        conditions.of_write(call.members),
    )
    return {
        "ETag": versions.quoted(published.version.etag),
        **checksums.members(published.version.checksum),
        **versions.written_id(published.version_id),
    }
