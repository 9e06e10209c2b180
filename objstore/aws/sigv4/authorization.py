"""The `Authorization` header of SigV4.

`AWS4-HMAC-SHA256 Credential=AKID/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=<64 hex>`
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.sigv4.scope import SERVICE, Scope, parse_scope

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Authorization:
    """A parsed header: whose key, which headers it covers (sorted as sent, lower-case), and the signature in hex."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str


def parse_authorization(text: str, region: str | None, service: str = SERVICE) -> Authorization:
    """Reads the header's three components; AuthorizationHeaderMalformed says which one is missing or wrong."""
    fields: dict[str, str] = {}
    for component in text[len(ALGORITHM) :].split(","):
        name, separator, value = component.strip().partition("=")
        if not separator or not value or name in fields:
            raise _malformed(f"the authorization component '{component.strip()}' is malformed.")
        fields[name] = value
    for name in ("Credential", "SignedHeaders", "Signature"):
        if name not in fields:
            raise _malformed(f"missing {name}.")
    if len(fields) != 3:
        raise _malformed(
            "the authorization header requires three components: Credential, SignedHeaders, and Signature."
        )
    return Authorization(
        scope=parse_scope(fields["Credential"], region, _malformed, service),
        signed_headers=tuple(fields["SignedHeaders"].lower().split(";")),
        signature=fields["Signature"],
    )


def _malformed(message: str, **detail: Any) -> AwsError:
    return AwsError("AuthorizationHeaderMalformed", f"The authorization header is malformed; {message}", **detail)
