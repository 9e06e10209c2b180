"""AWS Signature Version 2, for old clients: `Authorization: AWS AKID:signature`, or `AWSAccessKeyId`, `Signature` and
`Expires` in the query. An HMAC-SHA1 over method, three headers, the `x-amz-` headers and the resource; neither host
nor body is covered.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import unquote_to_bytes

from objstore.aws.errors import AwsError
from objstore.aws.principal import Credential, Credentials
from objstore.aws.sigv4.amz_date import iso, request_time, require_fresh
from objstore.aws.sigv4.verify import SignedRequest, require_credential

# Parameters that name a sub-resource or change the answer, and so belong to the signed resource.
_SUB_RESOURCES = frozenset(
    b"accelerate acl analytics cors defaultObjectAcl delete encryption inventory legal-hold lifecycle location logging "
    b"metrics notification object-lock ownershipControls partNumber policy policyStatus publicAccessBlock replication "
    b"requestPayment response-cache-control response-content-disposition response-content-encoding "
    b"response-content-language response-content-type response-expires restore retention select select-type "
    b"storageClass tagging torrent uploadId uploads versionId versioning versions website".split()
)


class Addressed(SignedRequest, Protocol):
    """A request that also tells the bucket its host names, None under path-style addressing."""

    @property
    def host_bucket(self) -> str | None: ...


def verify_header(request: Addressed, credentials: Credentials, *, now: float) -> Credential:
    """Checks the `Authorization` header; gives whose key it was."""
    headers = request.headers
    text = headers["authorization"]
    access_key, separator, signature = text.removeprefix("AWS ").strip().rpartition(":")
    if not separator or not access_key or not signature:
        raise AwsError(
            "InvalidArgument",
            "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
            ArgumentName="Authorization",
            ArgumentValue=text,
        )
    require_fresh(request_time(headers), now)
    credential = require_credential(access_key, credentials)
    date = "" if "x-amz-date" in headers else headers.get("date", "")
    _verify(request, credential, date, headers, signature)
    return credential


def verify_presigned(
    request: Addressed, query: Mapping[str, str], credentials: Credentials, *, now: float
) -> Credential:
    """Checks a presigned URL; `query` holds the decoded parameters."""
    access_key, signature, expires = (query.get(name, "") for name in ("AWSAccessKeyId", "Signature", "Expires"))
    if not access_key or not signature or not expires:
        raise AwsError(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        )
    digits = expires.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 12):
        raise AwsError("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}")
    credential = require_credential(access_key, credentials)
    if now >= int(expires):
        raise AwsError("AccessDenied", "Request has expired", Expires=iso(int(expires)), ServerTime=iso(now))
    # Signers move the x-amz- headers that they covered into the query, so that a browser need not send them.
    moved = {name: value for name, value in query.items() if name.startswith(("x-amz-", "content-"))}
    _verify(request, credential, expires, {**moved, **request.headers}, signature)
    return credential


def _verify(request: Addressed, credential: Credential, date: str, headers: Mapping[str, str], signature: str) -> None:
    text = string_to_sign(request, date, headers)
    # botocore signs "/bucket/" where it asks for "/bucket", and S3 takes it.
    known = [text, string_to_sign(request, date, headers, end=b"/")] if _is_bucket(request) else [text]
    if not any(_is_signature(signature, credential, one) for one in known):
        raise AwsError(
            "SignatureDoesNotMatch",
            AWSAccessKeyId=credential.access_key,
            StringToSign=text.decode("utf-8", "replace"),
            SignatureProvided=signature,
            StringToSignBytes=text.hex(" "),
        )


def _is_bucket(request: Addressed) -> bool:
    """Whether the path is that of a bucket, without a slash after it."""
    return request.host_bucket is None and len(request.raw_path) > 1 and b"/" not in request.raw_path[1:]


def _is_signature(signature: str, credential: Credential, text: bytes) -> bool:
    expected = base64.b64encode(hmac.digest(credential.secret.encode(), text, "sha1"))
    return hmac.compare_digest(expected, signature.encode("utf-8", "replace"))


def string_to_sign(request: Addressed, date: str, headers: Mapping[str, str], end: bytes = b"") -> bytes:
    """The bytes that the secret signs; `date` is the `Date` header (nothing beside `x-amz-date`) or a URL's expiry.

    `end` is what the signer put after the path.
    """
    lines = [request.method, headers.get("content-md5", "").strip(), headers.get("content-type", "").strip(), date]
    lines += [f"{name}:{headers[name].strip()}" for name in sorted(headers) if name.startswith("x-amz-")]
    text = "\n".join(lines).encode("latin-1", "replace")
    return text + b"\n" + _resource(request, end)


def _resource(request: Addressed, end: bytes) -> bytes:
    path = request.raw_path + end
    if request.host_bucket is not None:
        path = b"/" + request.host_bucket.encode() + path
    named = []
    for parameter in request.raw_query.split(b"&"):
        name, _, value = parameter.partition(b"=")
        if name in _SUB_RESOURCES:
            named.append((name, name + b"=" + unquote_to_bytes(value) if value else name))
    return path + (b"?" + b"&".join(text for _, text in sorted(named)) if named else b"")
