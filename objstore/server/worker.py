"""One worker: the Starlette application on uvicorn, on the sockets that the supervisor made.

Paths below `/-/` are the server's own (health, metrics, admin API): no bucket can have that name. Everything else is
AWS's wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
from collections.abc import Iterator

import msgspec
import uvicorn

from objstore.server import certificates
from objstore.server.access import AccessLog
from objstore.server.application import application
from objstore.server.certificates import Certificate
from objstore.server.children import Orders
from objstore.server.node import open_node
from objstore.server.protocol import bounded
from objstore.server.runtime import hold_instance
from objstore.server.settings import Limits

_log = logging.getLogger(__name__)
_PROBE_SECONDS = 1.0
_FEWEST_CONNECTIONS, _OTHER_FILES = 32, 128
_YOUNG_OBJECTS = 50_000  # containers made and not yet freed, at which the collector looks at them


class _Server(uvicorn.Server):
    """uvicorn's server without its own signal handlers: it would end the process before the store is closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._drain)
        yield

    def _drain(self) -> None:
        self.should_exit = True


def _spare_the_collector() -> None:
    """Take what was made at the start out of the cyclic garbage collector, which would walk through it (the models of
    whole services) again and again; requests leave next to no cycles, so it may also look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


def _within_files(limits: Limits) -> Limits:
    """The limits, with no more connections than there are descriptors for: half of them are for shard files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(_FEWEST_CONNECTIONS, soft // 2 - _OTHER_FILES)
    if limits.connections <= room:
        return limits
    _log.warning("this process may open %d files: it takes %d connections, not %d", soft, room, limits.connections)
    return msgspec.structs.replace(limits, connections=room)


async def serve(orders: Orders) -> None:
    """Serve until SIGTERM, then let running requests finish, seal what is open, and close."""
    settings = orders.settings
    log = AccessLog(settings.access_log)
    node = await open_node(settings, orders.runtime, orders.commits)
    hold_instance(orders.runtime, node.instance)
    assert orders.sockets, "a worker is given a socket"
    served = orders.traffic.slot(orders.number)
    served.clear()
    config = uvicorn.Config(
        application(node, settings, log, served),
        http=bounded(_within_files(settings.limits)),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=settings.limits.keep_alive_seconds,
        timeout_graceful_shutdown=settings.limits.drain_seconds,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )
    config.load()
    server = _Server(config)
    _spare_the_collector()
    watching = [asyncio.create_task(node.watch(_PROBE_SECONDS))]
    if settings.tls_cert and settings.tls_key and config.ssl is not None:
        certificate = Certificate(settings.tls_cert, settings.tls_key)
        watching.append(asyncio.create_task(certificates.follow(certificate, config.ssl)))
    try:
        await server.serve(list(orders.sockets))
    finally:
        for watch in watching:
            watch.cancel()
        await node.close()
        log.flush()
