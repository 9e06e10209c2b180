"""Who asks: finds the one scheme by which a request is signed and has it checked.

A request carries its signature in the `Authorization` header or in the query, of version 4 or 2; with none it is
anonymous, and what an anonymous caller may do is for the access check to say. With more than one it is refused.
https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from objstore.aws import sigv2, sigv4
from objstore.aws.errors import AwsError
from objstore.aws.principal import ANONYMOUS, Credentials, Principal, Sessions
from objstore.aws.sigv4 import ChunkSigning, Payload
from objstore.aws.sigv4.payload import unsigned_payload


class Scheme(StrEnum):
    """How a request was signed."""

    V4_HEADER = "v4-header"
    V4_PRESIGNED = "v4-presigned"
    V2_HEADER = "v2-header"
    V2_PRESIGNED = "v2-presigned"
    FORM = "form"
    ANONYMOUS = "anonymous"


class Authentication(msgspec.Struct, frozen=True):
    """The outcome: who, by which scheme, how the body is protected, and what its chunks are signed with."""

    principal: Principal
    scheme: Scheme
    payload: Payload
    chunks: ChunkSigning | None = None


class Authenticable(sigv2.Addressed, Protocol):
    """The facts of a request that authentication reads."""

    @property
    def query(self) -> Sequence[tuple[str, str]]: ...


def authenticate(
    request: Authenticable,
    credentials: Credentials,
    *,
    region: str,
    now: float,
    sessions: Sessions | None = None,
) -> Authentication:
    """Checks the signature at `now` (Unix seconds); AwsError with AWS's code says what is wrong with it.

    `sessions` looks up keys that come with a session token; without it none is valid.
    """
    scheme, query = find_scheme(request)
    if scheme is Scheme.ANONYMOUS:
        return Authentication(ANONYMOUS, scheme, _payload_without_v4(request))
    credentials = with_token(credentials, sessions, token_of(request, query))
    if scheme is Scheme.V4_HEADER:
        credential, payload, chunks = sigv4.verify_header(request, credentials, region=region, now=now)
        return Authentication(credential.principal, scheme, payload, chunks)
    if scheme is Scheme.V4_PRESIGNED:
        credential, payload, chunks = sigv4.verify_presigned(request, query, credentials, region=region, now=now)
        return Authentication(credential.principal, scheme, payload, chunks)
    if scheme is Scheme.V2_HEADER:
        credential = sigv2.verify_header(request, credentials, now=now)
    else:
        credential = sigv2.verify_presigned(request, query, credentials, now=now)
    return Authentication(credential.principal, scheme, _payload_without_v4(request))


def token_of(request: Authenticable, query: Mapping[str, str]) -> str | None:
    """The session token of a signed request, from its header or its query."""
    for found in (
        request.headers.get("x-amz-security-token"),
        query.get("X-Amz-Security-Token"),
        query.get("x-amz-security-token"),
    ):
        if found is not None:
            return found
    return None


def with_token(credentials: Credentials, sessions: Sessions | None, token: str | None) -> Credentials:
    """What looks access keys up beside a session token, or without one. Raises InvalidToken where none is valid."""
    if token is None:
        return credentials
    if sessions is None:
        raise AwsError("InvalidToken")
    return lambda access_key: sessions(access_key, token)


def find_scheme(request: Authenticable) -> tuple[Scheme, dict[str, str]]:
    """The scheme of the request, and its decoded query parameters; InvalidArgument for two schemes at once."""
    header = request.headers.get("authorization", "")
    query: dict[str, str] = {}
    found = []
    if header:
        found.append(_header_scheme(header))
    if request.raw_query:
        query = dict(request.query)
        if "X-Amz-Algorithm" in query or "X-Amz-Signature" in query or "X-Amz-Credential" in query:
            found.append(Scheme.V4_PRESIGNED)
        elif "AWSAccessKeyId" in query or "Signature" in query:
            found.append(Scheme.V2_PRESIGNED)
    if len(found) > 1:
        raise AwsError(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
            "parameter or the Authorization header should be specified",
            ArgumentName="Authorization",
            ArgumentValue=header,
        )
    return (found[0] if found else Scheme.ANONYMOUS), query


def _payload_without_v4(request: Authenticable) -> Payload:
    payload = unsigned_payload(request.headers)
    if payload.signed_chunks:  # the chain of chunk signatures begins with a SigV4 signature
        raise AwsError(
            "InvalidRequest",
            "Anonymous requests don't support this x-amz-content-sha256 value. Please use UNSIGNED-PAYLOAD or "
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER.",
        )
    return payload


def _header_scheme(header: str) -> Scheme:
    name = header.partition(" ")[0]
    if name == "AWS4-HMAC-SHA256":
        return Scheme.V4_HEADER
    if name == "AWS":
        return Scheme.V2_HEADER
    raise AwsError(
        "InvalidArgument", "Unsupported Authorization Type", ArgumentName="Authorization", ArgumentValue=header
    )
