"""The location constraint of a new bucket: the region of this server, which is the only one there is.

us-east-1 is special to AWS: a bucket made without a constraint lives there and tells no location.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html and API_GetBucketLocation.html
"""

from __future__ import annotations

import re

from objstore.aws.errors import AwsError

US_EAST_1 = "us-east-1"
_REGION = re.compile(r"EU|[a-z]{2}(?:-[a-z]+){1,3}-\d{1,2}")


def check(constraint: str | None, region: str) -> str:
    """What a bucket remembers: the constraint asked for, "" for none.

    Raises IllegalLocationConstraintException for another region, InvalidLocationConstraint for what is none.
    """
    if not constraint or constraint == region:
        return constraint or ""
    if constraint == "EU" and region == "eu-west-1":
        return constraint
    if _REGION.fullmatch(constraint):
        raise AwsError(
            "IllegalLocationConstraintException",
            f"The {constraint} location constraint is incompatible for the region specific endpoint this request was "
            "sent to.",
        )
    raise AwsError("InvalidLocationConstraint", LocationConstraint=constraint)


def shown(remembered: str, region: str) -> str | None:
    """What GetBucketLocation tells."""
    return remembered or (None if region == US_EAST_1 else region)
