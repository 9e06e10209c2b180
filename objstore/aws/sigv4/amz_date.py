"""The moment a request claims to have been made: `x-amz-date`, else `Date`, within fifteen minutes of now.

`x-amz-date` is ISO 8601 basic (`20130524T000000Z`) under SigV4 and an HTTP date under SigV2; both forms are read
wherever either may appear. All times are Unix seconds.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html#RESTAuthenticationTimeStamp
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from objstore.aws.errors import AwsError

MAX_SKEW = 15 * 60  # seconds

_LATEST = 253402300799  # the end of the year 9999, where datetime ends

_BASIC = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z\Z")


@lru_cache(maxsize=256)  # many requests a second say the same
def parse_basic(text: str) -> int | None:
    """`20130524T000000Z` as Unix seconds; None when it is not that."""
    found = _BASIC.match(text)
    if found is None:
        return None
    try:
        return int(datetime(*map(int, found.groups()), tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]
    except ValueError:
        return None


def parse_http(text: str) -> int | None:
    """`Tue, 07 Jul 2030 21:53:04 GMT` as Unix seconds; None when it is no date."""
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # "-0000": a time in UTC that says nothing of where it was written
            moment = moment.replace(tzinfo=UTC)
        return int(moment.timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


@lru_cache(maxsize=256)
def basic(seconds: float) -> str:
    """Unix seconds as `20130524T000000Z`."""
    return _moment(seconds).strftime("%Y%m%dT%H%M%SZ")


def iso(seconds: float) -> str:
    """Unix seconds as `2013-05-24T00:00:00Z`, the form of dates in error documents."""
    return _moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0), _LATEST), UTC)


def request_time(headers: Mapping[str, str]) -> int:
    """The request's own time; AccessDenied when it has none, none that can be read, or one before 1970."""
    text = headers.get("x-amz-date")
    if text is None:
        text = headers.get("date", "")
    moment = parse_basic(text)
    if moment is None:
        moment = parse_http(text)
    if moment is None or moment < 0:
        raise AwsError("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    return moment


def require_fresh(moment: int, now: float) -> None:
    """RequestTimeTooSkewed unless `moment` is within fifteen minutes of `now`."""
    if abs(moment - now) > MAX_SKEW:
        raise AwsError(
            "RequestTimeTooSkewed",
            RequestTime=basic(moment),
            ServerTime=iso(now),
            MaxAllowedSkewMilliseconds=str(MAX_SKEW * 1000),
        )
