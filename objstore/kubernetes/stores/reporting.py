"""What the status of an ObjectStore says: pure, from what one pass came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from objstore.kubernetes.conditions import Condition, written
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.kinds import Body
from objstore.kubernetes.stores.inquiry import Health
from objstore.kubernetes.stores.store import Store


@dataclass(frozen=True)
class Pass:
    """What one pass came to: `progress` is what is under way, "" for nothing. While it is `growing`, nobody says when a
    drive is taken in: it has to be asked. `stalled` is why that does not get any further. `problem` is what the store
    lacks; `refused` why its spec is not followed."""

    store: Store
    health: Health
    progress: str = ""
    problem: str = ""
    growing: bool = False
    refused: Refused | None = None
    stalled: str = ""


def status(body: Body, came: Pass) -> dict[str, Any]:
    """The whole status."""
    info, store = came.health.info, came.store
    before, generation = body.get("status") or {}, body["metadata"]["generation"]
    problems = [
        f"{one['path']}: {one['problem'] or one['state']}"
        for one in came.health.drives
        if one["state"] != "online" and one["stage"] is None
    ]
    degraded = _degraded(came, problems)
    made = [_ready(came), _progressing(came), _how_safe(came, degraded), _refused(came)]
    endpoint = store.endpoint
    told: dict[str, Any] = {
        "phase": _phase(came, degraded, before.get("phase", "")),
        "observedGeneration": generation,
        "conditions": written(before.get("conditions") or [], made, generation),
        "info": {"secureEndpoint" if endpoint.tls else "endpoint": endpoint.url},
        "drives": {
            "desired": len(store.spec.drives),
            "joined": len(came.health.joined),
            "online": sum(one["state"] == "online" for one in came.health.drives),
            "problems": problems,
        },
        "storageClass": store.storage_class,
    }
    if info is not None:
        told["healing"] = {"shards": info["healing"]["shards"], "bytes": info["healing"]["bytes"]}
        told["version"] = info["version"]
    return told


def with_conditions(body: Body, phase: str, conditions: list[Condition]) -> dict[str, Any]:
    """The status of before, but for phase and these conditions."""
    before, generation = body.get("status") or {}, body["metadata"]["generation"]
    known = before.get("conditions") or []
    made = written(known, conditions, generation)
    types = {one["type"] for one in made}
    kept = [one for one in known if one["type"] not in types]
    return {**before, "phase": phase, "observedGeneration": generation, "conditions": [*kept, *made]}


def _serves(came: Pass) -> bool:
    return came.health.info is not None and bool(came.health.info["writable"])


def _degraded(came: Pass, problems: list[str]) -> str:
    """What is not as it should be, "" for nothing."""
    info = came.health.info or {}
    told = [came.problem, *problems, came.health.unsafe, info.get("read_only_reason") or ""]
    return "; ".join(one for one in told if one)


def _ready(came: Pass) -> Condition:
    if _serves(came):
        return Condition("Ready", True, "Serving", "the store reads and writes")
    if came.health.info is None:
        return Condition("Ready", False, "NoAnswer", came.health.problem)
    reason = came.health.info.get("read_only_reason") or "the store is read-only"
    return Condition("Ready", False, "ReadOnly", str(reason))


def _progressing(came: Pass) -> Condition:
    if came.refused is not None:
        return Condition("Progressing", False, came.refused.reason, "nothing is changed while the spec is refused")
    if came.stalled:
        return Condition("Progressing", False, "Stalled", came.stalled)
    if came.progress:
        return Condition("Progressing", True, "Rolling", came.progress)
    return Condition("Progressing", False, "Settled", "everything is as the spec says")


def _how_safe(came: Pass, degraded: str) -> Condition:
    if degraded:
        return Condition("Degraded", True, "Unsafe", degraded)
    if came.health.info is None:
        return Condition("Degraded", None, "NotAsked", "the store was not reached")
    return Condition("Degraded", False, "AsPromised", "all is as safe as promised")


def _refused(came: Pass) -> Condition:
    if came.refused is not None:
        return Condition("Refused", True, came.refused.reason, str(came.refused))
    return Condition("Refused", False, "Accepted", "the spec is followed")


def _phase(came: Pass, degraded: str, before: str) -> str:
    if came.refused is not None:
        return "Refused"
    if came.stalled:
        return "Degraded"
    if _serves(came):
        return "Degraded" if degraded else "Progressing" if came.progress else "Ready"
    if came.progress:
        return "Progressing"
    return "Degraded" if came.health.info is not None or before in ("Ready", "Degraded") else "Pending"
