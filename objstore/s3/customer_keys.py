"""The three headers by which a customer brings a key of their own (SSE-C): algorithm, key, and the key's MD5.

Over plain HTTP the key would be readable on its way, so AWS refuses it there. We do as well, except from this machine's
own loopback, where nobody listens in between; `sse_c_over_http` in the settings says otherwise.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.http import Request
from objstore.aws.operation import Call

ALGORITHM: Final = "AES256"
KEY_BYTES: Final = 32
_MEMBERS: Final = {
    prefix: tuple(f"{prefix}SSECustomer{name}" for name in ("Algorithm", "Key", "KeyMD5"))
    for prefix in ("", "CopySource")
}
MEMBERS: Final = frozenset(_MEMBERS[""])
COPY_SOURCE: Final = frozenset(_MEMBERS["CopySource"])

NEVER, LOOPBACK, ALWAYS = "never", "loopback", "always"
OVER_HTTP: Final = (NEVER, LOOPBACK, ALWAYS)
"""From where keys are taken without TLS."""

_HEADERS: Final = {
    "": "x-amz-server-side-encryption-customer-",
    "CopySource": "x-amz-copy-source-server-side-encryption-customer-",
}
_WITH = "Requests specifying Server Side Encryption with Customer provided keys must"


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """A key that was checked against its MD5, which is base64 as the client sent it."""

    key: bytes = field(repr=False)
    md5: str


def of(call: Call, over_http: str, prefix: str = "") -> CustomerKey | None:
    """The key of a request, or with the prefix `CopySource` that of the source of a copy; None where it has none.

    Raises InvalidArgument, InvalidEncryptionAlgorithmError, and InvalidRequest over plain HTTP.
    """
    algorithm, key, md5 = map(call.get, _MEMBERS[prefix])
    if algorithm is None and key is None and md5 is None:
        return None
    header = _HEADERS[prefix]
    if not protected(call.request, over_http):
        raise AwsError("InvalidRequest", f"{_WITH} be made over a secure connection.")
    if algorithm is None:
        raise _invalid(f"{_WITH} provide a valid encryption algorithm.", header + "algorithm")
    if algorithm != ALGORITHM:
        raise AwsError(
            "InvalidEncryptionAlgorithmError",
            "The encryption request you specified is not valid. The valid value is AES256.",
            ArgumentName=header + "algorithm",
            ArgumentValue=algorithm,
        )
    if not key:
        raise _invalid(f"{_WITH} provide an appropriate secret key.", header + "key")
    if not md5:
        raise _invalid(f"{_WITH} provide the client calculated MD5 of the secret key.", header + "key-MD5")
    return CustomerKey(_decoded(key, md5, header), md5)


def protected(request: Request, over_http: str) -> bool:
    """Whether nobody between the client and us can read the request, as far as the settings care."""
    if request.secure or over_http == ALWAYS:
        return True
    try:
        return over_http == LOOPBACK and ipaddress.ip_address(request.client or "").is_loopback
    except ValueError:
        return False


def _decoded(key: str, md5: str, header: str) -> bytes:
    try:
        secret = base64.b64decode(key, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise _invalid("The secret key was invalid for the specified algorithm.", header + "key")
    digest = base64.b64encode(hashlib.md5(secret, usedforsecurity=False).digest()).decode()
    if not hmac.compare_digest(digest.encode(), md5.encode("utf-8", "replace")):
        raise _invalid(
            "The calculated MD5 hash of the key did not match the hash that was provided.", header + "key-MD5"
        )
    return secret


def _invalid(message: str, name: str) -> AwsError:
    """Without the value: it may be a key."""
    return AwsError("InvalidArgument", message, ArgumentName=name, ArgumentValue="null")
