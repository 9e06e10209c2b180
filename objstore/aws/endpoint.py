"""The way of a request through the wire, as an ASGI application for everything that AWS's clients send.

    read -> authenticate -> route -> parse the head -> refuse what is not supported -> gate -> read a document ->
    handler -> serialise -> deliver

Requests to IAM, STS and SNS come to the same address and go by `query.protocol`, past the same gate.

The body is not asked for before the gate has let the request pass, so that a client waiting for `100 Continue` is
refused without sending it. Every answer carries a request id. An exception that has an AWS code becomes its error
document; any other is logged and becomes InternalError.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTCommonResponseHeaders.html
"""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from objstore.aws import errors, post_object, quirks
from objstore.aws.attempts import Attempts
from objstore.aws.authentication import Authentication, Scheme, authenticate
from objstore.aws.body import Body, ClientGone
from objstore.aws.delivery import Delivery, Limits, Receive, Send, unread
from objstore.aws.domains import Domains
from objstore.aws.errors import AwsError
from objstore.aws.exchange import CLIENT_GONE, Exchange
from objstore.aws.forms import read_form
from objstore.aws.http import Request, read_request, split_path
from objstore.aws.operation import COMMON_MEMBERS, REGISTRY, Call, Members, Operation, Registry, Reply
from objstore.aws.parsing import Parser
from objstore.aws.principal import ANONYMOUS, Credentials, Sessions
from objstore.aws.query import faults, protocol
from objstore.aws.query.protocol import QueryProtocol
from objstore.aws.routing import POST_OBJECT, Router
from objstore.aws.serialising import XML_HEADER, HeaderPair, Response, Serialiser, header_value
from objstore.aws.service import service
from objstore.aws.sigv4.payload import BARE
from objstore.aws.timestamps import http_date

Gate = Callable[[Call, Any], Awaitable[None]]
OnDone = Callable[[Exchange], None]
CrossOrigin = Callable[[Request], Mapping[str, str]]
"""Headers for the answer to a request with an Origin. A preflight (OPTIONS) that is not allowed raises AwsError."""

MAX_FORM: Final = post_object.MAX_FILE + (1 << 20)  # bytes of a form: its file, its fields and what stands around them
LONG_DOCUMENT: Final = 32 << 10  # bytes from which on parsing would hold up the loop
_EMPTY_SHA256: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_NO_FAULTS: Final = ("NotImplemented", "SlowDown")  # of the server, to be looked into

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a request brings to a website beside itself: its ids, and `fetch`, which reads an object for anybody."""

    request_id: str
    host_id: str
    fetch: Callable[[Request], Awaitable[Response]]


class Site(Protocol):
    """What serves websites: which hosts are theirs, and what a browser gets there."""

    def bucket_of(self, host: str, /) -> str | None: ...
    async def answer(self, request: Request, visit: Visit, /) -> Response: ...


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A registered operation with what was compiled for it. `supported` are all members that it takes."""

    operation: Operation
    parser: Parser
    serialiser: Serialiser
    supported: frozenset[str]

    def response(self, call: Call, reply: Members | Reply | None) -> Response:
        """What a handler answered, as it goes out."""
        if isinstance(reply, Reply):
            response = self.serialiser.serialise(reply.members, reply.status)
            response.headers += _pairs(reply.headers)
        else:
            response = self.serialiser.serialise(reply or {})
        if call.headers:
            response.headers += _pairs(call.headers)
        return response


@dataclass(slots=True)
class _State:
    """What is known of a request while it is on its way."""

    exchange: Exchange
    receive: Receive
    body: Body | None = None
    query: str | None = None  # the namespace of errors, for a request of the query protocol


class Endpoint:
    """ASGI application. `gate` lets a call pass or raises; `on_done` hears of every exchange when it has ended.

    `context` is handed to gate and handlers as it is. `attempts` bounds failures to prove who one is. `cors` is asked
    about preflights and requests that have an Origin header, and about no others. `site` answers on the hosts of
    websites. Server and Date headers are written here: the HTTP server must not.
    """

    def __init__(
        self,
        context: Any,
        *,
        credentials: Credentials,
        sessions: Sessions | None = None,
        attempts: Attempts | None = None,
        gate: Gate,
        cors: CrossOrigin | None = None,
        site: Site | None = None,
        domains: Iterable[str] = (),
        region: str = "us-east-1",
        limits: Limits | None = None,
        server_name: str = "objstore",
        registry: Registry = REGISTRY,
        on_done: OnDone | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._context = context
        self._credentials = credentials
        self._sessions = sessions
        self._attempts = attempts or Attempts(0, 0)
        self._gate = gate
        self._cors = cors
        self._site = site
        self._domains = Domains(domains)
        self._region = region
        self._limits = limits or Limits()
        self._on_done = on_done
        self._clock = clock
        self._router = Router(service())
        self._operations = {
            one.name: _Compiled(one, Parser(one.model), Serialiser(one.model), one.supports | COMMON_MEMBERS)
            for one in registry.of("s3")
        }
        self._query = QueryProtocol(registry)
        # Tells the process that answered, which is what AWS's x-amz-id-2 is for.
        self._host_id = base64.b64encode(secrets.token_bytes(48)).decode("ascii")
        self._constant: tuple[HeaderPair, ...] = (
            (b"x-amz-id-2", self._host_id.encode("ascii")),
            (b"server", server_name.encode("latin-1")),
        )
        self._date: tuple[int, HeaderPair] = (0, (b"date", b""))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request. Raises ResponseCut to have the connection cut in the middle of an answer."""
        exchange = Exchange(scope["method"])
        state = _State(exchange, receive)
        try:
            try:
                response = await self._answer(state, scope)
                await self._deliver(state, response, send)
            except ClientGone:
                exchange.status, exchange.error = CLIENT_GONE, "ClientGone"
            except Exception as error:
                if exchange.status:
                    raise
                await self._deliver(state, self._refusal(state, error), send)
        finally:
            exchange.finished = time.monotonic()
            exchange.received = state.body.ended_at if state.body is not None else None
            if self._on_done is not None:
                self._on_done(exchange)

    async def refuse(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, error: AwsError) -> None:
        """Answer one HTTP request with an error, without looking further at it."""
        exchange = Exchange(scope["method"])
        state = _State(exchange, receive)
        try:
            exchange.request = read_request(scope, self._domains)
            await self._deliver(state, self._refusal(state, error), send)
        finally:
            exchange.finished = time.monotonic()
            if self._on_done is not None:
                self._on_done(exchange)

    async def _answer(self, state: _State, scope: Mapping[str, Any]) -> Response:
        exchange = state.exchange
        request = exchange.request = read_request(scope, self._domains)
        if self._site is not None and (bucket := self._site.bucket_of(request.host)) is not None:
            return await self._visit(state, request, bucket, self._site)
        if request.method == "OPTIONS" and self._cors is not None:
            return Response(200, _pairs(self._cors(request)))
        if protocol.speaks(request):
            return await self._answer_query(state, request)
        with self._attempts.of(request.client, self._credentials, self._sessions) as attempt:
            who = authenticate(
                request, attempt.credentials, region=self._region, now=self._clock(), sessions=attempt.sessions
            )
        exchange.principal = who.principal
        if who.scheme is Scheme.V4_PRESIGNED:
            request.adopt_hoisted()
        name = exchange.operation = self._router.route(request)
        if name == POST_OBJECT:
            return await self._post_object(state, request, who)
        compiled = self._operations.get(name)
        if compiled is None:
            raise AwsError("NotImplemented", f"The operation {name} is not implemented.")
        call = self._call(state, request, who, compiled)
        if compiled.operation.weighs_document:
            await _take_body(call, compiled)
            await self._gate(call, self._context)
        else:
            await self._gate(call, self._context)
            await _take_body(call, compiled)
        return compiled.response(call, await compiled.operation.handler(call, self._context))

    async def _visit(self, state: _State, request: Request, bucket: str, site: Site) -> Response:
        """A browser on the host of a website: nobody, whatever it sends, who reads objects."""
        exchange = state.exchange
        request.bucket, request.key = split_path(request.raw_path, bucket)
        if request.method == "OPTIONS" and self._cors is not None:
            return Response(200, _pairs(self._cors(request)))
        exchange.principal, exchange.website = ANONYMOUS, True

        async def fetch(wanted: Request) -> Response:
            exchange.operation = "HeadObject" if wanted.method == "HEAD" else "GetObject"
            compiled = self._operations[exchange.operation]
            who = Authentication(ANONYMOUS, Scheme.ANONYMOUS, BARE)
            call = self._call(_State(exchange, state.receive), wanted, who, compiled)
            await self._gate(call, self._context)
            return compiled.response(call, await compiled.operation.handler(call, self._context))

        return await site.answer(request, Visit(exchange.request_id, self._host_id, fetch))

    async def _answer_query(self, state: _State, request: Request) -> Response:
        """A request to IAM, STS or SNS: a form, whose hash is part of the signature."""
        exchange, idle = state.exchange, self._limits.receive_idle
        state.query = service("sts").metadata["xmlNamespace"]  # until it is known which service is meant
        body = state.body = Body(state.receive, request.headers, BARE, limit=protocol.MAX_FORM, idle_timeout=idle)
        data = await body.read(protocol.MAX_FORM)
        parameters = protocol.read_parameters(request, data)
        name = exchange.service = self._query.service_of(request, parameters)
        state.query = service(name).metadata["xmlNamespace"]
        with self._attempts.of(request.client, self._credentials, self._sessions) as attempt:
            who = protocol.authenticate(
                request,
                data,
                attempt.credentials,
                service_name=name,
                region=self._region,
                now=self._clock(),
                sessions=attempt.sessions,
            )
        exchange.principal = who.principal
        compiled = self._query.operation(name, parameters)
        operation, exchange.operation = compiled.operation, compiled.operation.name
        if who.principal.anonymous and operation.name not in protocol.UNSIGNED:
            raise AwsError("MissingAuthenticationToken")
        members = compiled.members(protocol.operands(parameters))
        call = Call(operation, request, exchange.request_id, who.principal, members, body, self._region)
        await self._gate(call, self._context)
        return compiled.response(await operation.handler(call, self._context), exchange.request_id)

    async def _post_object(self, state: _State, request: Request, who: Authentication) -> Response:
        """An upload by a form: its head is in its body, so that is begun before anybody is known."""
        if not who.principal.anonymous:
            raise AwsError("InvalidArgument", "Only one auth mechanism allowed: a form is signed by its fields")
        compiled, idle = self._operations[post_object.MEANS], self._limits.receive_idle
        source = state.body = Body(state.receive, request.headers, BARE, limit=MAX_FORM, idle_timeout=idle)
        _ = source.length
        form = await read_form(aiter(source), request.headers["content-type"])
        with self._attempts.of(request.client, self._credentials, self._sessions) as attempt:
            upload = post_object.upload(
                request, form, attempt.credentials, attempt.sessions, region=self._region, now=self._clock()
            )
        exchange = state.exchange
        exchange.principal, request.key = upload.principal, upload.request.key
        members = compiled.parser.head(upload.request)
        _require_supported(compiled, members)
        body = Body(upload.receive, upload.request.headers, BARE, idle_timeout=idle)
        _ = body.claims
        call = Call(
            compiled.operation, upload.request, exchange.request_id, upload.principal, members, body, self._region
        )
        call.scheme = Scheme.ANONYMOUS if upload.principal.anonymous else Scheme.FORM
        exchange.call = call
        await self._gate(call, self._context)
        reply = await compiled.operation.handler(call, self._context)
        await form.drain()
        told = reply.members if isinstance(reply, Reply) else reply or {}
        return upload.answer(compiled.response(call, reply), str(told["ETag"]))

    def _call(self, state: _State, request: Request, who: Authentication, compiled: _Compiled) -> Call:
        """The call as the head of the request tells it. Raises NotImplemented for what the operation cannot do."""
        members = compiled.parser.head(request)
        _require_supported(compiled, members)
        body = state.body = Body(
            state.receive,
            request.headers,
            who.payload,
            who.chunks,
            checksums=compiled.operation.name not in quirks.CHECKSUM_OF_OBJECT,
            idle_timeout=self._limits.receive_idle,
        )
        if not body.declared and who.payload.sha256 in (None, _EMPTY_SHA256) and not compiled.parser.streams:
            body.ended = True  # nothing to receive and nothing to compare
        operation, exchange = compiled.operation, state.exchange
        call = state.exchange.call = Call(
            operation, request, exchange.request_id, who.principal, members, body, self._region, scheme=who.scheme
        )
        return call

    async def _deliver(self, state: _State, response: Response, send: Send) -> None:
        exchange = state.exchange
        if exchange.request is not None and "origin" in exchange.request.headers:
            response.headers += self._cross_origin(exchange.request)
        response.headers += ((b"x-amz-request-id", exchange.request_id.encode("ascii")), *self._constant, self._today())
        exchange.headers = response.headers
        await Delivery(exchange, state.receive, send, self._limits).deliver(response, may_reuse=self._may_reuse(state))

    def _cross_origin(self, request: Request) -> list[HeaderPair]:
        """What a browser is told beside the answer. Never fails: there is an answer to be sent."""
        if self._cors is None or request.method == "OPTIONS":
            return []
        try:
            return _pairs(self._cors(request))
        except Exception:
            log.exception("no CORS headers for %s", request.resource)
            return []

    def _may_reuse(self, state: _State) -> bool:
        """Whether the connection can carry another request: the body was read, or little of it is left to drop.

        After `Expect: 100-continue` it cannot: whether the body follows a refusal is up to the client.
        """
        request, body = state.exchange.request, state.body
        if body is not None and body.ended:
            return True
        if request is None:
            return False
        rest = unread(request.headers)
        if rest == 0:
            return True
        return rest is not None and rest <= self._limits.small_rest and "expect" not in request.headers

    def _today(self) -> HeaderPair:
        second = int(self._clock())
        if second != self._date[0]:
            self._date = second, (b"date", http_date(second).encode("ascii"))
        return self._date[1]

    def _refusal(self, state: _State, error: Exception) -> Response:
        """The answer that tells of an error."""
        exchange = state.exchange
        shown = errors.as_aws_error(error) or AwsError("InternalError")
        exchange.error = shown.code
        if shown.status >= 500 and shown.code not in _NO_FAULTS:
            log.error(
                "%s: %s",
                exchange.operation or exchange.method,
                error,
                exc_info=error if shown.code == "InternalError" else None,
                extra={"request_id": exchange.request_id, "operation": exchange.operation},
            )
        if state.query is not None:
            return faults.document(shown, namespace=state.query, request_id=exchange.request_id)
        headers = _pairs(shown.headers)
        if not errors.has_body(exchange.method, shown.status):
            return Response(shown.status, headers, length=None)
        request = exchange.request
        if request is not None:
            _name_resource(shown, request)
        body = errors.document(
            shown,
            resource=request.resource if request else "/",
            request_id=exchange.request_id,
            host_id=self._host_id,
        )
        return Response(shown.status, [*headers, XML_HEADER], body, len(body))


async def _take_body(call: Call, compiled: _Compiled) -> None:
    """Make ready what the handler reads: a document's members, or a stream whose claims can be read."""
    body, parser = call.body, compiled.parser
    if parser.streams:
        _ = body.length, body.claims  # what is wrong with them is told before a byte is taken
        return
    data = b"" if body.ended else await body.read(compiled.operation.body_limit)
    if not parser.documented:
        return
    if len(data) < LONG_DOCUMENT:
        members = parser.document(data)
    else:
        members = await asyncio.to_thread(parser.document, data)
    _require_supported(compiled, members)
    call.members.update(members)


def _require_supported(compiled: _Compiled, members: Members) -> None:
    if not members.keys() <= compiled.supported:
        refused = compiled.parser.unsupported(members, compiled.supported)
        if refused is not None:
            raise refused


def _pairs(headers: Mapping[str, str]) -> list[HeaderPair]:
    """Headers as the wire has them."""
    return [(name.lower().encode("ascii"), header_value(value)) for name, value in headers.items()]


def _name_resource(error: AwsError, request: Request) -> None:
    """Say which bucket or key it is about, as AWS does for these codes."""
    if error.code in ("NoSuchKey", "NoSuchVersion") and request.key is not None:
        error.detail.setdefault("Key", request.key)
    if error.code in ("NoSuchBucket", "BucketAlreadyExists", "BucketAlreadyOwnedByYou", "BucketNotEmpty"):
        error.detail.setdefault("BucketName", request.bucket or "")
