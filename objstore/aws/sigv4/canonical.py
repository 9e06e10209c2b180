"""The canonical request and the string to sign of SigV4, as S3 reads them.

Client and server must hash the same bytes: method, path, query, the signed headers and the payload's hash. For S3 the
path is percent-encoded once and never normalised (`a/../b` is a key). Path and query are decoded and encoded again,
since clients differ in what they leave bare on the wire; a bare `+` in a query is a space, as everywhere in HTTP forms.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html#canonical-request
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote_from_bytes, unquote_to_bytes

from objstore.aws.errors import AwsError
from objstore.aws.sigv4.scope import Scope

_BARE = rb"[A-Za-z0-9\-._~"  # what stays as it is; every other byte is %XX in upper case
_ESCAPED = rb"%(?:[01][0-9A-F]|2[0-9A-C]|3[A-F]|40|5[B-E]|60|7[B-DF]|[89A-F][0-9A-F])"
_CANONICAL_PATH = re.compile(rb"(?:" + _BARE + rb"/]|" + _ESCAPED + rb")*\Z")
_CANONICAL_QUERY = re.compile(rb"(?:" + _BARE + rb"]|" + _ESCAPED + rb"|%2F)*\Z")
_BLANKS = re.compile(r"[ \t]{2,}|\t")  # ASCII only: a byte of UTF-8 may look like a blank of Latin-1


def canonical_path(raw_path: bytes) -> str:
    """The path as sent, each byte but unreserved ones and `/` percent-encoded once."""
    if _CANONICAL_PATH.match(raw_path):
        return raw_path.decode("ascii")
    return quote_from_bytes(unquote_to_bytes(raw_path), safe="/-_.~")


def canonical_query(raw_query: bytes, *, without: str | None = None) -> str:
    """The query's parameters encoded and sorted; `without` names one to leave out (a presigned URL's signature)."""
    if not raw_query:
        return ""
    pairs = []
    for pair in raw_query.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            pairs.append((_encoded(name), _encoded(value)))
    pairs.sort()
    return "&".join(f"{name}={value}" for name, value in pairs if name != without)


def _encoded(text: bytes) -> str:
    if _CANONICAL_QUERY.match(text):
        return text.decode("ascii")
    return quote_from_bytes(unquote_to_bytes(text.replace(b"+", b" ")), safe="-_.~")


def canonical_headers(headers: Mapping[str, str], signed: Iterable[str]) -> str:
    """A line `name:value` for each signed header, blanks squeezed; one that the request lacks has an empty value."""
    lines = "".join([f"{name}:{headers.get(name, '').strip(' ')}\n" for name in signed])
    if "  " in lines or "\t" in lines:
        lines = "".join([f"{name}:{_BLANKS.sub(' ', headers.get(name, '')).strip(' ')}\n" for name in signed])
    return lines


def canonical_request(method: str, path: str, query: str, headers: str, signed: Iterable[str], payload: str) -> str:
    """Joins the six parts; `payload` is the value of `x-amz-content-sha256`."""
    return f"{method}\n{path}\n{query}\n{headers}\n{';'.join(signed)}\n{payload}"


def string_to_sign(date: str, scope: Scope, canonical: str) -> str:
    """What the signing key signs; `date` is ISO 8601 basic."""
    # Header values reach us as Latin-1, so this gives back the very bytes that were signed.
    digest = hashlib.sha256(canonical.encode("latin-1", "replace")).hexdigest()
    return f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}"


def require_signed(headers: Mapping[str, str], signed: tuple[str, ...]) -> None:
    """AccessDenied unless the signature covers `host` and every `x-amz-` header that was sent."""
    unsigned = [name for name in headers if name[:6] == "x-amz-" and name not in signed]
    if "host" not in signed:
        unsigned.append("host")
    if unsigned:
        raise AwsError(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(sorted(unsigned)),
        )
