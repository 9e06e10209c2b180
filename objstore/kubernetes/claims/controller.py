"""Reconciles ObjectBucketClaims: whatever state a claim and its objects are in, they become what the claim asks for.

What is to be made is decided first and written down: the bucket's name in the claim, all else in its ObjectBucket
(`binding`). Only then is anything made at the store (`provision`), and only then told to the application. A claim that
is being deleted keeps its finalizer until nothing is left (`reclaim`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

from objstore.client import StoreRefused, StoreUnreachable
from objstore.kubernetes.claims import classes, configuration, names, objects, provision, reclaim
from objstore.kubernetes.claims.binding import Binding, applied
from objstore.kubernetes.claims.configuration import OF_A_NEW_BUCKET, OF_THE_USER, Configuration, ConfigurationError
from objstore.kubernetes.claims.names import FINALIZER, LABEL
from objstore.kubernetes.claims.status import BOUND, FAILED, PENDING, RELEASED, Reporter
from objstore.kubernetes.cluster import AlreadyExists, Cluster, Conflict
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.events import Events
from objstore.kubernetes.kinds import (
    CONFIG_MAP,
    OBJECT_BUCKET,
    OBJECT_BUCKET_CLAIM,
    OBJECT_STORE,
    SECRET,
    STORAGE_CLASS,
    Body,
    Key,
    Kind,
    key_of,
)
from objstore.kubernetes.options import OperatorOptions
from objstore.kubernetes.recheck import Settled
from objstore.kubernetes.stores.locate import Store, find_store

REFUSED_RETRY_S: Final = 60.0
"""What was refused may be different by then: a bucket deleted, a user made, a store's policy changed."""

CONFLICT_RETRY_S: Final = 0.2

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Seen(NamedTuple):
    """A claim and what there is of it, all as it was read at one time."""

    claim: Body
    storage_class: Body | None
    object_bucket: Body | None
    secret: Body | None
    config_map: Body | None

    @property
    def key(self) -> Key:
        return key_of(self.claim)

    @property
    def version(self) -> tuple[Any, ...]:
        """Changes when anything does that matters to a claim that is bound."""
        metadata = self.claim["metadata"]
        parts = (self.object_bucket, self.secret, self.config_map)
        return (
            metadata["uid"],
            metadata.get("generation"),
            (metadata.get("labels") or {}).get(LABEL),
            FINALIZER in (metadata.get("finalizers") or []),
            *(part and part["metadata"]["resourceVersion"] for part in parts),
        )


class Origin(NamedTuple):
    """What an ObjectBucket is made from."""

    claim: Body
    label: str
    binding: Binding
    store: Store


class ClaimController:
    """`provisioners` are the names by which StorageClasses ask for this one; `allowed` are the keys of additionalConfig
    that claims may have, None for the defaults; `recheck` is after how many seconds a claim that is bound is compared
    with its store again, 0 for never."""

    kind = OBJECT_BUCKET_CLAIM

    def __init__(
        self,
        cluster: Cluster,
        provisioners: Iterable[str],
        allowed: frozenset[str] | None = None,
        workers: int = 8,
        recheck: float = 0.0,
    ) -> None:
        self._cluster = cluster
        self._events = Events(cluster)
        self._report = Reporter(cluster, self._events)
        self._provisioners = frozenset(provisioners)
        self._labels = frozenset(map(names.label, self._provisioners))
        self._allowed = allowed
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="claims")
        self._settled = Settled(recheck)
        self._waiting: dict[tuple[Kind, Key], set[Key]] = defaultdict(set)

    @property
    def watches(self) -> Mapping[Kind, Callable[[Body], Iterable[Key]]]:
        return {
            SECRET: _owners,
            CONFIG_MAP: _owners,
            OBJECT_BUCKET: _claim_of,
            STORAGE_CLASS: lambda body: self._waiting.pop((STORAGE_CLASS, key_of(body)), ()),
            OBJECT_STORE: lambda body: self._waiting.pop((OBJECT_STORE, key_of(body)), ()),
        }

    async def reconcile(self, key: Key) -> float | None:
        """Bring a claim to what it asks for, or to its end."""
        seen = await self._see(key)
        if seen is None:
            self._settled.forget(key)
            return None
        if not self._is_ours(seen):
            await self._look_for_class(seen)
            return None
        deleting = "deletionTimestamp" in seen.claim["metadata"]
        try:
            return await (self._reclaim(seen) if deleting else self._provision(seen))
        except (Conflict, AlreadyExists):
            return CONFLICT_RETRY_S  # somebody else wrote at the same time: look again at what is there now
        except Refused as refusal:
            await self._report.wrong(seen.claim, refusal.reason, str(refusal), RELEASED if deleting else FAILED)
            return None if refusal.reason == "InvalidConfiguration" else REFUSED_RETRY_S
        except StoreRefused as error:
            await self._report.wrong(seen.claim, "StoreRefused", str(error), RELEASED if deleting else FAILED)
            return REFUSED_RETRY_S
        except StoreUnreachable as error:
            await self._report.wrong(seen.claim, "StoreUnreachable", str(error), RELEASED if deleting else PENDING)
            raise

    async def _see(self, key: Key) -> Seen | None:
        claim = await self._cluster.get(OBJECT_BUCKET_CLAIM, key)
        if claim is None:
            return None
        of = (claim.get("spec") or {}).get("storageClassName")
        return Seen(
            claim,
            *await asyncio.gather(
                self._cluster.get(STORAGE_CLASS, Key("", of)) if of else _nothing(),
                self._cluster.get(OBJECT_BUCKET, Key("", names.object_bucket(key))),
                self._cluster.get(SECRET, key),
                self._cluster.get(CONFIG_MAP, key),
            ),
        )

    def _is_ours(self, seen: Seen) -> bool:
        """By what the claim was marked with when it was begun; before that, by its StorageClass."""
        metadata = seen.claim["metadata"]
        if FINALIZER in (metadata.get("finalizers") or []) and LABEL in (metadata.get("labels") or {}):
            return metadata["labels"][LABEL] in self._labels
        return seen.storage_class is not None and seen.storage_class.get("provisioner") in self._provisioners

    async def _look_for_class(self, seen: Seen) -> None:
        """A claim of a StorageClass that is not there is nobody's yet: its author is told, and nothing is touched."""
        if seen.storage_class is not None or "deletionTimestamp" in seen.claim["metadata"]:
            return
        named = (seen.claim.get("spec") or {}).get("storageClassName")
        if not named:
            await self._report.event(seen.claim, "InvalidClaim", "the claim has no storageClassName")
            return
        self._waiting[STORAGE_CLASS, Key("", named)].add(seen.key)
        await self._report.event(seen.claim, "StorageClassNotFound", f"there is no StorageClass {named}")

    async def _provision(self, seen: Seen) -> float | None:
        bound = (seen.claim.get("status") or {}).get("phase") == BOUND
        if bound and self._settled.holds(seen.key, seen.version):
            return self._settled.left(seen.key)
        binding = _binding(seen)
        if binding is not None and not bound and _renamed(seen.claim, binding) and await self._undone(seen, binding):
            return 0.0
        wanted = self._configuration(seen, binding)
        objects.require_own(SECRET, seen.claim, seen.secret)
        objects.require_own(CONFIG_MAP, seen.claim, seen.config_map)
        claim, binding, label = await self._begin(seen, binding)
        claim = await self._report.pending(claim)
        store = await self._store(seen, binding)
        if seen.object_bucket is None or Binding.read(seen.object_bucket) is None:
            binding = await self._call(provision.look, store.connection, binding)
        origin = Origin(claim, label, binding, store)
        configured = (claim["spec"].get("additionalConfig")) or {}
        # Until the store has been told, what it was told before and what it is to be told may both be true of it.
        either = {**applied(seen.object_bucket), **configured}
        object_bucket = await self._write_object_bucket(origin, seen.object_bucket, either)
        held, before = objects.credentials(seen.secret), _before(seen.object_bucket)
        given = await self._call(provision.provide, store.connection, binding, wanted, before, held)
        secret = await objects.write(self._cluster, SECRET, claim, seen.secret, objects.secret(claim, label, given))
        told = objects.config_map(claim, label, binding, store.address, store.region)
        config_map = await objects.write(self._cluster, CONFIG_MAP, claim, seen.config_map, told)
        object_bucket = await self._write_object_bucket(origin, object_bucket, configured)
        object_bucket = await self._report.object_bucket_phase(object_bucket, BOUND)
        claim = await self._bind(claim, binding, bound=bound)
        return self._settled.note(seen.key, Seen(claim, seen.storage_class, object_bucket, secret, config_map).version)

    def _configuration(self, seen: Seen, binding: Binding | None) -> Configuration:
        granted = binding.granted if binding is not None else bool(_class(seen).bucket)
        allowed = self._allowed if self._allowed is not None else (OF_THE_USER if granted else OF_A_NEW_BUCKET)
        try:
            return configuration.parse(seen.claim["spec"].get("additionalConfig"), allowed)
        except ConfigurationError as error:
            raise Refused("InvalidConfiguration", str(error)) from None

    async def _begin(self, seen: Seen, binding: Binding | None) -> tuple[Body, Binding, str]:
        """Mark the claim, and fix what it is bound to: from here on it is not gone before we let it go."""
        claim, metadata, spec = seen.claim, seen.claim["metadata"], seen.claim["spec"]
        if binding is None:
            of = _class(seen)
            label = names.label(of.provisioner)
            bucket = of.bucket or spec.get("bucketName") or _generated(spec)
            owner = (spec.get("additionalConfig") or {}).get("bucketOwner")
            binding = Binding.decide(bucket, names.tenant(seen.key, metadata["uid"]), owner, of)
        else:
            label = (metadata.get("labels") or {}).get(LABEL) or names.label(_class(seen).provisioner)
            await self._tell_ignored(claim, binding)
        patch: dict[str, Any] = {"metadata": {}}
        finalizers = metadata.get("finalizers") or []
        if FINALIZER not in finalizers:
            patch["metadata"]["finalizers"] = [*finalizers, FINALIZER]
        if (metadata.get("labels") or {}).get(LABEL) != label:
            patch["metadata"]["labels"] = {LABEL: label}
        if not spec.get("bucketName") or (binding.granted and seen.object_bucket is None):
            patch["spec"] = {"bucketName": binding.bucket}
        if patch != {"metadata": {}}:
            patch["metadata"] |= {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            claim = await self._cluster.patch(OBJECT_BUCKET_CLAIM, seen.key, patch)
        return claim, binding, label

    async def _tell_ignored(self, claim: Body, binding: Binding) -> None:
        spec = claim["spec"]
        owner = (spec.get("additionalConfig") or {}).get("bucketOwner")
        changes = {
            "bucketName": (spec.get("bucketName") or binding.bucket, binding.bucket),
            "storageClassName": (spec.get("storageClassName"), binding.storage_class),
            "additionalConfig.bucketOwner": (owner, binding.owner),
        }
        told = [f"{name} stays {was or 'unset'}" for name, (now, was) in changes.items() if now != was]
        if told:
            message = "what a claim is bound to does not change: " + ", ".join(told)
            await self._report.event(claim, "ChangeIgnored", message)

    async def _store(self, seen: Seen, binding: Binding) -> Store:
        try:
            return await find_store(
                self._cluster, binding.store_namespace, binding.store, binding.endpoint, binding.region
            )
        except Refused:
            self._waiting[OBJECT_STORE, Key(binding.store_namespace, binding.store)].add(seen.key)
            raise

    async def _write_object_bucket(self, origin: Origin, there: Body | None, configured: Mapping[str, Any]) -> Body:
        store = origin.store
        wanted = objects.object_bucket(
            origin.claim, origin.label, origin.binding, store.address, store.region, configured
        )
        if there is None:
            return await self._cluster.create(OBJECT_BUCKET, wanted)
        metadata = there["metadata"]
        finalizers = metadata.get("finalizers") or []
        if not metadata.get("deletionTimestamp") and FINALIZER not in finalizers:
            finalizers = [*finalizers, FINALIZER]
        labels = {**(metadata.get("labels") or {}), LABEL: origin.label}
        spec = {**there["spec"], **wanted["spec"]}
        whole = {**there, "metadata": {**metadata, "labels": labels, "finalizers": finalizers}, "spec": spec}
        if whole == {**there, "metadata": {**metadata, "finalizers": metadata.get("finalizers") or []}}:
            return there
        return await self._cluster.replace(OBJECT_BUCKET, whole)

    async def _bind(self, claim: Body, binding: Binding, *, bound: bool) -> Body:
        """Bind the claim; as it was read before its status was written, for that could bring changes not seen yet."""
        name, metadata = names.object_bucket(key_of(claim)), claim["metadata"]
        if claim["spec"].get("objectBucketName") != name:
            guard = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            patch = {"metadata": guard, "spec": {"objectBucketName": name}}
            claim = await self._cluster.patch(OBJECT_BUCKET_CLAIM, key_of(claim), patch)
        await self._report.well(claim)
        if not bound:
            await self._report.event(claim, "Bound", f"the bucket {binding.bucket} is there", severity="Normal")
        return claim

    async def _undone(self, seen: Seen, binding: Binding) -> bool:
        """A claim that never was bound has another bucketName now: whether what was begun under the other is gone."""
        store = await self._store(seen, binding)
        if not await self._call(provision.abandon, store.connection, binding):
            return False
        await objects.release(self._cluster, OBJECT_BUCKET, seen.object_bucket)
        return True

    async def _reclaim(self, seen: Seen) -> float | None:
        self._settled.forget(seen.key)
        object_bucket = seen.object_bucket
        if object_bucket is not None and _claim_of(object_bucket) == [seen.key]:
            binding = Binding.read(object_bucket)
            if binding is not None:
                object_bucket = await self._report.object_bucket_phase(object_bucket, RELEASED)
                claim = await self._report.released(seen.claim)
                store = await self._store(seen, binding)
                reclaimed = await self._call(reclaim.reclaim, store.connection, binding)
                if not reclaimed.done:
                    await self._report.progress(claim, reclaimed.deleted, reclaimed.reason)
                    return REFUSED_RETRY_S if reclaimed.reason else 0.0
            await objects.release(self._cluster, OBJECT_BUCKET, object_bucket)
        for kind, body in ((SECRET, seen.secret), (CONFIG_MAP, seen.config_map)):
            if body is not None and objects.is_of(seen.claim, body):
                await objects.release(self._cluster, kind, body)
        await self._let_go(seen.key)
        return None

    async def _let_go(self, key: Key) -> None:
        claim = await self._cluster.get(OBJECT_BUCKET_CLAIM, key)
        if claim is not None and FINALIZER in (claim["metadata"].get("finalizers") or []):
            await self._cluster.patch(OBJECT_BUCKET_CLAIM, key, objects.without_finalizer(claim))

    async def _call(self, function: Callable[_P, _T], *arguments: _P.args, **members: _P.kwargs) -> _T:
        """Something that blocks, on a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*arguments, **members))


def claim_controller(cluster: Cluster, options: OperatorOptions) -> ClaimController:
    """As the operator's options say. Raises ConfigurationError for keys that are none."""
    text = options.allow_additional_config
    return ClaimController(
        cluster,
        [names.provisioner(options.namespace), *options.provisioners],
        configuration.allowed_keys(text) if text is not None else None,
        options.workers,
        options.recheck_s,
    )


async def _nothing() -> None:
    return None


def _owners(body: Body) -> list[Key]:
    """The claims that a Secret or ConfigMap belongs to."""
    metadata = body.get("metadata") or {}
    return [
        Key(metadata.get("namespace") or "", one["name"])
        for one in metadata.get("ownerReferences") or []
        if one.get("kind") == OBJECT_BUCKET_CLAIM.name
    ]


def _claim_of(object_bucket: Body) -> list[Key]:
    """The claim that an ObjectBucket is bound to."""
    reference = (object_bucket.get("spec") or {}).get("claimRef") or {}
    return [Key(reference["namespace"], reference["name"])] if reference.get("namespace") else []


def _binding(seen: Seen) -> Binding | None:
    """What was decided before. Raises Refused where the ObjectBucket of that name is another claim's."""
    if seen.object_bucket is None:
        return None
    if _claim_of(seen.object_bucket) not in ([], [seen.key]):
        name, other = names.object_bucket(seen.key), _claim_of(seen.object_bucket)[0]
        raise Refused("NameTaken", f"the ObjectBucket {name} is that of the claim {other}: rename one of the claims")
    return Binding.read(seen.object_bucket)


def _renamed(claim: Body, binding: Binding) -> bool:
    """Whether a claim asks for another bucket than the one it was begun with."""
    spec = claim["spec"]
    asked = spec.get("bucketName")
    return not spec.get("objectBucketName") and not binding.granted and bool(asked) and asked != binding.bucket


def _before(object_bucket: Body | None) -> Configuration:
    """What the store was told before, as far as it can still be read."""
    return configuration.readable(applied(object_bucket))


def _class(seen: Seen) -> classes.BucketClass:
    if seen.storage_class is None:
        named = (seen.claim.get("spec") or {}).get("storageClassName")
        raise Refused("StorageClassNotFound", f"there is no StorageClass {named}")
    return classes.read(seen.storage_class)


def _generated(spec: Body) -> str:
    if not spec.get("generateBucketName"):
        raise Refused("InvalidClaim", "the claim names no bucket: it needs a bucketName or a generateBucketName")
    return names.generated_bucket(spec["generateBucketName"])
