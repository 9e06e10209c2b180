"""Who signed an HTML form: the policy document, as it stands in the form, is what Signature Version 4 or 2 covers.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/HTTPPOSTForms.html
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any, Final

from objstore.aws.authentication import with_token
from objstore.aws.errors import AwsError
from objstore.aws.principal import ANONYMOUS, Credential, Credentials, Principal, Sessions
from objstore.aws.sigv4.amz_date import parse_basic
from objstore.aws.sigv4.authorization import ALGORITHM
from objstore.aws.sigv4.scope import parse_scope, signing_key
from objstore.aws.sigv4.verify import require_credential

POLICY: Final = "policy"
V4_FIELDS: Final = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
V2_FIELDS: Final = ("AWSAccessKeyId", "signature")

# What the policy cannot speak of: itself, its signature, and the file.
EXEMPT_V4: Final = frozenset({"file", POLICY, "x-amz-signature"})
EXEMPT_V2: Final = frozenset({"file", POLICY, "awsaccesskeyid", "signature"})


def authenticate_form(
    fields: Mapping[str, str], credentials: Credentials, sessions: Sessions | None = None, *, region: str
) -> tuple[Principal, frozenset[str]]:
    """Whose form it is, and which fields its policy need not name. A form without policy and signature is anonymous.

    Raises InvalidArgument for one that lacks a field, InvalidAccessKeyId, SignatureDoesNotMatch.
    """
    v4 = any(name in fields for name in V4_FIELDS)
    v2 = any(name.lower() in fields for name in V2_FIELDS)
    if not (v4 or v2 or POLICY in fields):
        return ANONYMOUS, frozenset()
    for name in (POLICY, *(V4_FIELDS if v4 else V2_FIELDS)):
        if not fields.get(name.lower()):
            raise missing(name)
    credentials = with_token(credentials, sessions, fields.get("x-amz-security-token"))
    if v4:
        return _verify_v4(fields, credentials, region).principal, EXEMPT_V4
    return _verify_v2(fields, credentials).principal, EXEMPT_V2


def missing(name: str) -> AwsError:
    """The error for a form without one of its fields, or with that field behind the file."""
    return AwsError(
        "InvalidArgument",
        f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields.",
        ArgumentName=name,
        ArgumentValue="",
    )


def _verify_v4(fields: Mapping[str, str], credentials: Credentials, region: str) -> Credential:
    if fields["x-amz-algorithm"] != ALGORITHM:
        raise AwsError(
            "InvalidArgument",
            f'X-Amz-Algorithm only supports "{ALGORITHM}"',
            ArgumentName="X-Amz-Algorithm",
            ArgumentValue=fields["x-amz-algorithm"],
        )
    scope = parse_scope(fields["x-amz-credential"], region, _bad_credential)
    date = fields["x-amz-date"]
    if parse_basic(date) is None or date[:8] != scope.day:
        raise AwsError(
            "InvalidArgument",
            "X-Amz-Date must be formatted via ISO8601 Long format, on the day of the credential",
            ArgumentName="X-Amz-Date",
            ArgumentValue=date,
        )
    credential = require_credential(scope.access_key, credentials)
    key = signing_key(credential.secret, scope.day, scope.region)
    expected = hmac.digest(key, fields[POLICY].encode(), "sha256").hex()
    _compare(credential, expected, fields["x-amz-signature"], fields[POLICY])
    return credential


def _verify_v2(fields: Mapping[str, str], credentials: Credentials) -> Credential:
    credential = require_credential(fields["awsaccesskeyid"], credentials)
    digest = hmac.digest(credential.secret.encode(), fields[POLICY].encode(), "sha1")
    _compare(credential, base64.b64encode(digest).decode("ascii"), fields["signature"], fields[POLICY])
    return credential


def _compare(credential: Credential, expected: str, given: str, signed: str) -> None:
    if not hmac.compare_digest(expected.encode("ascii"), given.encode()):
        raise AwsError(
            "SignatureDoesNotMatch",
            AWSAccessKeyId=credential.access_key,
            StringToSign=signed,
            SignatureProvided=given,
            StringToSignBytes=signed.encode().hex(" "),
        )


def _bad_credential(message: str, **detail: Any) -> AwsError:
    detail = {"ArgumentName": "X-Amz-Credential", **detail}
    return AwsError("InvalidArgument", f"Error parsing the X-Amz-Credential parameter; {message}", **detail)
