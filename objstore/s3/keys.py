"""What a key may be: any text of 1 to 1,024 bytes of UTF-8. It is never a path: `a`, `a/` and `a/b` are three keys.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

from __future__ import annotations

from objstore.aws.errors import AwsError

MAX_BYTES = 1024


def check(key: str) -> str:
    """The key, when an object may have it; raises KeyTooLongError, and InvalidArgument for an empty one."""
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise AwsError("KeyTooLongError", Size=size, MaxSizeAllowed=MAX_BYTES)
    if not key:
        raise AwsError("InvalidArgument", "A key must not be empty.", ArgumentName="Key", ArgumentValue="")
    return key
