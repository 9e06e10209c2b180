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
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from objstore.server.forking import Pulse

_PAUSE = 0.25
_FDS = Path("/proc/self/fd")


def watch(pulse: Pulse, deadline: float, told: Callable[[], None]) -> None:
    """Watch the loop of this thread, which is to beat, from another one: for `deadline` seconds it may stand still.
    `told()` is called when it is kept."""
    task = Path(f"/proc/self/task/{threading.get_native_id()}/stat")
    threading.Thread(target=_watch, args=(pulse, deadline, task, told), name="loop-watch", daemon=True).start()


def _watch(pulse: Pulse, deadline: float, task: Path, told: Callable[[], None]) -> None:
    still, beat, before = 0.0, pulse.count(), time.monotonic()
    waits = False  # at every look for the latter half of that time
    while not (still >= deadline and waits):
        time.sleep(_PAUSE)
        now, count = time.monotonic(), pulse.count()
        still = still + min(now - before, 2 * _PAUSE) if count == beat else 0.0  # not while all of it was frozen
        beat, before = count, now
        waits = (waits or still < deadline / 2) and _waits_for_a_disk(task)
    try:
        _hang_up()
        told()
    finally:
        pulse.give_up()


def _waits_for_a_disk(task: Path) -> bool:
    """Whether a thread is in the state D of proc(5); False where there is no /proc."""
    try:
        return task.read_bytes().rpartition(b") ")[2].startswith(b"D")
    except OSError:
        return False


def _hang_up() -> None:
    """Close the connections of this process, and nothing that it shares with others: they listen at the same ports."""
    for fd in [int(one.name) for one in _FDS.iterdir()]:
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                with socket.socket(fileno=os.dup(fd)) as one:
                    if one.family in (socket.AF_INET, socket.AF_INET6):
                        one.getpeername()  # one that listens has none
                        one.shutdown(socket.SHUT_RDWR)
