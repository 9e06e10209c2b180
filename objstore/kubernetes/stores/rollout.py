"""How far the pods of a store are: what is under way, and what does not get any further by itself. Pure.

A StatefulSet's controller replaces no further pod before the last one is ready, and says nothing of why that is not:
that is in the pods.
"""

from __future__ import annotations

import datetime
from typing import Any, Final

from objstore.counting import are, number_of
from objstore.kubernetes.kinds import Body

LONGEST: Final = datetime.timedelta(minutes=10)
"""A pod that is not ready for longer has had its time: as long as the startup probe gives it."""

_NEVER: Final = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""What a kubelet waits for without hope that it gets better. https://kubernetes.io/docs/tasks/debug/"""


def under_way(stateful_set: Body) -> str:
    """What of a StatefulSet is under way, "" for nothing."""
    status, wanted = stateful_set.get("status") or {}, stateful_set["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < stateful_set["metadata"]["generation"]:
        return "the StatefulSet is new"
    if status.get("updatedReplicas", 0) < wanted:
        left = wanted - status.get("updatedReplicas", 0)
        return f"{left} of {number_of(wanted, 'pod')} {are(left)} to be updated"
    if status.get("readyReplicas", 0) < wanted:
        left = wanted - status.get("readyReplicas", 0)
        return f"{left} of {number_of(wanted, 'pod')} {are(left)} not ready"
    return ""


def stuck(stateful_set: Body, pod: Body, now: datetime.datetime) -> str:
    """Why a pod does not get ready, "" where it is, still may, or is to be replaced by another one. The same words as
    long as it is the same reason."""
    if pod["metadata"].get("deletionTimestamp") or not _newest(stateful_set, pod):
        return ""
    status = pod.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    if ready.get("status") == "True":
        return ""
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("reason") == "Unschedulable":
        return _told(pod, f"no node takes it: {scheduled.get('message') or 'Unschedulable'}")
    for one in status.get("containerStatuses") or ():
        why = _waits(one)
        if why:
            return _told(pod, why)
    since = ready.get("lastTransitionTime")
    if since and now - datetime.datetime.fromisoformat(since) > LONGEST:
        return _told(pod, f"it is not ready since {since}")
    return ""


def _newest(stateful_set: Body, pod: Body) -> bool:
    """Whether a pod is made of the StatefulSet's template as it is now."""
    status, labels = stateful_set.get("status") or {}, pod["metadata"].get("labels") or {}
    seen = status.get("observedGeneration", 0) >= stateful_set["metadata"]["generation"]
    return seen and labels.get("controller-revision-hash") == status.get("updateRevision")


def _waits(container: Body) -> str:
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason") or ""
    if reason not in _NEVER:
        return ""
    ended: dict[str, Any] = (container.get("lastState") or {}).get("terminated") or {}
    if reason == "CrashLoopBackOff" and ended:  # its message has how long it waits, which changes
        return f"{reason}: it ended with exit code {ended.get('exitCode')} ({ended.get('reason') or 'no reason'})"
    return f"{reason}: {waiting['message']}" if waiting.get("message") else reason


def _told(pod: Body, why: str) -> str:
    images = ", ".join(one["image"] for one in pod["spec"]["containers"])
    return f"pod {pod['metadata']['name']} of image {images} does not get ready: {why}"
