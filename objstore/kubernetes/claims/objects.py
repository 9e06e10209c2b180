"""What is written into the cluster for a claim: ObjectBucket, Secret, ConfigMap; and how it is taken away again."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from objstore.kubernetes.claims import names
from objstore.kubernetes.claims.binding import Binding
from objstore.kubernetes.claims.names import FINALIZER, LABEL
from objstore.kubernetes.cluster import Cluster, NotFound
from objstore.kubernetes.controller import Refused
from objstore.kubernetes.kinds import OBJECT_BUCKET_CLAIM, Body, Kind, key_of
from objstore.kubernetes.stores.address import Address

ACCESS_KEY: Final = "AWS_ACCESS_KEY_ID"
SECRET_KEY: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - its name


@dataclass(frozen=True)
class Credentials:
    """An access key and its secret."""

    access: str
    secret: str = field(repr=False)


def object_bucket(
    claim: Body, label: str, binding: Binding, address: Address, region: str, configured: Mapping[str, Any]
) -> dict[str, Any]:
    """The ObjectBucket of a claim; `configured` is the additionalConfig that the store is told of."""
    return {
        "metadata": {
            "name": names.object_bucket(key_of(claim)),
            "labels": {LABEL: label},
            "finalizers": [FINALIZER],
        },
        "spec": {
            "storageClassName": binding.storage_class,
            "reclaimPolicy": binding.reclaim,
            "claimRef": _reference(claim) | {"namespace": claim["metadata"]["namespace"]},
            "endpoint": {
                "bucketHost": address.host,
                "bucketPort": address.port,
                "bucketName": binding.bucket,
                "region": region,
                "subRegion": "",
                "additionalConfig": dict(configured),
            },
            "additionalState": dict(binding.state()),
        },
    }


def secret(claim: Body, label: str, credentials: Credentials) -> dict[str, Any]:
    """The Secret of a claim."""
    data = {ACCESS_KEY: credentials.access, SECRET_KEY: credentials.secret}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    return {"metadata": _owned(claim, label), "data": encoded}


def config_map(claim: Body, label: str, binding: Binding, address: Address, region: str) -> dict[str, Any]:
    """The ConfigMap of a claim."""
    data = {
        "BUCKET_HOST": address.host,
        "BUCKET_PORT": str(address.port),
        "BUCKET_NAME": binding.bucket,
        "BUCKET_REGION": region,
        "BUCKET_SUBREGION": "",
    }
    return {"metadata": _owned(claim, label), "data": data}


def credentials(body: Body | None) -> Credentials | None:
    """What a Secret has of credentials; None where that is not both halves."""
    data = (body or {}).get("data") or {}
    try:
        access, secret = (
            base64.b64decode(data[key], validate=True).decode("ascii") for key in (ACCESS_KEY, SECRET_KEY)
        )
    except (KeyError, ValueError):
        return None
    return Credentials(access, secret) if access and secret else None


def is_of(claim: Body, body: Body) -> bool:
    """Whether a Secret or ConfigMap was made for a claim of that name, if perhaps one of another uid (a cluster that
    was restored)."""
    metadata = body["metadata"]
    owners = metadata.get("ownerReferences") or []
    name = claim["metadata"]["name"]
    if any(one["kind"] == OBJECT_BUCKET_CLAIM.name and one["name"] == name for one in owners):
        return True
    return not owners and FINALIZER in (metadata.get("finalizers") or [])


def require_own(kind: Kind, claim: Body, body: Body | None) -> None:
    """Raises Refused where an object of the claim's name is somebody else's: it is never written over."""
    if body is not None and not is_of(claim, body):
        name = claim["metadata"]["name"]
        raise Refused("NameTaken", f"there is a {kind.name} {name} that is not this claim's: rename one of them")


async def write(cluster: Cluster, kind: Kind, claim: Body, there: Body | None, wanted: dict[str, Any]) -> Body:
    """Make an object of the claim so, if it is not already."""
    if there is not None and there["metadata"].get("deletionTimestamp"):
        await release(cluster, kind, there)  # somebody deleted it: it goes, and comes again
        there = None
    elif there is not None:
        if _covers(there, wanted):
            return there
        mine = claim["metadata"]["uid"]
        owners = there["metadata"].get("ownerReferences") or []
        if any(one["uid"] != mine for one in owners):
            # The claim that this was made for is gone, and an object has one controller.
            await cluster.patch(kind, key_of(there), {"metadata": {"ownerReferences": None}})
    return await cluster.apply(kind, wanted)


async def release(cluster: Cluster, kind: Kind, body: Body | None) -> None:
    """Let go of an object, and delete it. Raises Conflict where it was changed since it was read."""
    if body is None:
        return
    if FINALIZER in (body["metadata"].get("finalizers") or []):
        try:
            await cluster.patch(kind, key_of(body), without_finalizer(body))
        except NotFound:
            return
    await cluster.delete(kind, key_of(body), uid=body["metadata"]["uid"])


def without_finalizer(body: Body) -> dict[str, Any]:
    """The patch that takes our finalizer away and leaves those of others, if the object is still as it was read."""
    metadata = body["metadata"]
    kept = [one for one in metadata.get("finalizers") or [] if one != FINALIZER]
    guard = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    return {"metadata": {**guard, "finalizers": kept}}


def _owned(claim: Body, label: str) -> dict[str, Any]:
    metadata = claim["metadata"]
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "labels": {LABEL: label},
        "finalizers": [FINALIZER],
        "ownerReferences": [_reference(claim) | {"controller": True, "blockOwnerDeletion": True}],
    }


def _reference(claim: Body) -> dict[str, Any]:
    metadata = claim["metadata"]
    return {
        "apiVersion": OBJECT_BUCKET_CLAIM.api_version,
        "kind": OBJECT_BUCKET_CLAIM.name,
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def _covers(there: Any, wanted: Any) -> bool:
    """Whether an object has everything that is wanted of it, and lists no less."""
    if isinstance(wanted, Mapping):
        return isinstance(there, Mapping) and all(
            name in there and _covers(there[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(there, list) and all(any(_covers(one, value) for one in there) for value in wanted)
    return bool(there == wanted)
