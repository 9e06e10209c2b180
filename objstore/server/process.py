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

import uvloop

from objstore.drives.turns import be_patient
from objstore.server.children import Orders
from objstore.server.forking import Pulse
from objstore.server.janitor import work
from objstore.server.worker import serve

# Blocks of a MiB and more are reused instead of being given back to the kernel and faulted in again: glibc's defaults
# make coding four to six times slower (measured with erasure.encode of 4 MiB at 2+2).
_M_TRIM_THRESHOLD, _TRIM = -1, 128 << 20
_M_MMAP_THRESHOLD, _MMAP = -3, 32 << 20
_BEAT = 1.0


def become(orders: Orders) -> None:
    """Be what the orders say until SIGTERM."""
    _reuse_large_blocks()
    be_patient()
    uvloop.run(_seen(orders.pulse, serve(orders) if orders.role == "worker" else _until_terminated(work(orders))))


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
