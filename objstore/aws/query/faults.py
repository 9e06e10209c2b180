"""Errors as the services of the query protocol tell them: other codes than S3's for who may not come in, and a document
of its own.

https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.query.answers import XML
from objstore.aws.serialising import PROLOG, Response, header_value
from objstore.aws.xmltext import escape_plain

_EXPIRED = "The security token included in the request is expired"
_INVALID = "The security token included in the request is invalid."

# S3's code -> status, code and message here; None keeps the message.
_OTHERWISE: Final[dict[str, tuple[int, str, str | None]]] = {
    "AuthorizationHeaderMalformed": (400, "IncompleteSignature", None),
    "AuthorizationQueryParametersError": (400, "IncompleteSignature", None),
    "ExpiredToken": (403, "ExpiredToken", _EXPIRED),
    "InternalError": (500, "InternalFailure", "The request processing has failed because of an unknown error."),
    "InvalidAccessKeyId": (403, "InvalidClientTokenId", _INVALID),
    "InvalidArgument": (400, "ValidationError", None),
    "InvalidToken": (403, "InvalidClientTokenId", _INVALID),
    "MaxMessageLengthExceeded": (413, "RequestEntityTooLarge", None),
    "RequestTimeTooSkewed": (403, "SignatureDoesNotMatch", "Signature expired or not yet current."),
}


def document(error: AwsError, *, namespace: str, request_id: str) -> Response:
    """The answer that tells of an error."""
    status, code, message = _OTHERWISE.get(error.code, (error.status, error.code, None))
    fault = "Sender" if status < 500 else "Receiver"
    body = (
        f'{PROLOG}<ErrorResponse xmlns="{namespace}"><Error><Type>{fault}</Type><Code>{code}</Code>'
        f"<Message>{escape_plain(message or error.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()
    headers = [(name.lower().encode("ascii"), header_value(value)) for name, value in error.headers.items()]
    return Response(status, [XML, *headers], body, len(body))
