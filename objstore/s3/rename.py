"""RenameObject: another key for an object, in one transaction. AWS has it for directory buckets, we for every bucket.

The client token that SDKs send along is not remembered: a rename that is sent twice finds its source gone.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_RenameObject.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam import gate
from objstore.iam.context import Context
from objstore.iam.users import creator_of
from objstore.s3 import conditions, copy_source, keys

_HEADER = "x-amz-rename-source"


@operation(
    "RenameObject",
    action="s3:PutObject",
    supports={
        "ClientToken",
        "DestinationIfMatch",
        "DestinationIfNoneMatch",
        "SourceIfMatch",
        "SourceIfNoneMatch",
        "SourceIfModifiedSince",
        "SourceIfUnmodifiedSince",
    },
)
async def rename_object(call: Call, context: Context) -> dict[str, Any]:
    source = copy_source.parse(call["RenameSource"], _HEADER)
    if source.bucket != call.bucket or source.version_id is not None:
        raise AwsError(
            "InvalidArgument",
            "The source of a rename is a key of the same bucket, without a version.",
            ArgumentName=_HEADER,
            ArgumentValue=call["RenameSource"],
        )
    if source.key == call.key:
        raise AwsError("InvalidRequest", "An object cannot be renamed to its own name.")
    gate.authorise_source(call, context, source.bucket, source.key, None)
    await context.store.rename(
        call.bucket,
        source.key,
        keys.check(call.key),
        source_conditions=conditions.of_read(call.members, "Source"),
        conditions=conditions.of_write(call.members, "Destination"),
        creator=creator_of(call.principal),
    )
    return {}
