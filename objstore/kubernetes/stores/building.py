"""Writes what a store consists of: each object as the builders have it, whatever became of it meanwhile."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from objstore.kubernetes import quantities
from objstore.kubernetes.cluster import AlreadyExists, Cluster, ClusterError, Conflict, Invalid, NotFound
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.kinds import (
    CERTIFICATE,
    CONFIG_MAP,
    NETWORK_POLICY,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    POD_DISRUPTION_BUDGET,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    SERVICE_MONITOR,
    STATEFUL_SET,
    STORAGE_CLASS,
    Body,
    Key,
    Kind,
)
from objstore.kubernetes.secrets import value
from objstore.kubernetes.stores import guard, names, network, settings, workload
from objstore.kubernetes.stores.store import Store


class Building:
    """The objects of one store. `image` is the server's where the spec names none; `operators` is the namespace of the
    operator."""

    def __init__(self, cluster: Cluster, store: Store, *, image: str, provisioner: str, operators: str) -> None:
        self._cluster, self._store = cluster, store
        self._image, self._provisioner, self._operators = image, provisioner, operators

    async def claims(self) -> list[Body]:
        """The PersistentVolumeClaims of the store's drives."""
        return await claims(self._cluster, self._store.key)

    async def credentials(self) -> Body:
        """The Secret of root's credentials; generated once, and left alone from then on. Raises Refused."""
        store = self._store
        key = Key(store.namespace, store.credentials_secret)
        found = await self._cluster.get(SECRET, key)
        if value(found, names.USERNAME) and value(found, names.PASSWORD) and found is not None:
            return found
        if store.spec.credentials is not None or found is not None:
            raise Refused(
                "CredentialsMissing",
                f"Secret {key} has not the `{names.USERNAME}` and `{names.PASSWORD}` of root: put them there",
            )
        made = {
            # Without an owner: what the drives keep outlives the store, and so do its credentials.
            "metadata": store.metadata(key.name, owned=False),
            "type": "Opaque",
            "stringData": {names.USERNAME: f"root-{secrets.token_hex(8)}", names.PASSWORD: secrets.token_urlsafe(30)},
        }
        try:
            return await self._cluster.create(SECRET, made)
        except AlreadyExists:
            return await self.credentials()

    async def surroundings(self) -> None:
        """All but settings and StatefulSet. Raises Refused."""
        store = self._store
        await self._apply(SERVICE_ACCOUNT, network.service_account(store))
        await self._apply(SERVICE, network.headless_service(store))
        await self._apply(SERVICE, network.client_service(store))
        await self._apply(POD_DISRUPTION_BUDGET, network.disruption_budget(store))
        if store.spec.network_policy.enabled:
            await self._apply(NETWORK_POLICY, network.network_policy(store, self._operators))
        else:
            await self._remove(NETWORK_POLICY, store.name)
        if store.spec.service_monitor.enabled:
            await self._apply_if_known(SERVICE_MONITOR, network.service_monitor(store))
        else:
            await self._remove(SERVICE_MONITOR, store.name)
        certificate = network.certificate(store)
        if certificate is None:
            await self._remove(CERTIFICATE, names.certificate(store.name))
        elif not await self._apply_if_known(CERTIFICATE, certificate):
            raise Refused("CertManagerMissing", "spec.gateway.certificate: there is no cert-manager in this cluster")

    async def storage_class(self) -> None:
        """The StorageClass of bucket claims, made again where what cannot change has changed. Raises Refused."""
        store = self._store
        wanted = network.storage_class(store, self._provisioner)
        key = Key("", store.storage_class)
        found = await self._cluster.get(STORAGE_CLASS, key)
        if found is not None and not _is_of(found, store.key):
            raise Refused(
                "StorageClassTaken",
                f"StorageClass {key.name} is not this store's: choose another name in spec.bucketStorageClass.name",
            )
        fixed = ("provisioner", "reclaimPolicy", "parameters", "volumeBindingMode")
        if found is not None and any(found.get(name) != wanted[name] for name in fixed):
            await self._cluster.delete(STORAGE_CLASS, key, uid=found["metadata"]["uid"])
        await self._cluster.apply(STORAGE_CLASS, wanted)
        labels = {names.STORE_NAME_LABEL: store.name, names.STORE_NAMESPACE_LABEL: store.namespace}
        async for one in self._cluster.pages(STORAGE_CLASS, labels=labels):
            if one["metadata"]["name"] != key.name:  # of an earlier name
                await self._cluster.delete(STORAGE_CLASS, Key("", one["metadata"]["name"]))

    async def settings(self, joined: Collection[str], volumes: Iterable[Body]) -> str:
        """The ConfigMap, with the drives that the server is to start with (see `settings.listed`). What is returned
        changes when the server has to be started again. Raises SpecError, Refused."""
        store = self._store
        present = await self._cluster.get(CONFIG_MAP, Key(store.namespace, names.settings(store.name)))
        there = {drive: one for one in volumes if (drive := guard.drive_of(one, store.name)) is not None}
        known = {drive: guard.known(one) for drive, one in there.items()}
        drives = settings.listed(store, present, joined, known)
        for drive in drives:
            if not known.get(drive, True):
                await self._mark(there[drive])
        await self._apply(CONFIG_MAP, settings.config_map(store, drives))
        return settings.digest(store, drives)

    async def _mark(self, claim: Body) -> None:
        """Have a drive's volume remember that servers start with it, for when the ConfigMap is lost."""
        key = Key(self._store.namespace, claim["metadata"]["name"])
        mark = {"metadata": {"annotations": {names.KNOWN_DRIVE: "true"}, "uid": claim["metadata"]["uid"]}}
        with contextlib.suppress(NotFound, Conflict):  # deleted, or another one meanwhile
            await self._cluster.patch(PERSISTENT_VOLUME_CLAIM, key, mark)

    async def workload(self, live: Body | None, version: str) -> Body | None:
        """The StatefulSet as it is now; None while one goes to make room for another.

        Its claim templates cannot change. Where they have to, it is deleted without its pods and claims, and made
        again: the pods find themselves in the new one.
        """
        wanted = workload.stateful_set(self._store, image=self._image, version=version)
        key = Key(self._store.namespace, names.stateful_set(self._store.name))
        if live is not None and live["metadata"].get("deletionTimestamp"):
            return None
        if live is not None and templates(live) != templates(wanted):
            await self._cluster.delete(STATEFUL_SET, key, uid=live["metadata"]["uid"], propagation="Orphan")
            return None
        if live is not None:  # as the API server has completed them
            wanted = {
                **wanted,
                "spec": {**wanted["spec"], "volumeClaimTemplates": live["spec"]["volumeClaimTemplates"]},
            }
        return await self._apply(STATEFUL_SET, wanted)

    async def enlarge(self, claims: list[Body]) -> list[str]:
        """Let volumes grow to what is asked for; the names of those that do. Raises Refused."""
        sizes = {
            names.drive(one.name, n): one.spec.resources.requests.storage
            for one in self._store.spec.volume_claim_templates
            for n in range(1, one.count + 1)
        }
        growing = []
        for claim in claims:
            drive = guard.drive_of(claim, self._store.name)
            size = sizes.get(drive or "")
            there = claim["spec"]["resources"]["requests"]["storage"]
            if drive is None or size is None or quantities.parse(size) <= quantities.parse(there):
                continue
            try:
                await self._cluster.patch(
                    PERSISTENT_VOLUME_CLAIM,
                    Key(self._store.namespace, claim["metadata"]["name"]),
                    {"spec": {"resources": {"requests": {"storage": str(size)}}}},
                )
            except NotFound:
                continue
            except (Invalid, ClusterError) as error:
                if error.status not in (403, 422):
                    raise
                raise Refused(
                    "VolumeCannotGrow", f"drive {drive} cannot grow from {there} to {size}: {error}"
                ) from None
            growing.append(drive)
        return growing

    async def restart_for_drives(self) -> list[str]:
        """End pods that lack a drive of the StatefulSet: it cannot change them, and makes them anew with all drives. At
        most one at a time; its name."""
        for ordinal in range(self._store.spec.gateway.instances):
            key = Key(self._store.namespace, names.pod(self._store.name, ordinal))
            pod = await self._cluster.get(POD, key)
            if pod is None or pod["metadata"].get("deletionTimestamp"):
                continue
            mounted = {one["name"] for one in pod["spec"].get("volumes") or () if one.get("persistentVolumeClaim")}
            if not mounted.issuperset(self._store.spec.drives):
                await self._cluster.delete(POD, key, uid=pod["metadata"]["uid"])
                return [key.name]
        return []

    async def _apply(self, kind: Kind, body: Body) -> Body:
        """Write an object of the store. Raises Refused where one of its name is somebody else's."""
        key = Key(self._store.namespace, body["metadata"]["name"])
        found = await self._cluster.get(kind, key)
        if found is not None and not self._is_ours(found):
            raise Refused("NameTaken", f"{kind.name} {key} is there already and not this store's")
        return await self._cluster.apply(kind, body)

    def _is_ours(self, body: Body) -> bool:
        """By its owner; or by its labels, as what a backup brought back has lost its owner."""
        labels = body["metadata"].get("labels") or {}
        ours = names.labels(self._store.name)
        marks = (names.INSTANCE_LABEL, names.MANAGED_BY_LABEL)
        return _owned_by(body, self._store.uid) or all(labels.get(mark) == ours[mark] for mark in marks)

    async def _apply_if_known(self, kind: Kind, body: Body) -> bool:
        """Whether the cluster knows such a kind."""
        try:
            await self._apply(kind, body)
        except NotFound:
            return False
        return True

    async def _remove(self, kind: Kind, name: str) -> None:
        """Remove what the operator made of that name, if it is there."""
        key = Key(self._store.namespace, name)
        found = await self._cluster.get(kind, key)
        if found is not None and _owned_by(found, self._store.uid):
            await self._cluster.delete(kind, key, uid=found["metadata"]["uid"])


async def claims(cluster: Cluster, store: Key) -> list[Body]:
    """The PersistentVolumeClaims of a store's drives."""
    found = cluster.pages(PERSISTENT_VOLUME_CLAIM, store.namespace, labels=names.selector(store.name))
    return [one async for one in found if guard.drive_of(one, store.name) is not None]


async def dismantle(cluster: Cluster, store: Key, *, keep_data: bool) -> None:
    """Delete what does not go with its owner: StorageClasses, and the data with its credentials unless that is kept."""
    labels = {names.STORE_NAME_LABEL: store.name, names.STORE_NAMESPACE_LABEL: store.namespace}
    for one in [one async for one in cluster.pages(STORAGE_CLASS, labels=labels)]:
        await cluster.delete(STORAGE_CLASS, Key("", one["metadata"]["name"]))
    if keep_data:
        return
    await cluster.delete(STATEFUL_SET, Key(store.namespace, names.stateful_set(store.name)))
    for claim in await claims(cluster, store):
        await cluster.delete(PERSISTENT_VOLUME_CLAIM, Key(store.namespace, claim["metadata"]["name"]))
    await cluster.delete(SECRET, Key(store.namespace, names.credentials(store.name)))


def _is_of(storage_class: Body, store: Key) -> bool:
    labels = storage_class["metadata"].get("labels") or {}
    return (labels.get(names.STORE_NAMESPACE_LABEL), labels.get(names.STORE_NAME_LABEL)) == store


def _owned_by(body: Body, uid: str) -> bool:
    return any(one.get("uid") == uid for one in body["metadata"].get("ownerReferences") or ())


def templates(stateful_set: Body) -> dict[str, Any]:
    """What is ours of claim templates, in a form that can be compared."""
    return {one["metadata"]["name"]: _template(one) for one in stateful_set["spec"].get("volumeClaimTemplates") or ()}


def _template(template: Mapping[str, Any]) -> Any:
    metadata, spec = template["metadata"], template["spec"]
    size = quantities.parse(spec["resources"]["requests"]["storage"])
    kept = {name: value for name, value in spec.items() if name != "resources"}
    return metadata.get("labels") or {}, metadata.get("annotations") or {}, size, kept
