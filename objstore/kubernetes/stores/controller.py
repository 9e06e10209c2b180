"""Reconciles ObjectStores: what they consist of is made so, a running store is asked how it is, the status says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from objstore.client import Connection
from objstore.kubernetes.cluster import Cluster, Conflict, Invalid, NotFound, Unreachable
from objstore.kubernetes.conditions import Condition, written
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.events import Events
from objstore.kubernetes.kinds import (
    CONFIG_MAP,
    NETWORK_POLICY,
    OBJECT_STORE,
    OBJECT_STORE_USER,
    POD_DISRUPTION_BUDGET,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    STORAGE_CLASS,
    Body,
    Key,
    Kind,
    spec_of,
)
from objstore.kubernetes.secrets import value
from objstore.kubernetes.stores import names
from objstore.kubernetes.stores.bound import bound, shown, store_of_user
from objstore.kubernetes.stores.building import Building, claims, dismantle
from objstore.kubernetes.stores.guard import check
from objstore.kubernetes.stores.inquiry import Health, Inquiries
from objstore.kubernetes.stores.locate import find_store
from objstore.kubernetes.stores.spec import SpecError
from objstore.kubernetes.stores.store import Store

SOON_S: Final = 3.0
"""Seconds until another look at drives that are taken in."""
WAIT_S: Final = 15.0
"""Seconds until another look at what waits for others, and at stores that do not answer."""


INVALID: Final = "InvalidSpec"


@dataclass(frozen=True)
class _Found:
    """What one pass came to: `progress` is what is under way, "" for nothing. While it is `growing`, nobody says when a
    drive is taken in: it has to be asked."""

    store: Store
    health: Health
    progress: str = ""
    problem: str = ""
    growing: bool = False


class Stores:
    """The controller of ObjectStores. `image` is the server's, `provisioner` that of bucket claims."""

    kind = OBJECT_STORE

    def __init__(self, cluster: Cluster, *, image: str, provisioner: str) -> None:
        self._cluster, self._events = cluster, Events(cluster)
        self._image, self._provisioner = image, provisioner
        self._inquiries = Inquiries()

    @property
    def watches(self) -> Mapping[Kind, Callable[[Body], Iterable[Key]]]:
        owned = (STATEFUL_SET, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP, NETWORK_POLICY, POD_DISRUPTION_BUDGET)
        return {
            **dict.fromkeys(owned, _owner),
            SECRET: _labelled,
            STORAGE_CLASS: _store_of_labels,
            OBJECT_STORE_USER: lambda body: [store_of_user(body)],
        }

    async def reconcile(self, key: Key) -> float | None:
        body = await self._cluster.get(OBJECT_STORE, key)
        if body is None:
            self._inquiries.forget(key)
            return None
        if body["metadata"].get("deletionTimestamp"):
            return await self._delete(key, body)
        try:
            store = Store.of(body)
            await self._hold(key, body)
            found = await self._build(store)
        except SpecError as error:
            return await self._refuse(key, body, INVALID, str(error))
        except Refused as error:
            return await self._refuse(key, body, error.reason, str(error))
        await self._tell(key, body, _status(body, found))
        usual = float(store.spec.health_check.interval_seconds)
        if found.growing:
            return min(usual, SOON_S)
        return usual if found.health.info is not None else min(usual, WAIT_S)

    async def _build(self, store: Store) -> _Found:
        """Everything but the status. Raises Refused, SpecError."""
        key = store.key
        building = Building(self._cluster, store, image=self._image, provisioner=self._provisioner)
        live = await self._cluster.get(STATEFUL_SET, Key(store.namespace, names.stateful_set(store.name)))
        volumes = await building.claims()
        check(store, live, volumes)
        credentials = await building.credentials()
        health = Health(None, "the store is not made yet")
        if live is not None:
            health = await self._inquiries.health(key, await self._connection(store))
        await building.settings(health.joined)
        await building.surroundings()
        await building.storage_class()
        larger = await building.enlarge(volumes)
        made = await building.workload(live, credentials)
        if made is None:
            return _Found(store, health, progress="the StatefulSet is made again, with other volumes")
        if restarted := await building.restart_for_drives():
            return _Found(store, health, progress=f"{', '.join(restarted)} is started again, with more drives")
        progress, growing = _rollout(made), ""
        if health.info is not None:
            paths = [store.drive_path(name) for name in store.spec.drives]
            growing = await self._inquiries.grow(key, await self._connection(store), health, paths)
        if larger and not progress:
            progress = f"volumes grow: {', '.join(larger)}"
        return _Found(store, health, growing or progress, await self._certificate_problem(store), bool(growing))

    async def _connection(self, store: Store) -> Connection:
        """How to ask it, as its root; found anew each time, as Secrets change."""
        return (await find_store(self._cluster, store.namespace, store.name, store.endpoint.url)).connection

    async def _certificate_problem(self, store: Store) -> str:
        if store.tls_secret is None:
            return ""
        secret = await self._cluster.get(SECRET, Key(store.namespace, store.tls_secret))
        missing = [key for key in (names.CERTIFICATE, names.PRIVATE_KEY) if not value(secret, key)]
        return f"Secret {store.tls_secret} has no {' and no '.join(missing)}" if missing else ""

    async def _hold(self, key: Key, body: Body) -> None:
        """Put the finalizer on the object, before anything is made for it."""
        finalizers = body["metadata"].get("finalizers") or []
        if names.FINALIZER not in finalizers:
            await self._finalize(key, body, [*finalizers, names.FINALIZER])

    async def _finalize(self, key: Key, body: Body, finalizers: list[str]) -> None:
        metadata = {"finalizers": finalizers, "resourceVersion": body["metadata"]["resourceVersion"]}
        await self._cluster.patch(OBJECT_STORE, key, {"metadata": metadata})

    async def _delete(self, key: Key, body: Body) -> float | None:
        """Let the store go when nothing is bound to it any more; its data stay unless the spec says otherwise."""
        finalizers = body["metadata"].get("finalizers") or []
        if names.FINALIZER not in finalizers:
            return None
        if waiting := await bound(self._cluster, key):
            message = f"waits for what is bound to it: {shown(waiting)}"
            await self._events.warning(body, "StillBound", message)
            await self._tell(key, body, _plain(body, "Deleting", [Condition("Ready", None, "StillBound", message)]))
            return WAIT_S
        # In so many words: a spec that cannot be read keeps its data too.
        keep = spec_of(body).get("preserveDataOnDelete", True) is not False
        kept = len(await claims(self._cluster, key))
        await dismantle(self._cluster, key, keep_data=keep)
        if keep and kept:
            await self._events.normal(
                body,
                "DataKept",
                f"{kept} volumes and the Secret of root's credentials stay: a store of this name finds them",
            )
        try:
            await self._finalize(key, body, [one for one in finalizers if one != names.FINALIZER])
        except (Conflict, NotFound):
            return SOON_S
        return None

    async def _refuse(self, key: Key, body: Body, reason: str, message: str) -> float:
        """Tell that the spec is not followed. What was made before goes on as it is."""
        await self._events.warning(body, reason, message)
        conditions = [
            Condition("Refused", True, reason, message),
            Condition("Progressing", False, reason, "nothing is changed while the spec is refused"),
        ]
        try:
            await self._tell(key, body, _plain(body, "Refused", conditions))
        except (Invalid, Unreachable):
            if reason != INVALID:  # the API server itself cannot make anything of it: the event has to do
                raise
        return WAIT_S

    async def _tell(self, key: Key, body: Body, status: dict[str, Any]) -> None:
        if status == body.get("status"):
            return
        whose = {"name": key.name, "namespace": key.namespace}
        await self._cluster.apply(OBJECT_STORE, {"metadata": whose, "status": status}, "status")


def _plain(body: Body, phase: str, conditions: list[Condition]) -> dict[str, Any]:
    """The status before, but for phase and these conditions."""
    before = body.get("status") or {}
    generation = body["metadata"]["generation"]
    known = before.get("conditions") or []
    made = written(known, conditions, generation)
    names_made = {one["type"] for one in made}
    kept = [one for one in known if one["type"] not in names_made]
    return {**before, "phase": phase, "observedGeneration": generation, "conditions": [*kept, *made]}


def _status(body: Body, found: _Found) -> dict[str, Any]:
    info, store = found.health.info, found.store
    generation = body["metadata"]["generation"]
    away = [one for one in found.health.drives if one["state"] != "online" and one["stage"] is None]
    problems = [f"{one['path']}: {one['problem'] or one['state']}" for one in away]
    unsafe = ((info or {}).get("redundancy") or {}).get("problem") or ""
    told = [found.problem, *problems, unsafe, (info or {}).get("read_only_reason") or ""]
    degraded = "; ".join(one for one in told if one)
    serves = info is not None and bool(info["writable"])
    conditions = [
        Condition("Ready", serves, *_readiness(found, serves)),
        Condition(
            "Progressing",
            bool(found.progress),
            "Rolling" if found.progress else "Settled",
            found.progress or "everything is as the spec says",
        ),
        Condition(
            "Degraded",
            bool(degraded) if info is not None or found.problem else None,
            ("Unsafe" if degraded else "AsPromised") if info is not None or found.problem else "NotAsked",
            degraded or ("all is as safe as promised" if info is not None else "the store was not reached"),
        ),
        Condition("Refused", False, "Accepted", "the spec is followed"),
    ]
    endpoint = store.endpoint
    status: dict[str, Any] = {
        "phase": _phase(found, serves, degraded, (body.get("status") or {}).get("phase", "")),
        "observedGeneration": generation,
        "conditions": written((body.get("status") or {}).get("conditions") or [], conditions, generation),
        "info": {"secureEndpoint" if endpoint.tls else "endpoint": endpoint.url},
        "drives": {
            "desired": len(store.spec.drives),
            "joined": len(found.health.joined),
            "online": sum(one["state"] == "online" for one in found.health.drives),
            "problems": problems,
        },
        "storageClass": store.storage_class,
    }
    if info is not None:
        status["healing"] = {"shards": info["healing"]["shards"], "bytes": info["healing"]["bytes"]}
        status["version"] = info["version"]
    return status


def _readiness(found: _Found, serves: bool) -> tuple[str, str]:
    if serves:
        return "Serving", "the store reads and writes"
    if found.health.info is None:
        return "NoAnswer", found.health.problem
    return "ReadOnly", str(found.health.info.get("read_only_reason") or "the store is read-only")


def _phase(found: _Found, serves: bool, degraded: str, before: str) -> str:
    if serves:
        return "Degraded" if degraded else "Progressing" if found.progress else "Ready"
    if found.progress:
        return "Progressing"
    return "Degraded" if found.health.info is not None or before in ("Ready", "Degraded") else "Pending"


def _rollout(stateful_set: Body) -> str:
    """What of a StatefulSet is under way."""
    status, wanted = stateful_set.get("status") or {}, stateful_set["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < stateful_set["metadata"]["generation"]:
        return "the StatefulSet is new"
    if status.get("updatedReplicas", 0) < wanted:
        return f"{wanted - status.get('updatedReplicas', 0)} of {wanted} pods are to be updated"
    if status.get("readyReplicas", 0) < wanted:
        return f"{wanted - status.get('readyReplicas', 0)} of {wanted} pods are not ready"
    return ""


def _owner(body: Body) -> Iterable[Key]:
    """The ObjectStore that owns an object."""
    metadata = body["metadata"]
    for one in metadata.get("ownerReferences") or ():
        if one.get("kind") == OBJECT_STORE.name and one.get("apiVersion") == OBJECT_STORE.api_version:
            yield Key(metadata["namespace"], one["name"])


def _labelled(body: Body) -> Iterable[Key]:
    """The ObjectStore that a Secret was made for."""
    labels = body["metadata"].get("labels") or {}
    if labels.get(names.MANAGED_BY_LABEL) == names.MANAGER and names.INSTANCE_LABEL in labels:
        yield Key(body["metadata"]["namespace"], labels[names.INSTANCE_LABEL])


def _store_of_labels(body: Body) -> Iterable[Key]:
    labels = body["metadata"].get("labels") or {}
    if names.STORE_NAME_LABEL in labels:
        yield Key(labels.get(names.STORE_NAMESPACE_LABEL, ""), labels[names.STORE_NAME_LABEL])
