"""One line of an access log: 26 fields, in AWS's order and form, `-` for what a request has not.

What a client chose is percent-encoded where it is not plain ASCII, or would end its field, so that no client can write
a line of its own. Signatures and session tokens in an address are left out: whoever reads logs
is not meant to use them.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from objstore.aws.authentication import Scheme, find_scheme
from objstore.aws.errors import AwsError
from objstore.aws.exchange import Exchange
from objstore.aws.http import Request
from objstore.aws.principal import Kind, Principal
from objstore.iam.lookup import VERSION
from objstore.s3.access_logging import names
from objstore.store.types import Bucket, Version

_SECRET = re.compile(r"(?i)((?:^|[?&])(?:X-Amz-Signature|X-Amz-Security-Token|Signature)=)[^&]*")
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")  # what is not printable ASCII, quotes and backslashes
_UNSAFE_BARE = re.compile(r"[^!#-Z^-~]")  # the same, blanks and brackets: for fields without quotes
_TYPES: Final = {
    Scheme.V4_HEADER: ("SigV4", "AuthHeader"),
    Scheme.V4_PRESIGNED: ("SigV4", "QueryString"),
    Scheme.V2_HEADER: ("SigV2", "AuthHeader"),
    Scheme.V2_PRESIGNED: ("SigV2", "QueryString"),
}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ACL_REQUIRED: Final = "acl_required"


@dataclass(frozen=True, slots=True)
class About:
    """What a line is about, where that is not the request's own object: a key of a DeleteObjects, a copy's source."""

    operation: str
    key: str
    version_id: str | None = None
    status: int | None = None
    error: str | None = None
    size: int | None = None


def line(exchange: Exchange, bucket: Bucket, ended: float, about: About | None = None) -> bytes:
    """The line of a request to `bucket` that ended at `ended`, in Unix seconds, with its newline."""
    request, call = exchange.request, exchange.call
    assert request is not None, "what is logged was read"
    signature, kind = _signed(exchange, request)
    version = call.notes.get(VERSION) if call is not None else None
    status = about.status if about is not None and about.status is not None else exchange.status
    key = about.key if about is not None else request.key
    fields = (
        _plain(bucket.owner.id, _UNSAFE_BARE),
        bucket.name,
        f"[{_moment(ended)}]",
        request.client or "-",
        _requester(exchange.principal),
        exchange.request_id,
        about.operation if about is not None else _operation(exchange, request),
        quote(key, safe="/-_.~", errors="surrogatepass") if key else "-",
        _quoted(f"{request.method} {_target(request)} HTTP/1.1"),
        str(status),
        (about.error if about is not None else exchange.error) or "-",
        str(exchange.sent) if exchange.sent and about is None else "-",
        _size(exchange, about, version),
        _milliseconds(exchange.started, exchange.finished),
        _milliseconds(exchange.received or exchange.started, exchange.first_byte),
        _quoted(request.headers.get("referer")),
        _quoted(request.headers.get("user-agent")),
        (about.version_id if about is not None else _version_id(exchange)) or "-",
        exchange.header(b"x-amz-id-2") or "-",
        signature,
        request.cipher or "-",
        kind,
        _plain(request.host, _UNSAFE_BARE) or "-",
        f"TLSv{request.tls_version}" if request.tls_version else "-",
        "-",
        "Yes" if call is not None and call.notes.get(ACL_REQUIRED) else "-",
    )
    return (" ".join(fields) + "\n").encode("utf-8", "replace")


def _moment(seconds: float) -> str:
    at = time.gmtime(seconds)
    return f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} +0000"


def _requester(principal: Principal | None) -> str:
    """The canonical id of an account, the ARN of a user or session."""
    if principal is None or principal.anonymous:
        return "-"
    of_account = principal.kind in (Kind.ACCOUNT, Kind.UNAFFILIATED)
    return _plain(principal.id if of_account else principal.arn, _UNSAFE_BARE)


def _operation(exchange: Exchange, request: Request) -> str:
    if exchange.website:
        return names.ON_WEBSITE.format(request.method)
    if request.method == "OPTIONS":
        return names.PREFLIGHT
    return names.logged(exchange.operation) if exchange.operation else names.unknown(request.method, request.key)


def _target(request: Request) -> str:
    """Path and query as sent, without what would let another use it."""
    query = _SECRET.sub(r"\1REDACTED", request.raw_query.decode("latin-1"))
    path = request.raw_path.decode("latin-1")
    return f"{path}?{query}" if query else path


def _size(exchange: Exchange, about: About | None, version: Version | None) -> str:
    """The size of the object that is read or written."""
    if about is not None:
        return "-" if about.size is None else str(about.size)
    if version is not None:
        return str(version.size)
    if exchange.call is not None and exchange.operation == "UploadPart" and exchange.status == 200:
        return str(exchange.call.body.length)
    return "-"


def _version_id(exchange: Exchange) -> str | None:
    return exchange.header(b"x-amz-version-id")


def _signed(exchange: Exchange, request: Request) -> tuple[str, str]:
    """Signature version and how it came, also of a request that was refused for it."""
    try:
        scheme = exchange.call.scheme if exchange.call is not None else find_scheme(request)[0]
    except AwsError:
        return "-", "-"
    return _TYPES.get(scheme, ("-", "-"))


def _milliseconds(start: float, end: float | None) -> str:
    return "-" if end is None else str(max(0, round((end - start) * 1000)))


def _quoted(text: str | None) -> str:
    return '"-"' if not text else f'"{_plain(text)}"'


def _plain(text: str, unsafe: re.Pattern[str] = _UNSAFE) -> str:
    """Text without what would end its field, or the line; headers come byte for byte, as Latin-1."""
    return unsafe.sub(lambda found: quote(found[0].encode("latin-1", "replace"), safe=""), text)
