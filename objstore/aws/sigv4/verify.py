"""Verification of a SigV4 request: parse what it claims, find the key, build the same string, compare."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Protocol

from objstore.aws.errors import AwsError
from objstore.aws.principal import Credential, Credentials
from objstore.aws.sigv4.amz_date import basic, request_time, require_fresh
from objstore.aws.sigv4.authorization import Authorization, parse_authorization
from objstore.aws.sigv4.canonical import (
    canonical_headers,
    canonical_path,
    canonical_query,
    canonical_request,
    require_signed,
    string_to_sign,
)
from objstore.aws.sigv4.chunks import ChunkSigning
from objstore.aws.sigv4.payload import UNSIGNED, Payload, parse_payload, unsigned_payload
from objstore.aws.sigv4.presigned import Presigned, parse_presigned
from objstore.aws.sigv4.scope import SERVICE, Scope, signing_key
from objstore.aws.sigv4.scope import signature as signature_of


class SignedRequest(Protocol):
    """The facts of a request that a signature covers: path and query as sent, headers lower-case."""

    @property
    def method(self) -> str: ...
    @property
    def raw_path(self) -> bytes: ...
    @property
    def raw_query(self) -> bytes: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


def verify_header(
    request: SignedRequest,
    credentials: Credentials,
    *,
    region: str | None,
    now: float,
    service: str = SERVICE,
    content: str | None = None,
) -> tuple[Credential, Payload, ChunkSigning | None]:
    """Checks the `Authorization` header; gives whose key it was, the body's protection, and the seed of its chunks.

    `content` is the SHA-256 of a body that was read before, in hex: other services than S3 have no header for it.
    """
    headers = request.headers
    claim = parse_authorization(headers["authorization"], region, service)
    moment = request_time(headers)
    date = basic(moment)
    if date[:8] != claim.scope.day:
        raise AwsError(
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; Invalid credential date. Date is not the same as X-Amz-Date.",
        )
    require_fresh(moment, now)
    credential = require_credential(claim.scope.access_key, credentials)
    content = content or headers.get("x-amz-content-sha256")
    if not content:
        raise AwsError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    payload = parse_payload(content)
    require_signed(headers, claim.signed_headers)
    query = canonical_query(request.raw_query)
    key = _verify(request, credential, claim.scope, date, query, claim.signed_headers, content, claim.signature)
    return credential, payload, _chunks(payload, key, date, claim)


def verify_presigned(
    request: SignedRequest,
    query: Mapping[str, str],
    credentials: Credentials,
    *,
    region: str | None,
    now: float,
    service: str = SERVICE,
    content: str | None = None,
) -> tuple[Credential, Payload, ChunkSigning | None]:
    """Checks a presigned URL, as `verify_header` does a header; `query` holds the decoded parameters."""
    headers = request.headers
    claim = parse_presigned(query, region, service)
    credential = require_credential(claim.scope.access_key, credentials)
    claim.require_valid(now)
    content = content or headers.get("x-amz-content-sha256") or query.get("X-Amz-Content-Sha256") or UNSIGNED
    payload = unsigned_payload(headers) if content == UNSIGNED else parse_payload(content)
    require_signed(headers, claim.signed_headers)
    canonical = canonical_query(request.raw_query, without="X-Amz-Signature")
    key = _verify(
        request, credential, claim.scope, claim.date, canonical, claim.signed_headers, content, claim.signature
    )
    return credential, payload, _chunks(payload, key, claim.date, claim)


def require_credential(access_key: str, credentials: Credentials) -> Credential:
    """The credential of an access key id; InvalidAccessKeyId when nobody has it."""
    credential = credentials(access_key)
    if credential is None:
        raise AwsError("InvalidAccessKeyId", AWSAccessKeyId=access_key)
    return credential


def _verify(
    request: SignedRequest,
    credential: Credential,
    scope: Scope,
    date: str,
    query: str,
    signed: tuple[str, ...],
    content: str,
    signature: str,
) -> bytes:
    """The key that signs, of a request that it did sign."""
    lines = canonical_headers(request.headers, signed)
    canonical = canonical_request(request.method, canonical_path(request.raw_path), query, lines, signed, content)
    text = string_to_sign(date, scope, canonical)
    key = signing_key(credential.secret, scope.day, scope.region, scope.service)
    expected = signature_of(key, text)
    if not hmac.compare_digest(expected.encode("ascii"), signature.encode("utf-8", "replace")):
        raise AwsError(
            "SignatureDoesNotMatch",
            AWSAccessKeyId=scope.access_key,
            StringToSign=text,
            SignatureProvided=signature,
            StringToSignBytes=text.encode("ascii").hex(" "),
            CanonicalRequest=canonical,
            CanonicalRequestBytes=canonical.encode("latin-1", "replace").hex(" "),
        )
    return key


def _chunks(payload: Payload, key: bytes, date: str, claim: Authorization | Presigned) -> ChunkSigning | None:
    """What the chunks of the body are signed with, where they are."""
    return ChunkSigning(key, date, claim.scope, claim.signature) if payload.signed_chunks else None
