"""A process that a disk keeps in the kernel lets go of its clients.

A read of the catalog on the event loop may come to a disk that hangs. Nothing ends such a wait, often not even SIGKILL;
and as long as the process is there its connections are, at which clients would wait for what never comes. So a thread
watches the loop: where it has stood still for as long as a drive is given, and waits in the kernel, all connections are
closed, and the supervisor is told, which has another process take over. Clients ask again, and that one answers.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from objstore.server.forking import Pulse

_PAUSE = 0.25
_FDS, _TASKS = Path("/proc/self/fd"), Path("/proc/self/task")


def watch(pulse: Pulse, deadline: float, told: Callable[[], None]) -> None:
    """Watch a loop that is to beat, from a thread of its own: for `deadline` seconds it may stand still. `told()` is
    called when it is kept."""
    threading.Thread(target=_watch, args=(pulse, deadline, told), name="loop-watch", daemon=True).start()


def _watch(pulse: Pulse, deadline: float, told: Callable[[], None]) -> None:
    still, beat, before = 0.0, pulse.count(), time.monotonic()
    kept: set[str] | None = None  # threads that have waited for a disk at every look for the latter half of that time
    while not (still >= deadline and kept):
        time.sleep(_PAUSE)
        now, count = time.monotonic(), pulse.count()
        still = still + min(now - before, 2 * _PAUSE) if count == beat else 0.0  # not while all of it was frozen
        beat, before = count, now
        if still < deadline / 2:
            kept = None
        else:
            kept = _waiting() if kept is None else kept & _waiting()
    _hang_up()
    told()
    pulse.give_up()


def _waiting() -> set[str]:
    """The threads that wait for a disk, by the state D of proc(5); the loop may wait for what one of them holds."""
    found = set()
    with contextlib.suppress(OSError):  # where there is no /proc
        for task in _TASKS.iterdir():
            with contextlib.suppress(OSError):
                if (task / "stat").read_bytes().rpartition(b") ")[2].startswith(b"D"):
                    found.add(task.name)
    return found


def _hang_up() -> None:
    """Close the connections of this process, and nothing that it shares with others: they listen at the same ports."""
    for fd in _FDS.iterdir():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(fd.name))) as one:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                one.getpeername()  # one that listens has none
                one.shutdown(socket.SHUT_RDWR)
