"""Entry of every child: reads its orders, watches the lifeline, becomes a worker or the jobs process.

python -m objstore.server.process ROLE        # started by the supervisor only; orders come on standard input
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path

import msgspec

from objstore.server.access import configure_logging
from objstore.server.children import Orders


def main() -> int:
    """Run the role that the orders name until SIGTERM, or until the supervisor is gone."""
    gc.disable()  # until all modules are there: it would look through what stays again and again, a fifth of a start
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    # Set before prometheus_client is imported, which the roles' own modules do.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(Path(orders.runtime, "metrics"))
    configure_logging()
    threading.Thread(target=_lifeline, name="lifeline", daemon=True).start()
    import uvloop

    if orders.role == "worker":
        from objstore.server.worker import serve

        gc.enable()
        uvloop.run(serve(orders))
    else:
        from objstore.server.janitor import work

        gc.enable()
        uvloop.run(_until_terminated(work(orders)))
    return 0


def _lifeline() -> None:
    """Standard input ends when the supervisor does, however it died: then this process drains and ends too."""
    while os.read(0, 4096):  # not through sys.stdin, whose lock the interpreter wants at its end
        pass
    os.kill(os.getpid(), signal.SIGTERM)


async def _until_terminated(work: Coroutine[object, object, None]) -> None:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    raise SystemExit(main())
