"""Reconciles ObjectStores: what they consist of is made so, a running store is asked how it is, the status says it."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from objstore.client import Connection
from objstore.counting import number_of
from objstore.kubernetes.cluster import Cluster, Conflict, Invalid, NotFound, Unreachable
from objstore.kubernetes.conditions import Condition
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.events import Events
from objstore.kubernetes.kinds import (
    CONFIG_MAP,
    NETWORK_POLICY,
    OBJECT_STORE,
    OBJECT_STORE_USER,
    POD,
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
from objstore.kubernetes.stores.reporting import Pass, status, with_conditions
from objstore.kubernetes.stores.rollout import stuck, under_way
from objstore.kubernetes.stores.spec import SpecError
from objstore.kubernetes.stores.store import Store

SOON_S: Final = 3.0
"""Seconds until another look at drives that are taken in, and at pods that start."""
BEGINS: Final = datetime.timedelta(minutes=1)
"""Pods that do not start in that time are looked at less often."""
WAIT_S: Final = 15.0
"""Seconds until another look at what waits for others, and at stores that do not answer or are not safe."""


INVALID: Final = "InvalidSpec"
NOT_MADE: Final = Health(None, "the store is not made yet")


class Stores:
    """The controller of ObjectStores. `image` is the server's, `provisioner` that of bucket claims, `namespace` the
    operator's own."""

    kind = OBJECT_STORE

    def __init__(self, cluster: Cluster, *, image: str, provisioner: str, namespace: str) -> None:
        self._cluster, self._events = cluster, Events(cluster)
        self._parameters = {"image": image, "provisioner": provisioner, "operators": namespace}
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
        except SpecError as error:
            return await self._refuse_unread(key, body, str(error))
        await self._hold(key, body)
        try:
            came = await self._build(store, body)
        except (Refused, SpecError) as error:
            refused = error if isinstance(error, Refused) else Refused(INVALID, str(error))
            await self._events.warning(body, refused.reason, str(refused))
            came = Pass(store, await self._health(store), refused=refused)
        told = status(body, came)
        await self._tell(key, body, told)
        usual = float(store.spec.health_check.interval_seconds)
        if came.growing or _just_begun(told):
            return min(usual, SOON_S)
        health = came.health
        waits = health.info is None or health.unsafe or came.refused is not None or bool(came.progress)
        return min(usual, WAIT_S) if waits else usual

    async def _build(self, store: Store, body: Body) -> Pass:
        """Everything but the status. Raises Refused, SpecError."""
        building = Building(self._cluster, store, **self._parameters)
        live = await self._cluster.get(STATEFUL_SET, Key(store.namespace, names.stateful_set(store.name)))
        volumes = await building.claims()
        check(store, live, volumes)
        credentials = await building.credentials()
        if live is not None and under_way(live):
            self._inquiries.forget(store.key)  # what a pod said before it ended is nothing to go by
        health = await self._health(store) if live is not None else NOT_MADE
        digest = await building.settings(health.joined, volumes)
        await building.surroundings()
        await building.storage_class()
        larger = await building.enlarge(volumes)
        made = await building.workload(live, f"{digest}-{credentials['metadata']['resourceVersion']}")
        if made is None:
            return Pass(store, health, "the StatefulSet is made again, with other volumes")
        if restarted := await building.restart_for_drives():
            return Pass(store, health, f"{', '.join(restarted)} is started again, with more drives")
        progress = under_way(made)
        stalled = await self._stalled(store, body, made) if progress else ""
        growing = await self._grow(store, body, health) if health.info is not None else ""
        if larger and not progress:
            progress = f"volumes grow: {', '.join(larger)}"
        missing = await self._missing(store)
        return Pass(store, health, growing or progress, missing, bool(growing), stalled=stalled)

    async def _health(self, store: Store) -> Health:
        """What the store says of itself, or why it says nothing."""
        try:
            return await self._inquiries.health(store.key, await self._connection(store))
        except Refused as error:
            return Health(None, str(error))

    async def _grow(self, store: Store, body: Body, health: Health) -> str:
        """Have drives taken in that are not in the pool yet; what is under way, "" for nothing."""
        paths = [store.drive_path(name) for name in store.spec.drives]
        growing, joins = await self._inquiries.grow(store.key, await self._connection(store), health, paths)
        if joins:
            await self._events.normal(body, "DriveJoins", growing)
        return growing

    async def _stalled(self, store: Store, body: Body, stateful_set: Body) -> str:
        """Why pods do not get ready, "" while they still may."""
        now = datetime.datetime.now(datetime.UTC)
        for ordinal in range(store.spec.gateway.instances):
            pod = await self._cluster.get(POD, Key(store.namespace, names.pod(store.name, ordinal)))
            if pod is not None and (why := stuck(stateful_set, pod, now)):
                await self._events.warning(body, "RolloutStalled", why)
                return why
        return ""

    async def _connection(self, store: Store) -> Connection:
        """How to ask it, as its root; found anew each time, as Secrets change."""
        return (await find_store(self._cluster, store.namespace, store.name, store.endpoint.url)).connection

    async def _missing(self, store: Store) -> str:
        """What pods wait for that others have to bring, "" for nothing."""
        wanted: list[tuple[str, str]] = []
        if store.tls_secret is not None:
            wanted += [(store.tls_secret, names.CERTIFICATE), (store.tls_secret, names.PRIVATE_KEY)]
        if store.spec.master_key is not None:
            wanted.append((store.spec.master_key.name, store.spec.master_key.key))
        missing = [
            f"Secret {name} has no {key}"
            for name, key in wanted
            if not value(await self._cluster.get(SECRET, Key(store.namespace, name)), key)
        ]
        return "; ".join(missing)

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
            await self._tell(
                key, body, with_conditions(body, "Deleting", [Condition("Ready", None, "StillBound", message)])
            )
            return WAIT_S
        # In so many words: a spec that cannot be read keeps its data too.
        keep = spec_of(body).get("preserveDataOnDelete", True) is not False
        kept = len(await claims(self._cluster, key))
        await dismantle(self._cluster, key, keep_data=keep)
        if keep and kept:
            await self._events.normal(
                body,
                "DataKept",
                f"{number_of(kept, 'volume')} and the Secret of root's credentials stay: a store of this name finds"
                " them",
            )
        try:
            await self._finalize(key, body, [one for one in finalizers if one != names.FINALIZER])
        except (Conflict, NotFound):
            return SOON_S
        return None

    async def _refuse_unread(self, key: Key, body: Body, message: str) -> float | None:
        """Tell that the spec cannot be read. What was made before goes on as it is."""
        await self._events.warning(body, INVALID, message)
        conditions = [
            Condition("Refused", True, INVALID, message),
            Condition("Progressing", False, INVALID, "nothing is changed while the spec is refused"),
        ]
        # Of some objects the API server itself cannot make anything: the event has to do.
        with contextlib.suppress(Invalid, Unreachable):
            await self._tell(key, body, with_conditions(body, "Refused", conditions))
        return None

    async def _tell(self, key: Key, body: Body, told: dict[str, Any]) -> None:
        if told == body.get("status"):
            return
        whose = {"name": key.name, "namespace": key.namespace}
        await self._cluster.apply(OBJECT_STORE, {"metadata": whose, "status": told}, "status")


def _just_begun(status: Body) -> bool:
    """Whether something is under way since a short time: pods that start are looked at often, but not for ever."""
    (one,) = (one for one in status["conditions"] if one["type"] == "Progressing")
    since = datetime.datetime.fromisoformat(one["lastTransitionTime"])
    return one["status"] == "True" and datetime.datetime.now(datetime.UTC) - since < BEGINS


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
