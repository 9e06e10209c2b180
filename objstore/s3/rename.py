"""RenameObject: another key for an object, in one transaction. AWS has it for directory buckets, we for every bucket.

The client token that SDKs send along is remembered for a while, so a rename that is sent twice succeeds twice.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_RenameObject.html
"""

from __future__ import annotations

import re
from typing import Any, Final

from objstore.aws import copy_source
from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.users import creator_of
from objstore.s3 import conditions, keys
from objstore.store.renaming import Renaming

_HEADER: Final = "x-amz-rename-source"
_TOKEN: Final = re.compile(r"[!-~]{1,64}")


@operation(
    "RenameObject",
    action="s3:PutObject",
    supports={
        "ClientToken",
        "DestinationIfMatch",
        "DestinationIfModifiedSince",
        "DestinationIfNoneMatch",
        "DestinationIfUnmodifiedSince",
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
    asked = Renaming(
        source.key,
        keys.check(call.key),
        conditions.of_read(call.members, "Source"),
        conditions.of_read(call.members, "Destination"),
        creator_of(call.principal),
        _token(call.get("ClientToken")),
    )
    if context.store.renamed(call.bucket, asked):
        return {}
    await context.store.rename(call.bucket, asked)
    return {}


def _token(token: str | None) -> str:
    if token and not _TOKEN.fullmatch(token):
        raise AwsError(
            "InvalidArgument",
            "A client token has up to 64 printable ASCII characters without spaces.",
            ArgumentName="x-amz-client-token",
            ArgumentValue=token,
        )
    return token or ""
