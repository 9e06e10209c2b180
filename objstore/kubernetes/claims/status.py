"""What a claim tells of itself: its phase, a condition `Ready` with the reason, and events, each once."""

from __future__ import annotations

import datetime
import logging
from typing import Any, Final, Literal

from objstore.counting import number_of
from objstore.kubernetes.cluster import Cluster, ClusterError
from objstore.kubernetes.events import Events
from objstore.kubernetes.kinds import OBJECT_BUCKET, OBJECT_BUCKET_CLAIM, Body, key_of

PENDING: Final = "Pending"
BOUND: Final = "Bound"
RELEASED: Final = "Released"
FAILED: Final = "Failed"

UNREACHABLE: Final = "StoreUnreachable"

_READY: Final = "Ready"
_STATUS: Final = "status"

_log = logging.getLogger(__name__)


class Reporter:
    """Writes what is only for people to read."""

    def __init__(self, cluster: Cluster, events: Events) -> None:
        self._cluster, self._events = cluster, events

    async def event(
        self, claim: Body, reason: str, message: str, *, severity: Literal["Normal", "Warning"] = "Warning"
    ) -> None:
        """An event; that none can be told, as in a namespace that is going, stops nothing."""
        tell = self._events.normal if severity == "Normal" else self._events.warning
        try:
            await tell(claim, reason, message)
        except ClusterError as error:
            _log.info("%s: no event %s: %s", key_of(claim), reason, error)

    async def pending(self, claim: Body) -> Body:
        """The claim is being worked on. One that failed is so only when it asks for something else: trying again is
        not news."""
        phase, known = _status(claim).get("phase"), _ready(claim).get("observedGeneration")
        if phase in (PENDING, BOUND) or (phase == FAILED and known == claim["metadata"].get("generation")):
            return claim
        return await self._patch(claim, {"phase": PENDING})

    async def released(self, claim: Body) -> Body:
        """The claim is going."""
        return claim if _status(claim).get("phase") == RELEASED else await self._patch(claim, {"phase": RELEASED})

    async def well(self, claim: Body) -> Body:
        """The claim is bound, and everything is as it says."""
        condition = _condition(claim, "True", BOUND, "")
        if _status(claim).get("phase") == BOUND and _told(claim, condition):
            return claim
        return await self._patch(claim, {"phase": BOUND, "conditions": [condition]})

    async def wrong(self, claim: Body, reason: str, message: str, phase: str) -> None:
        """Something is in the way. A claim that is bound stays so: its bucket goes on working."""
        condition = _condition(claim, "False", reason, message)
        if _told(claim, condition) or _ready(claim).get("reason") == reason == UNREACHABLE:
            return  # what is known already, if in other words: a store says in many that it is not there
        await self.event(claim, reason, message)
        now = phase if phase == RELEASED or _status(claim).get("phase") != BOUND else BOUND
        await self._patch(claim, {"phase": now, "conditions": [condition]})

    async def progress(self, claim: Body, deleted: int, reason: str) -> None:
        """A bucket is being emptied: so many versions more are deleted; `reason` says what holds others back."""
        before = int((_status(claim).get("deletion") or {}).get("versionsDeleted") or 0)
        if reason and not (_ready(claim).get("reason") == "BucketLocked" and _ready(claim).get("message") == reason):
            await self.event(claim, "BucketLocked", reason)
        message = reason or f"the bucket is being emptied: {number_of(before + deleted, 'version')} deleted"
        condition = _condition(claim, "False", "BucketLocked" if reason else "Emptying", message)
        progress = {"versionsDeleted": before + deleted}
        await self._patch(claim, {"phase": RELEASED, "deletion": progress, "conditions": [condition]})

    async def object_bucket_phase(self, object_bucket: Body, phase: str) -> Body:
        """The ObjectBucket in that phase. Raises Conflict where it was changed since it was read."""
        if _status(object_bucket).get("phase") == phase:
            return object_bucket
        guard = {"resourceVersion": object_bucket["metadata"]["resourceVersion"]}
        patch = {"metadata": guard, "status": {"phase": phase}}
        return await self._cluster.patch(OBJECT_BUCKET, key_of(object_bucket), patch, _STATUS)

    async def _patch(self, claim: Body, status: dict[str, Any]) -> Body:
        return await self._cluster.patch(OBJECT_BUCKET_CLAIM, key_of(claim), {"status": status}, _STATUS)


def _status(body: Body) -> Body:
    status: Body = body.get("status") or {}
    return status


def _ready(claim: Body) -> Body:
    conditions = _status(claim).get("conditions") or []
    return next((one for one in conditions if one.get("type") == _READY), {})


def _condition(claim: Body, status: str, reason: str, message: str) -> dict[str, Any]:
    was = _ready(claim)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": _READY,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": claim["metadata"].get("generation") or 0,
        "lastTransitionTime": was["lastTransitionTime"] if was.get("status") == status else now,
    }


def _told(claim: Body, condition: dict[str, Any]) -> bool:
    return all(_ready(claim).get(name) == value for name, value in condition.items())
