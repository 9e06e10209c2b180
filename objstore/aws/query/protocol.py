"""The way of a request of the query protocol:

    recognise -> read the form -> authenticate -> find the operation -> parse -> refuse what is not supported -> gate ->
    handler -> answer

Which service is meant is said by the scope of the signature, or without one by `Version`. The whole form is read first:
its hash is part of the signature, and the operation stands in it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/programming.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from objstore.aws import sigv4
from objstore.aws.authentication import Authentication, Scheme, find_scheme, token_of, with_token
from objstore.aws.errors import AwsError
from objstore.aws.http import Request, read_query
from objstore.aws.operation import Members, Operation, Registry, Reply
from objstore.aws.principal import ANONYMOUS, Credentials, Sessions
from objstore.aws.query import answers, forms
from objstore.aws.serialising import Response
from objstore.aws.service import service
from objstore.aws.sigv4.payload import BARE
from objstore.aws.sigv4.scope import service_of

SERVICES: Final = ("iam", "sts", "sns")
FORM: Final = "application/x-www-form-urlencoded"
MAX_FORM: Final = 1 << 20  # bytes

# What may be asked without a signature: the token or the password stands for it.
UNSIGNED: Final = frozenset({"AssumeRoleWithWebIdentity", "AssumeRoleWithLDAPIdentity", "ConfirmSubscription"})

# The same in every region (SNS because there is but one here), so that a signature for any region is good.
_GLOBAL: Final = frozenset({"iam", "sts", "sns"})
_RESERVED: Final = frozenset(
    {"Action", "Version", "AWSAccessKeyId", "SignatureVersion", "SignatureMethod", "Timestamp"}
)
_MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class Compiled:
    """A registered operation with what reads its parameters and writes its answer."""

    operation: Operation
    read: Callable[[dict[str, Any]], Members]
    write: Callable[[Mapping[str, Any], str], Response]

    def members(self, parameters: dict[str, Any]) -> Members:
        """The operation's input. Raises ValidationError, and NotImplemented for what it does not support."""
        members = self.read(parameters)
        for member in members.keys() - self.operation.supports:
            if forms.is_sent(members, member):
                raise AwsError("NotImplemented", f"{member} of {self.operation.name} is not implemented.")
        return members

    def response(self, reply: Members | Reply | None, request_id: str) -> Response:
        """What a handler answered, as it goes out."""
        members = reply.members if isinstance(reply, Reply) else reply or {}
        return self.write(members, request_id)


class QueryProtocol:
    """The operations of a registry that speak the query protocol."""

    def __init__(self, registry: Registry) -> None:
        self._versions = {service(name).api_version: name for name in SERVICES}
        self._operations = {
            (one.service, one.name): Compiled(
                one, forms.compile_input(one.model.input_shape), answers.compile_output(one.model)
            )
            for one in registry
            if one.service in SERVICES
        }

    def operation(self, of: str, parameters: Mapping[str, Any]) -> Compiled:
        """The operation that the parameters name. Raises MissingAction, InvalidAction and NotImplemented."""
        action, version = parameters.get("Action"), parameters.get("Version")
        if not isinstance(action, str) or not action:
            raise AwsError("MissingAction")
        model = service(of)
        if version != model.api_version or action not in model.operation_names:
            shown = str(version)[:_MAX_NAME]
            raise AwsError("InvalidAction", f"Could not find operation {action[:_MAX_NAME]} for version {shown}")
        found = self._operations.get((of, action))
        if found is None:
            raise AwsError("NotImplemented", f"The operation {action} is not implemented.")
        return found

    def service_of(self, request: Request, parameters: Mapping[str, Any]) -> str:
        """The service that a request is for. Raises MissingAuthenticationToken when nothing says it."""
        named = signed_for(request)
        if named is None:
            named = self._versions.get(str(parameters.get("Version")))
        if named is None:
            raise AwsError("MissingAuthenticationToken")
        return named


def speaks(request: Request) -> bool:
    """Whether a request is one of the query protocol, as far as its head tells."""
    if request.bucket is not None or request.method not in ("GET", "POST"):
        return False
    signed = signed_for(request)
    if signed is not None:
        return signed in SERVICES
    if request.method == "POST" and request.headers.get("content-type", "").lower().startswith(FORM):
        return True
    return {"Action", "Version"} <= {name for name, _ in request.query}


def signed_for(request: Request) -> str | None:
    """The service in the scope of a request's signature; None where it is not signed with version 4."""
    header = request.headers.get("authorization", "")
    if header.startswith("AWS4-HMAC-SHA256"):
        for component in header.split(" ", 1)[-1].split(","):
            name, _, value = component.strip().partition("=")
            if name == "Credential":
                return service_of(value)
        return None
    return next((service_of(value) for name, value in request.query if name == "X-Amz-Credential"), None)


def read_parameters(request: Request, body: bytes) -> dict[str, Any]:
    """The parameters of query and form as a tree, without those of the signature. Raises MalformedQueryString."""
    try:
        pairs = [*request.query, *read_query(body)]
    except AwsError:
        raise AwsError("MalformedQueryString") from None
    return forms.tree((name, value) for name, value in pairs if not name.lower().startswith("x-amz-"))


def operands(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that an operation reads."""
    return {name: value for name, value in parameters.items() if name not in _RESERVED}


def authenticate(
    request: Request,
    body: bytes,
    credentials: Credentials,
    *,
    service_name: str,
    region: str,
    now: float,
    sessions: Sessions | None = None,
) -> Authentication:
    """Who asks, by a signature for that service. Raises AwsError as S3's authentication does."""
    scheme, query = find_scheme(request)
    if scheme is Scheme.ANONYMOUS:
        return Authentication(ANONYMOUS, scheme, BARE)
    if scheme not in (Scheme.V4_HEADER, Scheme.V4_PRESIGNED):
        raise AwsError("IncompleteSignature", "Only Signature Version 4 is supported.")
    credentials = with_token(credentials, sessions, token_of(request, query))
    content = hashlib.sha256(body).hexdigest()
    expected_region = None if service_name in _GLOBAL else region
    if scheme is Scheme.V4_HEADER:
        credential, payload, _ = sigv4.verify_header(
            request, credentials, region=expected_region, now=now, service=service_name, content=content
        )
    else:
        credential, payload, _ = sigv4.verify_presigned(
            request, query, credentials, region=expected_region, now=now, service=service_name, content=content
        )
    return Authentication(credential.principal, scheme, payload)
