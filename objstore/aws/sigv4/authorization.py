"""The `Authorization` header of SigV4.

`AWS4-HMAC-SHA256 Credential=AKID/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=<64 hex>`
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.sigv4.scope import SERVICE, Scope, parse_scope

ALGORITHM = "AWS4-HMAC-SHA256"


class Authorization(msgspec.Struct, frozen=True):
    """A parsed header: whose key, which headers it covers (sorted as sent, lower-case), and the signature in hex."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str


def parse_authorization(text: str, region: str | None, service: str = SERVICE) -> Authorization:
    """Reads the header's three components; AuthorizationHeaderMalformed says which one is missing or wrong."""
    fields: dict[str, str] = {}
    for component in text[len(ALGORITHM) :].split(","):
        component = component.strip()
        name, _, value = component.partition("=")
        if not value or name in fields:
            raise _malformed(f"the authorization component '{component}' is malformed.")
        fields[name] = value
    try:
        credential, signed, signature = fields["Credential"], fields["SignedHeaders"], fields["Signature"]
    except KeyError as missing:
        raise _malformed(f"missing {missing.args[0]}.") from None
    if len(fields) != 3:
        raise _malformed(
            "the authorization header requires three components: Credential, SignedHeaders, and Signature."
        )
    return Authorization(
        scope=parse_scope(credential, region, _malformed, service),
        signed_headers=tuple(signed.lower().split(";")),
        signature=signature,
    )


def _malformed(message: str, **detail: Any) -> AwsError:
    return AwsError("AuthorizationHeaderMalformed", f"The authorization header is malformed; {message}", **detail)
