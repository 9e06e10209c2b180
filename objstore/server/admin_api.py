"""The admin API below `/-/admin/v1/`: JSON for root, signed as any S3 request is.

A page is a function of the method and the parameters of a request, which the signature covers; or of a question in its
body. What it raises as AwsError is answered with the error's status, its code and message.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from objstore.aws.authentication import authenticate
from objstore.aws.body import Body, ClientGone
from objstore.aws.domains import Domains
from objstore.aws.errors import AwsError, as_aws_error
from objstore.aws.http import Request, read_request
from objstore.catalog.errors import CatalogError
from objstore.server.node import Node
from objstore.server.settings import Settings

Parameters = Mapping[str, str]
Answer = Callable[[str, Parameters], Awaitable[Any]]


_log = logging.getLogger(__name__)

MOST: Final = 4 << 20  # bytes of a question

Q = TypeVar("Q")


def _words(error: Exception, told: AwsError) -> str:
    """What root gets to hear: of the catalog more than clients do."""
    return str(error) if isinstance(error, CatalogError) else str(told)


class _ForRoot:
    """An ASGI application that lets root alone ask something."""

    def __init__(self, node: Node, settings: Settings, domains: Domains) -> None:
        self._node, self._settings, self._domains = node, settings, domains

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = self._answered(await self._asked(scope, receive))
        except ClientGone:
            return
        except Exception as error:
            told = as_aws_error(error)
            if told is None:
                raise
            response = _json({"code": told.code, "message": _words(error, told)}, told.status, told.headers)
        await response(scope, receive, send)

    async def _asked(self, scope: Scope, receive: Receive) -> Any:
        # Starlette's Mount cuts the path; the signature covers it as it was sent.
        request = read_request(scope, self._domains)
        with self._node.attempts.of(request.client, self._node.identities.credential) as attempt:
            found = authenticate(request, attempt.credentials, region=self._settings.region, now=time.time())
        if not found.principal.is_root:
            raise AwsError("AccessDenied")
        return await self._told(request, Body(receive, request.headers, found.payload, found.chunks, limit=MOST))

    async def _told(self, request: Request, body: Body) -> Any:
        raise NotImplementedError

    def _answered(self, told: Any) -> Response:
        return _json(told, 200)


class AdminPage(_ForRoot):
    """Root asks by parameters."""

    def __init__(self, node: Node, settings: Settings, domains: Domains, answer: Answer) -> None:
        super().__init__(node, settings, domains)
        self._answer = answer

    async def _told(self, request: Request, body: Body) -> Any:
        return await self._answer(request.method, dict(request.query))


class AdminStream(_ForRoot):
    """Root has something long done, which ends when root goes away: each line of the answer is JSON.

    What goes wrong once the answer has begun is its last line: `error`, its `code` as AWS spells it, and `status`."""

    def __init__(
        self,
        node: Node,
        settings: Settings,
        domains: Domains,
        lines: Callable[[Parameters], AsyncIterator[dict[str, Any]]],
    ) -> None:
        super().__init__(node, settings, domains)
        self._lines = lines

    async def _told(self, request: Request, body: Body) -> Any:
        await body.read(MOST)
        return self._lines(dict(request.query))

    def _answered(self, told: Any) -> Response:
        return StreamingResponse(self._encoded(told), media_type="application/x-ndjson")

    async def _encoded(self, lines: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
        try:
            async for line in lines:
                yield msgspec.json.encode(line) + b"\n"
        except Exception as error:
            told = as_aws_error(error)
            if told is None:
                _log.exception("a long question of root failed")
                told = AwsError("InternalError", f"{type(error).__name__}: {error}")
            answer = {"error": _words(error, told), "code": told.code, "status": told.status}
            yield msgspec.json.encode(answer) + b"\n"


class AdminQuestions(_ForRoot, Generic[Q]):
    """Root asks in JSON, read as `kind`; `answer` may take long: it runs on a thread."""

    def __init__(
        self, node: Node, settings: Settings, domains: Domains, kind: type[Q], answer: Callable[[Q], Any]
    ) -> None:
        super().__init__(node, settings, domains)
        self._kind, self._answer = kind, answer

    async def _told(self, request: Request, body: Body) -> Any:
        return await asyncio.to_thread(self._answer, await _question(body, self._kind))


class AdminOrders(_ForRoot, Generic[Q]):
    """Root orders something in JSON, read as `kind`."""

    def __init__(
        self,
        node: Node,
        settings: Settings,
        domains: Domains,
        kind: type[Q],
        carry_out: Callable[[Q], Awaitable[Any]],
    ) -> None:
        super().__init__(node, settings, domains)
        self._kind, self._carry_out = kind, carry_out

    async def _told(self, request: Request, body: Body) -> Any:
        return await self._carry_out(await _question(body, self._kind))


async def _question(body: Body, kind: type[Q]) -> Q:
    """A body in JSON. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(await body.read(MOST), type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise AwsError("InvalidRequest", f"The question cannot be read: {error}") from None


def _json(body: Any, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, media_type="application/json")
