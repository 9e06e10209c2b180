"""What a client claims of its body beforehand, and whether that turned out true.

Three claims may be made beside each other: `Content-MD5`, the SHA-256 in `x-amz-content-sha256`, and one checksum of
the model's algorithms, in a header `x-amz-checksum-*` or in a trailer that `x-amz-trailer` announces. Claims that
cannot be read are refused before a byte of the body is taken; claims that were wrong, after the last.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from objstore.aws.checksums import BY_HEADER, Algorithm, algorithm, bad_digest, decode, encode, invalid_header
from objstore.aws.digests import Digests
from objstore.aws.errors import AwsError
from objstore.aws.sigv4 import Payload

_PREFIX = "x-amz-checksum-"
_NOT_VALUES = frozenset(("x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"))


class Claims(msgspec.Struct, frozen=True):
    """The digests claimed: raw MD5, hexadecimal SHA-256, and a checksum, its value None when a trailer brings it."""

    md5: bytes | None = None
    sha256: str | None = None
    algorithm: Algorithm | None = None
    value: bytes | None = None

    @property
    def trailer(self) -> str | None:
        """The name of the trailer to come, lower-case."""
        return self.algorithm.header if self.algorithm is not None and self.value is None else None

    @property
    def wanted(self) -> frozenset[str]:
        """The algorithms that `check` needs."""
        names = {self.algorithm.name} if self.algorithm is not None else set()
        if self.md5 is not None:
            names.add("MD5")
        if self.sha256 is not None:
            names.add("SHA256")
        return frozenset(names)

    def check(self, digests: Digests, trailers: Mapping[str, str]) -> None:
        """Compares with what was received: BadDigest, XAmzContentSHA256Mismatch, InvalidRequest for a bad trailer."""
        if self.md5 is not None and not hmac.compare_digest(self.md5, digests.digest("MD5")):
            raise AwsError("BadDigest", CalculatedDigest=digests.base64("MD5"), ExpectedDigest=encode(self.md5))
        if self.sha256 is not None and not hmac.compare_digest(self.sha256, digests.hex("SHA256")):
            raise AwsError(
                "XAmzContentSHA256Mismatch",
                ClientComputedContentSHA256=self.sha256,
                S3ComputedContentSHA256=digests.hex("SHA256"),
            )
        if self.algorithm is not None:
            value = self.value
            if value is None:
                value = decode(trailers.get(self.algorithm.header, ""), self.algorithm, trailing=True)
            if not hmac.compare_digest(value, digests.digest(self.algorithm.name)):
                raise bad_digest(self.algorithm)


def read_claims(headers: Mapping[str, str], payload: Payload, *, checksums: bool = True) -> Claims:
    """Reads the claims of a request; InvalidDigest or InvalidRequest for one that cannot be read.

    `checksums` is false where the `x-amz-checksum-` headers speak of something else than this body: of the object that
    CompleteMultipartUpload makes.
    """
    chosen, value = _read_checksum(headers, payload) if checksums else (None, None)
    return Claims(_read_md5(headers.get("content-md5")), payload.sha256, chosen, value)


def _read_md5(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        detail: dict[str, Any] = {"Content-MD5": text}
        raise AwsError("InvalidDigest", **detail)
    return digest


def _read_checksum(headers: Mapping[str, str], payload: Payload) -> tuple[Algorithm | None, bytes | None]:
    values = [name for name in headers if name.startswith(_PREFIX) and name not in _NOT_VALUES]
    if any(name not in BY_HEADER for name in values):
        raise AwsError("InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid.")
    announced = _read_trailer(headers, payload)
    if len(values) + (announced is not None) > 1:
        raise AwsError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    chosen = announced or (BY_HEADER[values[0]] if values else None)
    named = headers.get("x-amz-sdk-checksum-algorithm")
    if named:
        if chosen is None:
            algorithm(named)
            raise AwsError(
                "InvalidRequest",
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
                "headers were found.",
            )
        if algorithm(named) is not chosen:
            raise invalid_header("x-amz-sdk-checksum-algorithm")
    return chosen, decode(headers[values[0]], BY_HEADER[values[0]]) if values else None


def _read_trailer(headers: Mapping[str, str], payload: Payload) -> Algorithm | None:
    text = headers.get("x-amz-trailer", "").strip().lower()
    if not text:
        return None
    chosen = BY_HEADER.get(text)
    if chosen is None or not payload.trailer:
        raise AwsError("InvalidRequest", "The value specified in the x-amz-trailer header is not supported")
    return chosen
