"""What a child becomes: a worker or the jobs process.

Importing this imports all that they need, so that they are forked with it. The supervisor does so when it has told
prometheus_client, which looks while it is imported, where the processes' metrics are.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
from collections.abc import Coroutine
from pathlib import Path

import uvloop

from objstore.catalog.errors import CatalogError
from objstore.catalog.shared import Shared
from objstore.drives.turns import be_patient
from objstore.server import faults, kept
from objstore.server.children import Orders
from objstore.server.forking import Pulse
from objstore.server.janitor import work
from objstore.server.settings import Settings
from objstore.server.worker import serve

# Blocks of a MiB and more are reused instead of being given back to the kernel and faulted in again: glibc's defaults
# make coding four to six times slower (measured with erasure.encode of 4 MiB at 2+2).
_M_TRIM_THRESHOLD, _TRIM = -1, 128 << 20
_M_MMAP_THRESHOLD, _MMAP = -3, 32 << 20
_BEAT, _SLOWEST_BEAT = 1.0, 3.0  # seconds


def become(orders: Orders) -> None:
    """Be what the orders say until SIGTERM."""
    _reuse_large_blocks()
    be_patient()
    kept.watch(orders.pulse, _patience(orders.settings), lambda: _doubt_the_leader(orders.runtime))
    uvloop.run(_seen(orders.pulse, serve(orders) if orders.role == "worker" else _until_terminated(work(orders))))


def _patience(settings: Settings) -> float:
    """For how long the loop may stand still because of a disk, in seconds: before the supervisor kills the process, and
    longer than a busy loop may take to beat."""
    return max(_SLOWEST_BEAT, min(settings.drive_deadline, settings.limits.hung_seconds - _BEAT))


def _doubt_the_leader(runtime: Path) -> None:
    """A loop reads the catalog from its leader: whoever begins now is not to wait for that drive."""
    with contextlib.suppress(CatalogError), contextlib.closing(Shared(runtime)) as shared:
        for drive in shared.state().ballot.members[:1]:
            faults.tell(runtime, drive)


def _reuse_large_blocks() -> None:
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc's alone
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM)


async def _seen(pulse: Pulse, work: Coroutine[object, object, None]) -> None:
    """Do `work` on a loop that is seen to turn."""

    def beat() -> None:
        pulse.beat()
        loop.call_later(_BEAT, beat)

    loop = asyncio.get_running_loop()
    beat()
    await work


async def _until_terminated(work: Coroutine[object, object, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
