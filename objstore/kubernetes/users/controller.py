"""Reconciles ObjectStoreUsers: an account of the store with one user, and its Secret as Rook's users have it.

What a rotation has come to stands on the Secret, which is what applications read: it changes with the key, in one
write.
"""

from __future__ import annotations

import asyncio
import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from objstore.client import Connection, StoreError, StoreRefused
from objstore.kubernetes.cluster import Cluster, Conflict, Invalid, NotFound, Unreachable
from objstore.kubernetes.conditions import Condition, written
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.events import Events
from objstore.kubernetes.kinds import OBJECT_STORE, OBJECT_STORE_USER, SECRET, Body, Key, Kind, spec_of
from objstore.kubernetes.recheck import spread
from objstore.kubernetes.secrets import value
from objstore.kubernetes.stores import names
from objstore.kubernetes.stores.bound import shown, store_of_user
from objstore.kubernetes.stores.locate import find_store
from objstore.kubernetes.stores.spec import SpecError
from objstore.kubernetes.tenancy.accounts import Tenant
from objstore.kubernetes.users import account
from objstore.kubernetes.users.spec import ObjectStoreUserSpec, parse

INVALID: Final = "InvalidSpec"
WAIT_S: Final = 15.0

ROTATION: Final = f"{names.GROUP}/key-rotation"
ROTATED_AT: Final = f"{names.GROUP}/rotated-at"
BEFORE: Final = f"{names.GROUP}/key-before"
"""Annotations of the Secret: the rotation that was done, when, and the key that stays good for a while."""


@dataclass(frozen=True)
class _Held:
    """What the user's Secret holds."""

    access: str | None
    secret: str | None
    rotation: str
    rotated_at: datetime.datetime | None
    before: str | None


class Users:
    """The controller of ObjectStoreUsers. `recheck` is after how many seconds a user that is as its spec says is
    compared with its store again, 0 for never."""

    kind = OBJECT_STORE_USER

    def __init__(self, cluster: Cluster, recheck: float = 0.0) -> None:
        self._recheck = recheck
        self._cluster, self._events = cluster, Events(cluster)
        self._of_store: dict[Key, set[Key]] = defaultdict(set)
        self._of_secret: dict[Key, set[Key]] = defaultdict(set)  # of Secrets with keys that are given

    @property
    def watches(self) -> Mapping[Kind, Callable[[Body], Iterable[Key]]]:
        return {
            SECRET: self._concerned,
            OBJECT_STORE: lambda body: list(self._of_store.get(_key(body), ())),
        }

    def _concerned(self, secret: Body) -> Iterable[Key]:
        """The users that a Secret is of, or that have their keys from it."""
        metadata = secret["metadata"]
        for owner in metadata.get("ownerReferences") or ():
            if owner.get("kind") == OBJECT_STORE_USER.name and owner.get("apiVersion") == OBJECT_STORE_USER.api_version:
                yield Key(metadata["namespace"], owner["name"])
        yield from list(self._of_secret.get(_key(secret), ()))

    async def reconcile(self, key: Key) -> float | None:
        body = await self._cluster.get(OBJECT_STORE_USER, key)
        if body is None:
            return None
        self._of_store[store_of_user(body)].add(key)
        try:
            if body["metadata"].get("deletionTimestamp"):
                return await self._delete(key, body)
            spec = parse(body)
            await self._allow(key, body)
            await self._hold(key, body)
            return await self._make(key, body, spec)
        except SpecError as error:
            return await self._refuse(key, body, INVALID, str(error))
        except Refused as error:
            return await self._refuse(key, body, error.reason, str(error))
        except StoreRefused as error:
            return await self._refuse(key, body, error.code or "StoreRefused", str(error))
        except StoreError as error:
            await self._events.warning(body, "StoreUnreachable", str(error))
            raise

    async def _allow(self, key: Key, body: Body) -> None:
        """Raise Refused where the store takes no users of this namespace."""
        whose = store_of_user(body)
        store = await self._cluster.get(OBJECT_STORE, whose)
        if store is None:
            raise Refused("StoreNotFound", f"there is no ObjectStore {whose}")
        allowed = spec_of(store).get("allowUsersInNamespaces") or []
        if key.namespace != whose.namespace and key.namespace not in allowed and "*" not in allowed:
            raise Refused(
                "NamespaceNotAllowed",
                f"ObjectStore {whose} has no users in namespace {key.namespace}: its allowUsersInNamespaces says which",
            )
        if store["metadata"].get("deletionTimestamp"):
            raise Refused("StoreGoes", f"ObjectStore {whose} is being deleted")

    async def _make(self, key: Key, body: Body, spec: ObjectStoreUserSpec) -> float | None:
        found = await self._find(body)
        tenant = await asyncio.to_thread(account.ensure, found.connection, key, spec)
        name = spec.secret_name or names.user_secret(spec.store, key.name)
        held = _held(await self._secret(Key(key.namespace, name), body))
        annotations: dict[str, str] = {}
        if spec.keys:
            kept = await self._given(found.connection, tenant, key, spec)
        else:
            kept, annotations = await self._generated(found.connection, tenant, spec, held)
        access, secret = kept
        await self._write(
            key, body, name, {"AccessKey": access, "SecretKey": secret, "Endpoint": found.url}, annotations
        )
        before = annotations.get(BEFORE)
        status = {
            "phase": "Ready",
            "info": {"secretName": name, "endpoint": found.url},
            "account": tenant.id,
            "accessKeys": [one for one in (access, before) if one],
            **({"keyRotation": spec.key_rotation} if spec.key_rotation else {}),
            **({"rotatedAt": annotations[ROTATED_AT]} if ROTATED_AT in annotations else {}),
        }
        conditions = [
            Condition("Ready", True, "Made", "the account is as the spec says, and the Secret has its key"),
            Condition("Refused", False, "Accepted", "the spec is followed"),
        ]
        await self._tell(key, body, status, conditions)
        again = spread(self._recheck)
        if not before:
            return again
        left = _left(annotations, spec)
        return left if again is None else min(again, left)

    async def _generated(
        self, connection: Connection, tenant: Tenant, spec: ObjectStoreUserSpec, held: _Held
    ) -> tuple[tuple[str, str], dict[str, str]]:
        """A key that the store made, and what the Secret is to say of its rotation."""
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        rotate = held.access is not None and spec.key_rotation not in ("", held.rotation)
        before = held.access if rotate else held.before
        since = now if rotate else held.rotated_at
        if before and (since is None or (now - since).total_seconds() >= spec.key_overlap_seconds):
            before = None
        kept = await asyncio.to_thread(
            account.key, connection, tenant, None if rotate else held.access, None if rotate else held.secret, before
        )
        rotation = spec.key_rotation or held.rotation
        annotations = {ROTATION: rotation} if rotation else {}
        if since is not None:
            annotations[ROTATED_AT] = _stamp(since)
        if before:
            annotations[BEFORE] = before
        return kept, annotations

    async def _given(
        self, connection: Connection, tenant: Tenant, key: Key, spec: ObjectStoreUserSpec
    ) -> tuple[str, str]:
        """The first of the keys that are given, all of which are made good. Raises Refused."""
        pairs = []
        for one in spec.keys:
            pair = []
            for ref in (one.access_key_ref, one.secret_key_ref):
                self._of_secret[Key(key.namespace, ref.name)].add(key)
                text = value(await self._cluster.get(SECRET, Key(key.namespace, ref.name)), ref.key)
                if not text:
                    raise Refused(
                        "KeyMissing", f"Secret {key.namespace}/{ref.name} has no {ref.key}, which spec.keys names"
                    )
                pair.append(text)
            pairs.append((pair[0], pair[1]))
        await asyncio.to_thread(account.give, connection, tenant, pairs)
        return pairs[0]

    async def _secret(self, key: Key, body: Body) -> Body | None:
        """The user's Secret. Raises Refused where one of that name is somebody else's."""
        found = await self._cluster.get(SECRET, key)
        owners = (found or {}).get("metadata", {}).get("ownerReferences") or ()
        if found is not None and all(one.get("uid") != body["metadata"]["uid"] for one in owners):
            raise Refused("SecretTaken", f"Secret {key} is not this user's: choose another name in spec.secretName")
        return found

    async def _write(
        self, key: Key, body: Body, name: str, data: Mapping[str, str], annotations: Mapping[str, str]
    ) -> None:
        owner = {
            "apiVersion": OBJECT_STORE_USER.api_version,
            "kind": OBJECT_STORE_USER.name,
            "name": key.name,
            "uid": body["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        labels = {
            names.NAME_LABEL: names.APPLICATION,
            names.COMPONENT_LABEL: "user",
            names.PART_OF_LABEL: names.APPLICATION,
            names.MANAGED_BY_LABEL: names.MANAGER,
            names.USER_LABEL: key.name,
        }
        metadata = {
            "name": name,
            "namespace": key.namespace,
            "labels": labels,
            "annotations": dict(annotations),
            "ownerReferences": [owner],
        }
        encoded = {one: account.encoded(text) for one, text in data.items()}
        await self._cluster.apply(SECRET, {"metadata": metadata, "type": "Opaque", "data": encoded})

    async def _find(self, body: Body) -> _Where:
        whose = store_of_user(body)
        found = await find_store(self._cluster, whose.namespace, whose.name)
        return _Where(found.connection, found.address.url)

    async def _delete(self, key: Key, body: Body) -> float | None:
        finalizers = body["metadata"].get("finalizers") or []
        if names.FINALIZER not in finalizers:
            return None
        whose = store_of_user(body)
        if await self._cluster.get(OBJECT_STORE, whose) is not None:
            found = await self._find(body)
            buckets = await asyncio.to_thread(account.remove, found.connection, key)
            if buckets:
                message = f"its buckets are to be deleted first: {shown(buckets)}"
                await self._events.warning(body, "OwnsBuckets", message)
                await self._tell(key, body, {"phase": "Deleting"}, [Condition("Ready", True, "OwnsBuckets", message)])
                return WAIT_S
        rest = [one for one in finalizers if one != names.FINALIZER]
        try:
            await self._finalize(key, body, rest)
        except (Conflict, NotFound):
            return 1.0
        self._of_store[whose].discard(key)
        return None

    async def _hold(self, key: Key, body: Body) -> None:
        finalizers = body["metadata"].get("finalizers") or []
        if names.FINALIZER not in finalizers:
            await self._finalize(key, body, [*finalizers, names.FINALIZER])

    async def _finalize(self, key: Key, body: Body, finalizers: list[str]) -> None:
        metadata = {"finalizers": finalizers, "resourceVersion": body["metadata"]["resourceVersion"]}
        await self._cluster.patch(OBJECT_STORE_USER, key, {"metadata": metadata})

    async def _refuse(self, key: Key, body: Body, reason: str, message: str) -> float:
        await self._events.warning(body, reason, message)
        before = {
            name: kept for name, kept in (body.get("status") or {}).items() if name in ("info", "account", "accessKeys")
        }
        conditions = [Condition("Refused", True, reason, message), Condition("Ready", False, reason, message)]
        try:
            await self._tell(key, body, {**before, "phase": "Refused"}, conditions)
        except (Invalid, Unreachable):
            if reason != INVALID:  # the API server itself cannot make anything of it: the event has to do
                raise
        return WAIT_S

    async def _tell(self, key: Key, body: Body, status: dict[str, Any], conditions: list[Condition]) -> None:
        known = body.get("status") or {}
        generation = body["metadata"]["generation"]
        made = written(known.get("conditions") or [], conditions, generation)
        status = {**status, "observedGeneration": generation, "conditions": made}
        if status != known:
            whose = {"name": key.name, "namespace": key.namespace}
            await self._cluster.apply(OBJECT_STORE_USER, {"metadata": whose, "status": status}, "status")


@dataclass(frozen=True)
class _Where:
    """How the operator reaches a store, and what users are told."""

    connection: Connection
    url: str


def _key(body: Body) -> Key:
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])


def _held(secret: Body | None) -> _Held:
    annotations = (secret or {}).get("metadata", {}).get("annotations") or {}
    return _Held(
        value(secret, names.ACCESS_KEY),
        value(secret, names.SECRET_KEY),
        annotations.get(ROTATION, ""),
        _time(annotations.get(ROTATED_AT)),
        annotations.get(BEFORE),
    )


def _time(text: str | None) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo is not None else None


def _stamp(when: datetime.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _left(annotations: Mapping[str, str], spec: ObjectStoreUserSpec) -> float:
    """Seconds until the key before is no longer good."""
    since = _time(annotations.get(ROTATED_AT))
    if since is None:
        return 1.0
    gone = (datetime.datetime.now(datetime.UTC) - since).total_seconds()
    return max(1.0, spec.key_overlap_seconds - gone + 1.0)
