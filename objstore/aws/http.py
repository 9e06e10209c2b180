"""A request as it came over HTTP: what was sent, byte for byte, beside what it means.

Signatures cover path and query as sent, so these stay as they are; bucket, key and parameters are decoded from them
once. A key is any text: nothing is normalised, `a/../b` and `a//b` are keys of their own. What is not UTF-8 is
refused here.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from objstore.aws.domains import Domains
from objstore.aws.errors import AwsError

MAX_TARGET: Final = 16 << 10  # bytes of path and query; a key of 1,024 bytes takes 3,072 when encoded
MAX_HEADERS: Final = 32 << 10  # bytes of all header names and values

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Parameters of a presigned URL that belong to the signature and stand for no header.
_SIGNATURE_PARAMETERS: Final = frozenset(
    f"x-amz-{name}"
    for name in (
        *("algorithm", "credential", "date", "expires"),
        *("signedheaders", "signature", "security-token", "content-sha256"),
    )
)


@dataclass(slots=True)
class Request:
    """One request. Header names are in lower case, values decoded as Latin-1; `query` keeps order and duplicates.

    `bucket` is None for the service itself, `key` None for a bucket; `host_bucket` is the bucket when the host named
    it. `tls_version` is `1.3`, say, and `cipher` as OpenSSL calls it.
    """

    method: str
    raw_path: bytes
    raw_query: bytes
    headers: dict[str, str]
    query: list[tuple[str, str]]
    host: str
    host_bucket: str | None
    bucket: str | None
    key: str | None
    secure: bool = False
    client: str | None = None
    tls_version: str | None = None
    cipher: str | None = None

    @property
    def resource(self) -> str:
        """The path as error documents name it: `/bucket/key`, whichever way the bucket was addressed."""
        if self.bucket is None:
            return "/"
        return f"/{self.bucket}" if self.key is None else f"/{self.bucket}/{self.key}"

    def adopt_hoisted(self) -> None:
        """Take the `x-amz-` parameters of a presigned URL as the headers that its signer moved there.

        Only after the signature was checked: it tells headers from parameters. A header that was sent wins.
        """
        for name, value in self.query:
            lower = name.lower()
            if lower.startswith("x-amz-") and lower not in _SIGNATURE_PARAMETERS:
                self.headers.setdefault(lower, value)


def read_request(scope: Mapping[str, Any], domains: Domains) -> Request:
    """Read an ASGI scope. Raises InvalidURI, InvalidBucketName, RequestHeaderSectionTooLarge."""
    raw_path: bytes = scope.get("raw_path") or quote(scope["path"], safe="/%").encode("ascii")
    raw_query: bytes = scope.get("query_string") or b""
    if len(raw_path) + len(raw_query) > MAX_TARGET:
        raise AwsError("InvalidURI", "The URI is longer than allowed.", MaxURILengthBytes=MAX_TARGET)
    headers = read_headers(scope["headers"])
    host = headers.get("host", "")
    host_bucket = domains.bucket_of(host)
    bucket, key = split_path(raw_path, host_bucket)
    client = scope.get("client")
    return Request(
        method=scope["method"],
        raw_path=raw_path,
        raw_query=raw_query,
        headers=headers,
        query=read_query(raw_query) if raw_query else [],
        host=host,
        host_bucket=host_bucket,
        bucket=bucket,
        key=key,
        secure=scope.get("scheme") == "https",
        client=client[0] if client else None,
        **(_tls(scope) if scope.get("scheme") == "https" else {}),
    )


def _tls(scope: Mapping[str, Any]) -> dict[str, str]:
    """What the HTTP server tells of TLS by ASGI's extension: the version as `1.2` or `1.3`, the cipher by its name."""
    told = scope.get("extensions", {}).get("tls", {})
    number, cipher = told.get("tls_version"), told.get("cipher_name")
    found = {"tls_version": f"1.{number - 0x0301}"} if number is not None else {}
    return found | ({"cipher": cipher} if cipher is not None else {})


def read_headers(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name in lower case; those sent twice are joined by a comma (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    size = 0
    for raw_name, raw_value in pairs:
        size += len(raw_name) + len(raw_value)
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if size > MAX_HEADERS:
        raise AwsError("RequestHeaderSectionTooLarge", MaxSizeAllowed=MAX_HEADERS)
    return headers


def split_path(raw_path: bytes, host_bucket: str | None) -> tuple[str | None, str | None]:
    """Bucket and key, decoded, None where the path names none. Raises InvalidURI and InvalidBucketName."""
    path = decode(raw_path)[1:]
    if host_bucket is not None:
        return host_bucket, path or None
    bucket, _, key = path.partition("/")
    if not bucket:
        if key:
            raise AwsError("InvalidBucketName", BucketName="")
        return None, None
    return bucket, key or None


def read_query(raw_query: bytes) -> list[tuple[str, str]]:
    """Parameters in the order sent, decoded; one without `=` has an empty value. Raises InvalidURI."""
    pairs = []
    for pair in raw_query.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            pairs.append((decode(name.replace(b"+", b" ")), decode(value.replace(b"+", b" "))))
    return pairs


def decode(raw: bytes) -> str:
    """Percent-decode to text. Raises InvalidURI when an escape is broken or the bytes are not UTF-8."""
    try:
        if b"%" not in raw:
            return raw.decode("utf-8")
        if _BAD_ESCAPE.search(raw):
            raise AwsError("InvalidURI", URI=raw.decode("utf-8", "replace"))
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise AwsError("InvalidURI", URI=raw.decode("utf-8", "replace")) from None
