"""The admin API below `/-/admin/v1/`: JSON for root, signed as any S3 request is.

A page is a function of the method and the parameters of a request, which the signature covers; bodies are not read.
What it raises as AwsError is answered with the error's status, its code and message.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from objstore.aws.authentication import authenticate
from objstore.aws.domains import Domains
from objstore.aws.errors import AwsError, as_aws_error
from objstore.aws.http import read_request
from objstore.server.node import Node
from objstore.server.settings import Settings

Parameters = Mapping[str, str]
Answer = Callable[[str, Parameters], Awaitable[Any]]


class AdminPage:
    """An ASGI application that lets root ask `answer`."""

    def __init__(self, node: Node, settings: Settings, domains: Domains, answer: Answer) -> None:
        self._node, self._settings, self._domains, self._answer = node, settings, domains, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = _json(await self._asked(scope), 200)
        except Exception as error:
            told = as_aws_error(error)
            if told is None:
                raise
            response = _json({"code": told.code, "message": str(told)}, told.status)
        await response(scope, receive, send)

    async def _asked(self, scope: Scope) -> Any:
        # Starlette's Mount cuts the path; the signature covers it as it was sent.
        request = read_request(scope, self._domains)
        credential = self._node.identities.credential
        who = authenticate(request, credential, region=self._settings.region, now=time.time()).principal
        if not who.is_root:
            raise AwsError("AccessDenied")
        return await self._answer(request.method, dict(request.query))


def _json(body: Any, status: int) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
