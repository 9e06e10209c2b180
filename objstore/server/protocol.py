"""uvicorn's HTTP protocol with the bounds it leaves out, and buffers made for large bodies.

Bounds: bytes and fields of a head, and bytes of what comes behind a body; time from the first byte of a request (or the
connection's start) to the end of its headers, so that a client that drips bytes holds nothing for ever; time to take
what is left of an answer; requests sent ahead of answers; and connections, of which the one that has been idle for the
longest makes room for a new one. Buffers: up to a MiB waits before reading is paused, so a fast upload costs few system
calls; a MiB of an answer may wait to be sent, of which all but 64 KiB is waited for before the request has ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from email.utils import formatdate
from typing import Any

from httptools import HttpParserError
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr, is_ssl

from objstore.aws.exchange import new_request_id
from objstore.server.cycle import ANSWER_HIGH_WATER, Cycle
from objstore.server.settings import Limits

log = logging.getLogger(__name__)

CONNECTION = "objstore.connection"
_BODY_HIGH_WATER = 1 << 20
_TLS_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_FIELDS = 512  # headers of one request: AWS takes 8 KB of them
_FAREWELL_SECONDS = 0.5
_PIPELINED = 16  # requests that may wait for the answer to the one before; each costs memory
_REFUSAL = (
    "HTTP/1.1 {status}\r\nx-amz-request-id: {request_id}\r\ncontent-type: application/xml\r\nserver: objstore\r\n"
    "date: {date}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
)
_DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
    "<RequestId>{request_id}</RequestId></Error>"
)
_MALFORMED = ("400 Bad Request", "BadRequest", "This is not an HTTP/1.1 request.")
_TOO_LARGE = (
    "400 Bad Request",
    "RequestHeaderSectionTooLarge",
    "Your request header and query parameters used to make the request exceed the maximum allowed size.",
)
_TOO_SLOW = (
    "400 Bad Request",
    "RequestTimeout",
    "Your socket connection to the server was not read from or written to within the timeout period.",
)


httptools_impl.RequestResponseCycle = Cycle  # type: ignore[misc]  # the protocol makes its cycles by this name


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `limits`, and who is `idle` in this process, the longest first, are set by `bounded`."""

    limits: Limits
    idle: dict[BoundedProtocol, None]
    cycle: Cycle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_headers = False
        self._header_bytes = 0
        self._header_timer: asyncio.TimerHandle | None = None
        self._extensions: dict[str, Any] | None = None
        self._unproductive = 0  # bytes since the last that belong to a body
        self.crowded = False  # beyond the limit, while all others are busy

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # as uvicorn's, without the address of this side: nobody asks for it, and it costs two system calls
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.client = get_remote_addr(transport)
        self.scheme = "https" if is_ssl(transport) else "http"
        transport.set_write_buffer_limits(high=ANSWER_HIGH_WATER)
        self.idle[self] = None
        if len(self.connections) > self.limits.connections:
            self._make_room()
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            told = {"tls_version": _TLS_VERSIONS.get(tls.version()), "cipher_name": tls.cipher()[0]}
            self._extensions = {"tls": told}
        self._start_timer()

    def _make_room(self) -> None:
        """Close the connection that has been idle for the longest; this one is one too many where no other is."""
        longest = next(iter(self.idle))
        if longest is self:
            self.crowded = True
        else:
            del self.idle[longest]
            longest.let_go()

    def let_go(self) -> None:
        """Close the connection, now or, where something of an answer is still to be sent, soon."""
        self.transport.close()
        if self.transport.get_write_buffer_size():  # else it would last until the client takes it, or for ever
            self.loop.call_later(self.limits.idle_seconds, self.transport.abort)
        elif self._extensions is not None:  # or until it says good-bye, as TLS wants and few clients do
            self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def shutdown(self) -> None:
        """The process is to end: close the connection, unless it has a request, which then is its last."""
        if self.cycle is None or self.cycle.response_complete:
            self.let_go()
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        if not self.transport.is_closing():
            self.let_go()

    def data_received(self, data: bytes) -> None:
        self._unproductive += len(data)
        super().data_received(data)
        if self._in_headers and self.parser is not None:
            self._start_timer()
            self._header_bytes += len(data)
            if self._header_bytes > self.limits.header_bytes or len(self.headers) > _FIELDS:
                self._refuse(*_TOO_LARGE)
        elif self._unproductive > self.limits.header_bytes and self.cycle is not None:
            self._refuse_what_runs()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.idle.pop(self, None)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._part()

    def _part(self) -> None:
        """Let go of the last request: it leads back to its connection, and both would wait for the collector."""
        if self.cycle is None or self.cycle.response_complete:
            self.cycle = self.scope = self.headers = self.flow = None  # type: ignore[assignment]

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._header_bytes = self._unproductive = 0
        self.scope[CONNECTION] = self  # type: ignore[literal-required]
        if self._extensions is not None:
            self.scope["extensions"] = self._extensions

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._stop_timer()
        length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if length > self.limits.header_bytes or len(self.headers) > _FIELDS:
            self._refuse(*_TOO_LARGE)  # they came in one piece, before `data_received` could count them
            raise HttpParserError("headers beyond the limit")  # stops the parser
        if len(self.pipeline) >= _PIPELINED:
            self.abort()
            raise HttpParserError("too many requests ahead of their answers")
        self.idle.pop(self, None)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.parser is None:  # the connection was lost meanwhile
            self._part()
        elif self.cycle.response_complete and not self.transport.is_closing():
            self.idle[self] = None

    def on_body(self, body: bytes) -> None:
        self._unproductive = 0
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.chunks.append(body)
        cycle.waiting += len(body)
        if cycle.waiting > _BODY_HIGH_WATER:
            self.flow.pause_reading()
        cycle.message_event.set()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; uvicorn calls this when its parser gives up."""
        self._refuse(*_MALFORMED)

    @property
    def gone(self) -> bool:
        """True once the client has closed the connection: whatever is written now reaches nobody."""
        return self.transport.is_closing()

    def abort(self) -> None:
        """Cut the connection, so that a client sees a short body and not a whole one."""
        self.transport.abort()

    def _refuse_what_runs(self) -> None:
        """End a request that sends without end what is no body: trailers, extensions of chunks."""
        if self.cycle.response_started:
            self.abort()
        else:
            self._refuse(*_TOO_LARGE)

    def _refuse(self, status: str, code: str, message: str) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        request_id, date = new_request_id(), formatdate(usegmt=True)
        log.info("%s: %s", code, message, extra={"request_id": request_id})
        body = _DOCUMENT.format(code=code, message=message, request_id=request_id)
        head = {"status": status, "request_id": request_id, "date": date, "length": len(body)}
        self.transport.write(_REFUSAL.format(**head, body=body).encode())
        self.let_go()

    def _start_timer(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.limits.header_seconds, self._refuse, *_TOO_SLOW)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


def bounded(limits: Limits) -> type[BoundedProtocol]:
    """The protocol class with these limits."""
    return type("LimitedProtocol", (BoundedProtocol,), {"limits": limits, "idle": {}})


def is_crowded(scope: MutableMapping[str, Any]) -> bool:
    """Whether the connection of a request is beyond the limit."""
    connection: BoundedProtocol | None = scope.get(CONNECTION)
    return connection is not None and connection.crowded
