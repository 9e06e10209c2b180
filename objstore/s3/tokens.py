"""Continuation tokens: opaque to clients, in truth the name behind which the next page begins.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import base64
import binascii

from objstore.aws.errors import AwsError


def pack(name: str) -> str:
    """The token that continues behind `name`."""
    return base64.urlsafe_b64encode(b"1" + name.encode("utf-8", "surrogatepass")).decode("ascii")


def unpack(token: str) -> str:
    """The name of a token that `pack` made; raises InvalidArgument for any other."""
    try:
        data = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        if data[:1] == b"1":
            return data[1:].decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        pass
    raise AwsError(
        "InvalidArgument",
        "The continuation token provided is incorrect",
        ArgumentName="continuation-token",
        ArgumentValue=token,
    )
