"""PutObject. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import VERSION, bucket_of
from objstore.s3 import appends, checksums, conditions, encryption, keys, lifecycle, locks, new_objects, versions
from objstore.store.sealed import revealed


@operation(
    "PutObject", action="s3:PutObject", supports=new_objects.MEMBERS | {"IfMatch", "IfNoneMatch", appends.OFFSET}
)
async def put_object(call: Call, context: Context) -> dict[str, Any]:
    append = await appends.asked(call, context)
    seal = append[1] if append is not None else await encryption.for_write(call, context)
    new = new_objects.described(call, context, seal)
    locks.require_digest(call.body, bucket_of(call, context), new.lock, "Put Object")
    key, given = keys.check(call.key), conditions.of_write(call.members)
    if append is not None:
        published = await context.store.append(call.bucket, key, append[0], new, given)
    else:
        published = await context.store.put(call.bucket, key, checksums.source(call.body), new, given)
    made = published.version
    key_of_made = encryption.key_of(seal) if made.encryption is not None else None
    call.notes[VERSION] = made
    return {
        "ETag": versions.quoted(made.etag),
        **checksums.members(revealed(key_of_made, made.checksum)),
        **encryption.told(call, made.encryption, context=True),
        **versions.written_id(published.version_id),
        **(appends.size(made) if append is not None else {}),
        **lifecycle.expiration(bucket_of(call, context), call.key, made),
    }
