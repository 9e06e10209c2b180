"""Sending an answer over ASGI: headers, a body in one piece or as a stream, and what becomes of the connection.

Once the status has gone out no error can be told any more: a stream that fails is cut, and the client sees that bytes
are missing. A client that goes away ends its stream at once, instead of having the rest read for nobody. When an
answer comes before the request's body was read, the connection is closed unless little is left: gently, so that the
client reads the answer first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from objstore.aws.exchange import CLIENT_GONE, Exchange
from objstore.aws.serialising import Response
from objstore.aws.timeouts import in_time

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds without progress in either direction, and how much of an unwanted body is taken before closing."""

    receive_idle: float = 60.0
    send_idle: float = 60.0
    linger: float = 2.0
    small_rest: int = 256 << 10  # bytes that are cheaper to drop than a new connection


class ResponseCut(Exception):
    """The connection has to be cut in the middle of an answer; logged already."""


class _ClientLeft(Exception):
    """Nobody reads any more."""


class _ClientTooSlow(Exception):
    """The client did not read for longer than allowed."""


class Delivery:
    """The way back of one request. `may_reuse` says whether the connection is fit for another request."""

    def __init__(self, exchange: Exchange, receive: Receive, send: Send, limits: Limits) -> None:
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._limits = limits

    async def deliver(self, response: Response, *, may_reuse: bool) -> None:
        """Send `response`. Raises ResponseCut when it could not be sent to its end."""
        exchange, headers = self._exchange, response.headers
        if response.length is not None:
            headers.append((b"content-length", b"%d" % response.length))
        if not may_reuse:
            headers.append((b"connection", b"close"))
        body = response.body
        if isinstance(body, bytes | bytearray | memoryview):
            await self._start(response)
            exchange.sent = len(body)
            await self._send({"type": "http.response.body", "body": body, "more_body": not may_reuse})
            if not may_reuse:
                await self._linger()
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self._stream(response, aiter(body))

    async def _start(self, response: Response) -> None:
        self._exchange.status = response.status
        self._exchange.first_byte = time.monotonic()
        await self._send({"type": "http.response.start", "status": response.status, "headers": response.headers})

    async def _stream(self, response: Response, body: AsyncIterator[Any]) -> None:
        """Send the headers only when the first buffer is there: until then a failure still has an error document."""
        try:
            first = await anext(body, b"")
            await self._start(response)
            try:
                await self._buffers(first, body, response.length or 0)
            except _ClientLeft:
                self._exchange.status, self._exchange.error = CLIENT_GONE, "ClientGone"
            except Exception as error:
                self._exchange.error = "ResponseCut"
                log.log(
                    logging.WARNING if isinstance(error, _ClientTooSlow) else logging.ERROR,
                    "response cut after %d bytes: %s",
                    self._exchange.sent,
                    error,
                    exc_info=error,
                    extra={"request_id": self._exchange.request_id, "operation": self._exchange.operation},
                )
                raise ResponseCut(str(error)) from error
        finally:
            close = getattr(body, "aclose", None)
            if close is not None:
                await close()

    async def _buffers(self, buffer: Any, body: AsyncIterator[Any], length: int) -> None:
        """Send `buffer` and the rest of `body`, which must come to `length` bytes."""
        watch: asyncio.Task[None] | None = None
        remaining = length
        try:
            while True:
                remaining -= len(buffer)
                if remaining < 0 or (not buffer and remaining):
                    raise ValueError(f"{length} bytes were announced, {length - remaining} came")
                await self._send_buffer(buffer, more=remaining > 0)
                if not remaining:
                    return
                if watch is None:
                    watch = asyncio.create_task(self._disconnection())
                elif watch.done():
                    raise _ClientLeft
                buffer = await anext(body, b"")
        finally:
            if watch is not None:
                watch.cancel()

    async def _send_buffer(self, buffer: Any, *, more: bool) -> None:
        try:
            message = {"type": "http.response.body", "body": buffer, "more_body": more}
            await in_time(self._send(message), self._limits.send_idle)
        except TimeoutError:
            raise _ClientTooSlow(f"the client took nothing for {self._limits.send_idle:g} s") from None
        except OSError:
            raise _ClientLeft from None
        self._exchange.sent += len(buffer)

    async def _disconnection(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _linger(self) -> None:
        """Take and drop what the client still sends, until it has read the answer and hung up, or for a while.

        Closing with unread bytes makes the kernel reset the connection, which may destroy the answer on its way.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.linger):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return


def unread(headers: Mapping[str, str]) -> int | None:
    """Bytes of body that a request announces; None when they may be any number."""
    if "transfer-encoding" in headers:
        return None
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else None
