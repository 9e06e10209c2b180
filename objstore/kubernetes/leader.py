"""One leader among the operator's replicas, by a Lease.

As client-go's leader election: who holds the Lease renews it; another takes it when it has not seen it change for as
long as a lease lasts, by its own clock, so clocks need not agree. Whoever cannot renew in time stops before another may
begin. https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from objstore.kubernetes.cluster import AlreadyExists, Cluster, ClusterError, Conflict, NotFound
from objstore.kubernetes.kinds import LEASE, Body, Key

LEASE_S: Final = 15
RENEW_S: Final = 10.0
RETRY_S: Final = 2.0

_log = logging.getLogger(__name__)


class Leader:
    """Candidate `identity` for the Lease `key`."""

    def __init__(self, cluster: Cluster, key: Key, identity: str) -> None:
        self._cluster, self._key, self._identity = cluster, key, identity
        self._seen: tuple[Any, float] = (None, 0.0)  # a version of somebody else's Lease, and since when it is known
        self.leading = False

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work whenever this one leads, until the work ends by itself. Cancels it when the lead is lost."""
        while True:
            while not await self._hold():  # noqa: ASYNC110 the event is in another process
                await asyncio.sleep(RETRY_S)
            _log.info("%s leads", self._identity)
            self.leading = True
            try:
                if await self._lead(work):
                    return
            finally:
                self.leading = False
            _log.warning("%s could not renew its lease, and stops leading", self._identity)

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether the work came to its end, rather than the lead."""
        working = asyncio.ensure_future(work())
        renewing = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return False
            await working
            await self._release()
            return True
        finally:
            for task in (working, renewing):
                task.cancel()
            await asyncio.wait({working, renewing})

    async def _renew(self) -> None:
        """Hold the Lease; return when that failed for as long as is safe."""
        held = time.monotonic()
        while time.monotonic() - held < RENEW_S:
            await asyncio.sleep(RETRY_S)
            begun = time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S - (begun - held) if begun - held < RENEW_S else 0):
                    if await self._hold():
                        held = begun

    async def _hold(self) -> bool:
        """Take or renew the Lease; False where somebody else has it, or the API server does not say."""
        try:
            lease = await self._cluster.get(LEASE, self._key)
            if lease is None:
                await self._cluster.create(LEASE, self._written({}, taken=True))
                return True
            holder = lease["spec"].get("holderIdentity")
            if holder and holder != self._identity and not self._expired(lease):
                return False
            await self._cluster.replace(LEASE, self._written(lease, taken=holder != self._identity))
            return True
        except (AlreadyExists, Conflict, NotFound):
            return False
        except ClusterError as error:
            _log.warning("lease %s: %s", self._key, error)
            return False

    def _expired(self, lease: Body) -> bool:
        version, now = lease["metadata"]["resourceVersion"], time.monotonic()
        if self._seen[0] != version:
            self._seen = (version, now)
        return now - self._seen[1] > float(lease["spec"].get("leaseDurationSeconds") or LEASE_S)

    def _written(self, lease: Body, *, taken: bool, holder: str | None = None) -> Body:
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata = lease.get("metadata") or {"name": self._key.name, "namespace": self._key.namespace}
        spec = dict(lease.get("spec") or {})
        spec |= {
            "holderIdentity": self._identity if holder is None else holder,
            "leaseDurationSeconds": LEASE_S,
            "renewTime": now,
        }
        if taken:
            spec |= {"acquireTime": now, "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1}
        return {"metadata": metadata, "spec": spec}

    async def _release(self) -> None:
        """Let another have it at once."""
        with contextlib.suppress(ClusterError):
            lease = await self._cluster.get(LEASE, self._key)
            if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
                await self._cluster.replace(LEASE, self._written(lease, taken=False, holder=""))
