"""What a bucket may be called: labels of lower-case letters, digits and hyphens, joined by periods, 3 to 63 long.

The old, looser rules of us-east-1 are not kept: every name works as a host name.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
"""

from __future__ import annotations

import re

from objstore.aws.errors import AwsError
from objstore.store import snapshots

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
# Taken by AWS for access points, Object Lambda, S3 Express and S3 Tables; the last one for views of snapshots.
_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", snapshots.SUFFIX)


def is_valid(name: str) -> bool:
    """Whether a bucket may have this name."""
    return (
        3 <= len(name) <= 63
        and _NAME.fullmatch(name) is not None
        and _ADDRESS.fullmatch(name) is None
        and not name.startswith(_PREFIXES)
        and not name.endswith(_SUFFIXES)
    )


def check(name: str) -> str:
    """The name, when a bucket may have it; raises InvalidBucketName."""
    if not is_valid(name):
        raise AwsError("InvalidBucketName", BucketName=name)
    return name
