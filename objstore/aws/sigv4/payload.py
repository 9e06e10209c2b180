"""What `x-amz-content-sha256` says about the body: its SHA-256, that nobody signed it, or that it comes in
`aws-chunked` form.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from objstore.aws.errors import AwsError

UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
_ECDSA = ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER")
_WORDS = (UNSIGNED, STREAMING_UNSIGNED_TRAILER, STREAMING_SIGNED, STREAMING_SIGNED_TRAILER)

_HEX = re.compile(r"[0-9a-fA-F]{64}\Z")


class Payload(msgspec.Struct, frozen=True):
    """How the body is protected: by `sha256` (lower-case hex) of the whole, by signatures of its chunks, or not."""

    sha256: str | None = None
    chunked: bool = False
    signed_chunks: bool = False
    trailer: bool = False


BARE = Payload()

_PAYLOADS = {
    UNSIGNED: BARE,
    STREAMING_UNSIGNED_TRAILER: Payload(chunked=True, trailer=True),
    STREAMING_SIGNED: Payload(chunked=True, signed_chunks=True),
    STREAMING_SIGNED_TRAILER: Payload(chunked=True, signed_chunks=True, trailer=True),
}


def parse_payload(value: str) -> Payload:
    """Reads the header's value; InvalidArgument when it is none of the known words nor a SHA-256."""
    known = _PAYLOADS.get(value)
    if known is not None:
        return known
    if _HEX.match(value):
        return Payload(sha256=value.lower())
    if value in _ECDSA:
        raise AwsError("NotImplemented", f"The chunk encoding algorithm {value} is not supported.")
    raise AwsError(
        "InvalidArgument",
        f"x-amz-content-sha256 must be {', '.join((*_WORDS, *_ECDSA))} or a valid sha256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=value,
    )


def unsigned_payload(headers: Mapping[str, str]) -> Payload:
    """The body of a request whose signature does not cover it; `aws-chunked` too where only the encoding says so."""
    value = headers.get("x-amz-content-sha256")
    if value:
        return parse_payload(value)
    marked = "x-amz-trailer" in headers or "x-amz-decoded-content-length" in headers
    if marked and "aws-chunked" in headers.get("content-encoding", "").lower():
        return _PAYLOADS[STREAMING_UNSIGNED_TRAILER]
    return BARE
