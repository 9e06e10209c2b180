"""Listening sockets, one for each worker on the same port, made by the supervisor and inherited.

The kernel spreads connections over them (SO_REUSEPORT), so workers share load evenly; the supervisor keeps them open,
so a connection that waits while a worker is started again is not lost.
"""

from __future__ import annotations

import socket

from objstore.server.settings import Settings, SettingsError

_BACKLOG = 2048


def listen(settings: Settings) -> list[socket.socket]:
    """Sockets for all workers. Raises SettingsError when the address is taken or is not ours."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:  # without SO_REUSEPORT: refuses a port that another server has
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            port = probe.getsockname()[1]
        sockets = []
        for _ in range(settings.workers):
            one = socket.socket(family)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((host, port))
            one.listen(_BACKLOG)
            one.set_inheritable(True)
            sockets.append(one)
        return sockets
    except OSError as error:
        raise SettingsError(f"cannot listen on {settings.address}: {error.strerror}") from None
