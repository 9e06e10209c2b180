"""The query parameters of a SigV4 presigned URL: `X-Amz-Algorithm`, `-Credential`, `-Date`, `-Expires`,
`-SignedHeaders`, `-Signature`. Such a URL is good from its date (a clock may be fifteen minutes ahead) until
`X-Amz-Expires` seconds later, a week at most.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.sigv4.amz_date import MAX_SKEW, iso, parse_basic
from objstore.aws.sigv4.authorization import ALGORITHM
from objstore.aws.sigv4.scope import SERVICE, Scope, parse_scope

MAX_EXPIRES = 7 * 24 * 3600  # seconds

_REQUIRED = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)


@dataclass(frozen=True, slots=True)
class Presigned:
    """A parsed presigned query: whose key, what it covers, when it was made and for how many seconds it is good."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str
    date: str
    issued: int
    expires: int

    def require_valid(self, now: float) -> None:
        """AccessDenied, as AWS words it, before the URL's time and from its expiry on."""
        ends = self.issued + self.expires
        if self.issued > now + MAX_SKEW:
            early: dict[str, Any] = {"X-Amz-Date": self.issued * 1000, "Expires": iso(ends), "ServerTime": iso(now)}
            raise AwsError("AccessDenied", "Request is not yet valid", **early)
        if now >= ends:
            late: dict[str, Any] = {"X-Amz-Expires": self.expires, "Expires": iso(ends), "ServerTime": iso(now)}
            raise AwsError("AccessDenied", "Request has expired", **late)


def parse_presigned(query: Mapping[str, str], region: str | None, service: str = SERVICE) -> Presigned:
    """Reads the parameters; AuthorizationQueryParametersError says which one is missing or wrong."""
    if any(not query.get(name) for name in _REQUIRED):
        raise _error(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise _error(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    scope = parse_scope(query["X-Amz-Credential"], region, _bad_credential, service)
    date = query["X-Amz-Date"]
    issued = parse_basic(date)
    if issued is None:
        raise _error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    if date[:8] != scope.day:
        raise _error(f'Invalid credential date "{scope.day}". This date is not the same as X-Amz-Date: "{date[:8]}".')
    return Presigned(
        scope=scope,
        signed_headers=tuple(query["X-Amz-SignedHeaders"].lower().split(";")),
        signature=query["X-Amz-Signature"],
        date=date,
        issued=issued,
        expires=_parse_expires(query["X-Amz-Expires"]),
    )


def _parse_expires(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise _error("X-Amz-Expires should be a number")
    seconds = int(text)
    # AWS says AuthorizationQueryParametersError (400) to these two, Ceph and the public tests of S3 say 403.
    if seconds < 0:
        raise AwsError("AccessDenied", "X-Amz-Expires must be non-negative")
    if seconds > MAX_EXPIRES:
        raise AwsError(
            "AccessDenied",
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{MAX_EXPIRES} seconds",
        )
    return seconds


def _bad_credential(message: str, **detail: Any) -> AwsError:
    return _error(f"Error parsing the X-Amz-Credential parameter; {message}", **detail)


def _error(message: str, **detail: Any) -> AwsError:
    return AwsError("AuthorizationQueryParametersError", message, **detail)
