"""The headers `x-amz-object-lock-*`: what they ask for a new object, and how they tell of one that is there.

An upload to which retention or a legal hold applies must carry a digest of its body, as a header or as a trailer: what
cannot be deleted for years had better be right.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from objstore.aws.body import Body
from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.s3.times import moment
from objstore.store.locks import of_bucket
from objstore.store.types import Bucket, Lock

MEMBERS: Final = frozenset({"ObjectLockLegalHoldStatus", "ObjectLockMode", "ObjectLockRetainUntilDate"})
"""The members that `from_headers` honours."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNTIL_HEADER: Final = "x-amz-object-lock-retain-until-date"
_MISSING_DIGEST: Final = (
    "Content-MD5 OR x-amz-checksum- HTTP header is required for {} requests with Object Lock parameters"
)


def from_headers(call: Call) -> Lock | None:
    """The lock that the request asks for; None when for none. Raises InvalidArgument."""
    mode, until = call.get("ObjectLockMode"), call.get("ObjectLockRetainUntilDate")
    hold = call.get("ObjectLockLegalHoldStatus")
    if bool(mode) != (until is not None):
        raise AwsError("InvalidArgument", f"{_UNTIL_HEADER} and x-amz-object-lock-mode must both be supplied")
    if until is None and not hold:
        return None
    until_us = future(until, _UNTIL_HEADER) if until is not None else 0
    return Lock(mode or "", until_us, hold == "ON" if hold else None)


def future(until: datetime, name: str) -> int:
    """A retain-until date in microseconds since 1970, cut to milliseconds; InvalidArgument for one that is over."""
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    if until.timestamp() <= time.time():
        raise AwsError(
            "InvalidArgument",
            "The retain until date must be in the future!",
            ArgumentName=name,
            ArgumentValue=until.isoformat(),
        )
    return (until - _EPOCH) // timedelta(milliseconds=1) * 1000  # without floating point, which may round up


def members(lock: Lock, may: Callable[[str], bool]) -> dict[str, Any]:
    """What GetObject and HeadObject tell of a lock, to a caller who may do the actions that ask for it."""
    told: dict[str, Any] = {}
    if lock.mode and may("s3:GetObjectRetention"):
        told |= {"ObjectLockMode": lock.mode, "ObjectLockRetainUntilDate": moment(lock.until_us)}
    if lock.legal_hold is not None and may("s3:GetObjectLegalHold"):
        told["ObjectLockLegalHoldStatus"] = on_off(lock.legal_hold)
    return told


def on_off(hold: bool) -> str:
    """A legal hold as AWS spells it."""
    return "ON" if hold else "OFF"


def require_digest(body: Body, bucket: Bucket, lock: Lock | None, kind: str) -> None:
    """Raise InvalidRequest for a body that is to be locked, but comes without MD5 and checksum.

    `kind` is how AWS calls the request: Put Object, Put Part.
    """
    default = of_bucket(bucket)
    if lock is None and (default is None or not default.mode):
        return
    if body.claims.md5 is None and body.claims.algorithm is None:
        raise AwsError("InvalidRequest", _MISSING_DIGEST.format(kind))
