"""Events on objects, as `kubectl describe` shows them: each once, with a count, however often it happens."""

from __future__ import annotations

import datetime
import hashlib
from typing import Final, Literal

from objstore.kubernetes.cluster import AlreadyExists, Cluster
from objstore.kubernetes.kinds import EVENT, Body, Key

SOURCE: Final = "objstore-operator"
QUIET: Final = datetime.timedelta(minutes=5)
"""An event that happens again is counted no more often than that."""

MOST_MESSAGE: Final = 1024  # the API server's limit, in characters


class Events:
    """Tells of what happens to objects, in the namespace of the object (`default` for what has none)."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def normal(self, about: Body, reason: str, message: str) -> None:
        """Something went as it should."""
        await self._tell(about, "Normal", reason, message)

    async def warning(self, about: Body, reason: str, message: str) -> None:
        """Something is wrong, and somebody has to look at it."""
        await self._tell(about, "Warning", reason, message)

    async def _tell(self, about: Body, severity: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        metadata = about["metadata"]
        message = message[:MOST_MESSAGE]
        what = hashlib.sha256(f"{metadata['uid']} {severity} {reason} {message}".encode()).hexdigest()[:16]
        namespace = metadata.get("namespace") or "default"
        name = f"{metadata['name'][:230]}.{what}"
        now = datetime.datetime.now(datetime.UTC)
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace") or "",
                "uid": metadata["uid"],
            },
            "type": severity,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "source": {"component": SOURCE},
            "reportingComponent": SOURCE,
        }
        try:
            await self._cluster.create(EVENT, event)
        except AlreadyExists:
            await self._count(Key(namespace, name), now, stamp)

    async def _count(self, key: Key, now: datetime.datetime, stamp: str) -> None:
        told = await self._cluster.get(EVENT, key)
        if told is None:
            return
        last = datetime.datetime.fromisoformat(told["lastTimestamp"])
        if now - last >= QUIET:
            await self._cluster.patch(EVENT, key, {"count": int(told.get("count") or 1) + 1, "lastTimestamp": stamp})
