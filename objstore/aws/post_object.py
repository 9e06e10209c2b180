"""PostObject, the upload by an HTML form: not in AWS's model, so it is turned into the PutObject that it means.

    form -> who signed it -> its policy -> the headers that its fields stand for -> a body that is the file

From there on it is a PutObject like any other: the same parser, gate and handler. The answer is the form's own: a
redirect, an empty page or a small document, as `success_action_redirect` and `success_action_status` say.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from objstore.aws import documents, xmlbody
from objstore.aws.errors import AwsError
from objstore.aws.forms import Form
from objstore.aws.http import Request
from objstore.aws.post_policy import Policy, parse_policy
from objstore.aws.post_signature import POLICY, V4_FIELDS, authenticate_form, missing
from objstore.aws.principal import Credentials, Principal, Sessions
from objstore.aws.serialising import PROLOG, XML_HEADER, Response
from objstore.aws.service import operation_model
from objstore.aws.xmltext import escape

Message = dict[str, Any]

MEANS: Final = "PutObject"
MAX_FILE: Final = 5 << 30

_KEPT: Final = ("host", "user-agent", "referer", "origin")  # of the request's own headers: what policies look at
_AS_THEY_ARE: Final = (
    *("cache-control", "content-type", "content-disposition", "content-encoding", "content-language", "content-md5"),
    "expires",
)
_RENAMED: Final = {"acl": "x-amz-acl"}
_STATUSES: Final = {"200": 200, "201": 201}
_DEFAULT_STATUS: Final = 204


@dataclass(frozen=True, slots=True)
class Upload:
    """A form as a PutObject: `request` has its headers, `receive` brings the file as an ASGI server brings a body."""

    request: Request
    principal: Principal
    receive: Callable[[], Awaitable[Message]]
    _fields: Mapping[str, str]

    def answer(self, response: Response, etag: str) -> Response:
        """The answer that the form asked for, of the one to PutObject."""
        request = self.request
        response.headers.append((b"location", _location(request).encode("ascii")))
        redirect = _redirect(self._fields, request, etag)
        if redirect is not None:
            response.headers[-1] = (b"location", redirect.encode("ascii"))
            return Response(303, response.headers)
        status = _STATUSES.get(self._fields.get("success_action_status", ""), _DEFAULT_STATUS)
        if status != 201:
            return Response(status, response.headers, length=None if status == 204 else 0)
        told = {"Location": _location(request), "Bucket": request.bucket, "Key": request.key, "ETag": etag}
        inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in told.items())
        body = f"{PROLOG}<PostResponse>{inner}</PostResponse>".encode("utf-8", "surrogatepass")
        return Response(status, [*response.headers, XML_HEADER], body, len(body))


def upload(
    request: Request,
    form: Form,
    credentials: Credentials,
    sessions: Sessions | None = None,
    *,
    region: str,
    now: float,
) -> Upload:
    """What a form asks for. Raises InvalidArgument without a key, and as signature and policy do."""
    fields = {name: value.replace("${filename}", form.filename) for name, value in form.fields.items()}
    fields |= {name: form.fields[name] for name in (POLICY,) if name in form.fields}
    if not fields.get("key"):
        raise missing("key")
    principal, exempt = authenticate_form(fields, credentials, sessions, region=region)
    policy = None
    if POLICY in fields:
        policy = parse_policy(fields[POLICY])
        policy.check({**fields, "bucket": request.bucket or ""}, exempt, now)
    meant = replace(request, key=fields["key"], headers=_headers(request, fields))
    return Upload(meant, principal, _receiver(form, policy), fields)


def _headers(request: Request, fields: Mapping[str, str]) -> dict[str, str]:
    """The headers that a PutObject would have had. The length of the file is not known before its end."""
    headers: dict[str, str] = {name: request.headers[name] for name in _KEPT if name in request.headers}
    for name, value in fields.items():
        header = _RENAMED.get(name, name)
        if (header.startswith("x-amz-") and header not in V4_FIELDS) or header in _AS_THEY_ARE:
            headers[header] = value.encode().decode("latin-1")  # as an HTTP server hands headers over
    if "tagging" in fields:
        headers["x-amz-tagging"] = _tagging(fields["tagging"])
    headers["transfer-encoding"] = "chunked"
    return headers


def _tagging(document: str) -> str:
    """A Tagging document as the header writes it. Raises MalformedXML."""
    shape = operation_model("PutObjectTagging").input_shape
    assert shape is not None
    root, node = xmlbody.parse(document.encode("utf-8", "surrogatepass"))
    if root != "Tagging":
        raise xmlbody.malformed(f"the root element is {root[:100]}, not Tagging")
    try:
        tags = documents.compile_shape(shape.members["Tagging"])(node)["TagSet"]
    except xmlbody.Malformed as error:
        raise xmlbody.malformed(str(error)) from None
    return urlencode([(tag["Key"], tag["Value"]) for tag in tags])


def _receiver(form: Form, policy: Policy | None) -> Callable[[], Awaitable[Message]]:
    """The file as a body, its size held against the policy while it comes: EntityTooLarge, EntityTooSmall."""
    least = policy.least if policy else 0
    most = MAX_FILE if policy is None or policy.most is None else min(policy.most, MAX_FILE)
    size = 0

    async def receive() -> Message:
        nonlocal size
        data, more = await form.piece()
        size += len(data)
        if size > most:
            raise AwsError("EntityTooLarge", ProposedSize=size, MaxSizeAllowed=most)
        if not more and size < least:
            raise AwsError("EntityTooSmall", ProposedSize=size, MinSizeAllowed=least)
        return {"type": "http.request", "body": data, "more_body": more}

    return receive


def _location(request: Request) -> str:
    """The address of the object, in the style in which the form was posted."""
    path = quote(request.key or "", safe="/-_.~", errors="surrogatepass")
    if request.host_bucket is None:
        path = f"{request.bucket}/{path}"
    return f"{'https' if request.secure else 'http'}://{request.host}/{path}"


def _redirect(fields: Mapping[str, str], request: Request, etag: str) -> str | None:
    """Where the browser is to go; None where the form does not say it, or names no address."""
    target = fields.get("success_action_redirect") or fields.get("redirect") or ""
    try:
        parts = urlsplit(target)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and target.isascii()
    except ValueError:
        usable = False
    if not usable or any(char <= " " for char in target):
        return None
    told = urlencode({"bucket": request.bucket or "", "key": request.key or "", "etag": etag}, quote_via=quote)
    query = f"{parts.query}&{told}" if parts.query else told
    return parts._replace(query=query).geturl()
