"""A connection by itself, without a store behind it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from objstore.server.protocol import bounded
from objstore.server.settings import Limits

_REQUEST = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def _ask(port: int, *, to_the_end: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_REQUEST)
    if to_the_end:
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        writer.close()
    else:
        writer.transport.abort()


async def _left_of(connections: int, *, to_the_end: bool) -> int:
    """How many connections the server still holds in memory after they have ended."""
    config = uvicorn.Config(_answer, http=bounded(Limits()), lifespan="off", log_config=None, server_header=False)
    config.load()
    state, protocols = ServerState(), weakref.WeakSet[Any]()
    made = bounded(Limits())

    def connection() -> asyncio.Protocol:
        one = made(config, state, {})
        protocols.add(one)
        return one

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gc.collect()
    gc.disable()
    try:
        for _ in range(connections):
            await _ask(port, to_the_end=to_the_end)
        for _ in range(200):
            if not protocols:
                break
            await asyncio.sleep(0.01)
        return len(protocols)
    finally:
        gc.enable()
        server.close()


def test_a_connection_that_has_ended_leaves_nothing_to_the_collector() -> None:
    assert uvloop.run(_left_of(20, to_the_end=True)) == 0


def test_nor_does_one_that_was_cut_in_the_middle() -> None:
    assert uvloop.run(_left_of(20, to_the_end=False)) == 0
