"""The driver's server on its Unix socket, for the sidecar beside it: both versions of COSI at once."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Final

import grpc

from objstore.kubernetes.cosi import v1alpha1, v1alpha2
from objstore.kubernetes.cosi.driver import Driver
from objstore.kubernetes.cosi.proto import v1alpha2_pb2

DEFAULT_ENDPOINT: Final = "unix:///var/lib/cosi/cosi.sock"
_GRACE_S: Final = 20.0
_PROBE_S: Final = 5.0

log = logging.getLogger(__name__)


def check_endpoint(endpoint: str) -> str:
    """The endpoint, when it is one that COSI allows. Raises ValueError."""
    if not endpoint.startswith("unix:///") or not endpoint.endswith(".sock"):
        raise ValueError(f"{endpoint!r} is not a socket such as {DEFAULT_ENDPOINT}")
    return endpoint


async def serve(driver: Driver, endpoint: str) -> None:
    """Answer until SIGTERM or SIGINT, and then finish what was begun."""
    server = grpc.aio.server()
    for version in (v1alpha1, v1alpha2):
        server.add_generic_rpc_handlers(tuple(version.methods(driver).handlers()))
    server.add_insecure_port(endpoint)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start()
    log.info("%s answers at %s for %s", driver.identity.name, endpoint, driver.connection.endpoint)
    await stop.wait()
    await server.stop(_GRACE_S)


def probe(endpoint: str) -> str:
    """The name of the driver that answers there. Raises grpc.RpcError."""
    with grpc.insecure_channel(endpoint) as channel:
        ask = channel.unary_unary(
            f"/{v1alpha2_pb2.DESCRIPTOR.package}.Identity/DriverGetInfo",
            request_serializer=v1alpha2_pb2.DriverGetInfoRequest.SerializeToString,
            response_deserializer=v1alpha2_pb2.DriverGetInfoResponse.FromString,
        )
        answer: v1alpha2_pb2.DriverGetInfoResponse = ask(v1alpha2_pb2.DriverGetInfoRequest(), timeout=_PROBE_S)
    return answer.name
