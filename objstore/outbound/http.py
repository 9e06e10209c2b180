"""HTTP to where the allow-list permits: addresses are looked up once, judged, and connected to; nothing is followed.

The certificate is checked against the name that was asked for, not against the address.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import httpx

from objstore.outbound.addresses import AllowList

MAX_ANSWER = 1 << 20
"""Bytes of an answer that are read."""


class AnswerTooLarge(Exception):
    """The answer has more than MAX_ANSWER bytes."""


class _Judged(httpx.AsyncBaseTransport):
    """Connects to the address that was judged, whatever the name leads to a moment later."""

    def __init__(self, allowed: AllowList, verify: ssl.SSLContext | bool) -> None:
        self._allowed = allowed
        self._inner = httpx.AsyncHTTPTransport(verify=verify, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        try:
            address = await self._allowed.resolve(host, port)
        except OSError as error:
            raise httpx.ConnectError(f"{host}: {error}", request=request) from error
        request.url = request.url.copy_with(host=address)
        request.extensions = {**request.extensions, "sni_hostname": host}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def client(allowed: AllowList, *, seconds: float = 10.0, ca_file: str | None = None) -> httpx.AsyncClient:
    """A client that connects only to where `allowed` permits (else NotAllowed), and follows no redirect.

    `ca_file` replaces the usual certificate authorities.
    """
    verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca_file) if ca_file else True
    return httpx.AsyncClient(
        transport=_Judged(allowed, verify), timeout=seconds, follow_redirects=False, trust_env=False
    )


async def fetch(
    through: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """One request: status and body. Raises NotAllowed, AnswerTooLarge, httpx.HTTPError, httpx.InvalidURL."""
    async with through.stream(method, url, content=content, headers=dict(headers or {})) as answer:
        body = bytearray()
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > MAX_ANSWER:
                raise AnswerTooLarge(f"the answer of {url} has more than {MAX_ANSWER} bytes")
        return answer.status_code, bytes(body)
