"""The `x-amz-copy-source` header: `bucket/key`, percent-encoded, perhaps with a slash before and `?versionId=` behind.

A plus sign is a space, as in a query: AWS reads it so, and clients written in Go (s5cmd) send it so.
The question mark that begins the version id is never encoded, so a key may well hold `?versionId=` as `%3FversionId=`.
Access points, which AWS also takes here, do not exist.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from objstore.aws.errors import AwsError
from objstore.store.types import ObjectName

_VERSION = "?versionId="


def parse(header: str, name: str = "x-amz-copy-source") -> ObjectName:
    """The bucket, key and version named; raises InvalidArgument, and NotImplemented for an access point."""
    path, marker, version_id = header.rpartition(_VERSION)
    if not marker:
        path, version_id = header, ""
    elif not version_id:
        raise _invalid("Version id cannot be the empty string", name, header)
    decoded = _decode(path, name, header).removeprefix("/")
    if decoded.startswith("arn:"):
        raise AwsError("NotImplemented", "Access points are not implemented.")
    bucket, _, key = decoded.partition("/")
    if not bucket or not key:
        raise _invalid("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", name, header)
    return ObjectName(bucket, key, _decode(version_id, name, header) or None)


def _decode(text: str, name: str, header: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise _invalid("The copy source is no UTF-8 when decoded.", name, header) from None


def _invalid(message: str, name: str, header: str) -> AwsError:
    return AwsError("InvalidArgument", message, ArgumentName=name, ArgumentValue=header)
