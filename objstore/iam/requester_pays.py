"""Requester pays: whoever does not belong to the bucket's owner must say in every request that it bears the cost.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html
"""

from __future__ import annotations

from typing import Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.store import configuration
from objstore.store.types import Bucket

SUBJECT: Final = "request_payment"
REQUESTER: Final = "Requester"
BUCKET_OWNER: Final = "BucketOwner"

_HEADER: Final = "x-amz-request-payer"
_REQUESTER: Final = "requester"
_WANTED: Final = f"{_HEADER}: {_REQUESTER}."


class RequestPayment(msgspec.Struct, frozen=True):
    """Who pays: Requester or BucketOwner."""

    payer: str


def payer(bucket: Bucket) -> str:
    """Who pays for requests to the bucket."""
    given = configuration.of(bucket, SUBJECT, RequestPayment)
    return given.payer if given is not None else BUCKET_OWNER


def check(call: Call, bucket: Bucket) -> None:
    """Raise AccessDenied when the caller should pay for a request to the bucket and does not say that it will.

    A caller that does is told in the answer that it was charged.
    """
    principal = call.principal
    if SUBJECT not in bucket.configuration or payer(bucket) == BUCKET_OWNER:
        return
    if principal.is_root or principal.id == bucket.owner.id:
        return
    if principal.anonymous or call.request.headers.get(_HEADER, "").lower() != _REQUESTER:
        raise AwsError("AccessDenied", "The bucket is a Requester Pays bucket: sign the request and send " + _WANTED)
    call.headers["x-amz-request-charged"] = _REQUESTER
