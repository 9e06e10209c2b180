"""Listening sockets, for each worker its own on the same port, made by the supervisor and inherited.

The kernel spreads connections over them (SO_REUSEPORT), so workers share load evenly; the supervisor keeps them open,
so a connection that waits while a worker is started again is not lost.
"""

from __future__ import annotations

import socket

from objstore.server.settings import Settings, SettingsError

_BACKLOG = 2048


def listen(settings: Settings) -> list[list[socket.socket]]:
    """For each worker its sockets: one, or one for IPv4 and one for IPv6 where the address names no host.

    Raises SettingsError when the address is taken or is not ours.
    """
    port = settings.port
    try:
        families = _families(settings.host)
        for family in families:
            port = _free(family, settings.host, port)
        return [[_listening(family, settings.host, port) for family in families] for _ in range(settings.workers)]
    except OSError as error:
        raise SettingsError(f"cannot listen on {settings.address}: {error.strerror}") from None


def _families(host: str) -> list[socket.AddressFamily]:
    """What to listen with: for every interface, both kinds of address if this machine has both."""
    if host:
        return [socket.AF_INET6 if ":" in host else socket.AF_INET]
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        return [socket.AF_INET]
    return [socket.AF_INET, socket.AF_INET6]


def _free(family: socket.AddressFamily, host: str, port: int) -> int:
    """The port, one that is free if it is 0. Without SO_REUSEPORT, so one that another server has is refused."""
    with _bound(family, host, port) as probe:
        return int(probe.getsockname()[1])


def _listening(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    one = _bound(family, host, port, shared=True)
    one.listen(_BACKLOG)
    return one


def _bound(family: socket.AddressFamily, host: str, port: int, *, shared: bool = False) -> socket.socket:
    one = socket.socket(family)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        one.bind((host, port))
    except OSError:
        one.close()
        raise
    return one
