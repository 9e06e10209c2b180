"""An operator that dies on command: `python -m tests.kubernetes.dying OPTIONS`, told on its standard input.

Each line is a number of calls, of the API server and of stores, after which the next operator kills itself with SIGKILL
between two of them (0: never). One that runs is killed first. The parent has everything imported and forks, so a start
takes no time; the end of its input ends it all. Calls for the Lease are not counted: they come by the clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from typing import Any, NoReturn

from botocore.httpsession import URLLib3Session

from objstore.kubernetes import operator
from objstore.kubernetes.claims.controller import claim_controller
from objstore.kubernetes.cluster import Cluster
from objstore.kubernetes.options import OperatorOptions


def count(limit: int) -> None:
    """Have every call counted, and the one after the last never be made."""
    made = 0

    def one_more() -> None:
        nonlocal made
        if limit and made == limit:
            os.kill(os.getpid(), signal.SIGKILL)
        made += 1

    ask, send = Cluster._call, URLLib3Session.send

    async def counted_ask(self: Cluster, method: str, path: str, *rest: Any, **members: Any) -> Any:
        if "/leases/" not in path:
            one_more()
        return await ask(self, method, path, *rest, **members)

    def counted_send(self: URLLib3Session, request: Any) -> Any:
        one_more()
        return send(self, request)

    Cluster._call = counted_ask  # type: ignore[method-assign]
    URLLib3Session.send = counted_send  # type: ignore[method-assign]


def operate(limit: int, options: OperatorOptions) -> NoReturn:
    """Only claims are seen to, so that what others left in the cluster is no call."""
    count(limit)
    operator._controllers = lambda cluster, given: [claim_controller(cluster, given)]
    asyncio.run(operator.run(options))
    os._exit(0)


def main(namespace: str, health_address: str) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    options = OperatorOptions(
        namespace=namespace,
        health_address=health_address,
        identity="under-test",
        provisioners=("rook-ceph.ceph.rook.io/bucket",),
    )
    child = 0
    for line in sys.stdin:
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        child = os.fork()
        if not child:
            operate(int(line), options)
        print(child, flush=True)
    if child:
        os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
