"""Bytes on a connection: uvicorn's HTTP protocol with our bounds, before anything is a request."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from objstore.aws.domains import Domains
from objstore.aws.errors import AwsError
from objstore.aws.http import read_request
from objstore.server.protocol import bounded
from objstore.server.settings import Limits
from tests.fuzz.target import Target

_LOOP = asyncio.new_event_loop()
_DOMAINS = Domains(["s3.example.com"])
_BODY = b"ok"


class _Transport(asyncio.Transport):
    """What a client would have received, up to the moment that the connection was closed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def set_protocol(self, protocol: Any) -> None: ...


_raised: list[BaseException] = []


async def _application(scope: Any, receive: Any, send: Any) -> None:
    """Reads what it is sent, and answers; an exception that is not designed is noted."""
    try:
        with contextlib.suppress(AwsError):
            read_request(scope, _DOMAINS)
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": _BODY})
    except Exception as error:
        _raised.append(error)
        raise


_CONFIG = uvicorn.Config(
    _application,
    http=bounded(Limits(header_bytes=8192)),
    lifespan="off",
    log_config=None,
    access_log=False,
    server_header=False,
    date_header=False,
    proxy_headers=False,
    ws="none",
)
_CONFIG.load()


def run(data: bytes) -> None:
    """The first byte says how the network cuts the rest."""
    _LOOP.run_until_complete(_connect(data[1:], 1 + data[0] if data else 1))


async def _connect(data: bytes, step: int) -> None:
    state = ServerState()
    protocol: Any = _CONFIG.http_protocol_class(config=_CONFIG, server_state=state, app_state={}, _loop=_LOOP)  # type: ignore[operator]
    transport = _Transport()
    protocol.connection_made(transport)
    for start in range(0, len(data), step):
        if transport.closed:
            break
        protocol.data_received(data[start : start + step])
        await asyncio.sleep(0)
    for _ in range(4):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=5)
    assert not state.tasks, "nothing runs on for a client that is gone"
    assert not protocol._header_timer, "nothing waits for a client that is gone"
    if _raised:
        raise _raised.pop()
    assert bytes(transport.written[:9]) in (b"", b"HTTP/1.1 ", b"HTTP/1.0 ")


TARGET = Target(
    "connections",
    run,
    (
        b"\xffGET /bucket/key?a=b HTTP/1.1\r\nHost: b.s3.example.com\r\n\r\n",
        b"\x03PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\xffPUT /b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
        b"\xffPUT /b/k HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
        b"\xffGET http://host/a%20b#c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"\xffOPTIONS * HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"\xff\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xffPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    words=(
        *(" HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: ", "Content-Length: ", "Transfer-Encoding: chunked\r\n", "\r\n\r\n"),
        *(
            "Connection: close\r\n",
            "Upgrade: h2c\r\n",
            "Expect: 100-continue\r\n",
            "0\r\n\r\n",
            "%00",
            "\x00",
            "CONNECT ",
        ),
    ),
    longest=10_000,
)
