"""What is bound to a store, and keeps it: buckets that were claimed, claims that wait, users."""

from __future__ import annotations

from collections.abc import Iterator

from objstore.kubernetes.cluster import Cluster
from objstore.kubernetes.kinds import (
    OBJECT_BUCKET,
    OBJECT_BUCKET_CLAIM,
    OBJECT_STORE_USER,
    STORAGE_CLASS,
    Body,
    Key,
    Kind,
    key_of,
    spec_of,
)


async def bound(cluster: Cluster, store: Key) -> list[str]:
    """What is bound to the store, a phrase each, sorted."""
    classes = {one["metadata"]["name"] async for one in cluster.pages(STORAGE_CLASS) if store_of_class(one) == store}
    found = [
        f"{kind.name} {key_of(one)}"
        for kind in (OBJECT_BUCKET, OBJECT_BUCKET_CLAIM)
        for one in [one async for one in cluster.pages(kind)]
        if spec_of(one).get("storageClassName") in classes
    ]
    found += [
        f"{OBJECT_STORE_USER.name} {key_of(one)}"
        for one in await _all(cluster, OBJECT_STORE_USER)
        if store_of_user(one) == store
    ]
    return sorted(found)


async def _all(cluster: Cluster, kind: Kind) -> list[Body]:
    return [one async for one in cluster.pages(kind)]


def store_of_class(body: Body) -> Key:
    """The store whose buckets are claimed by a StorageClass; of empty names where it is for something else."""
    given = body.get("parameters") or {}
    return Key(given.get("objectStoreNamespace", ""), given.get("objectStoreName", ""))


def store_of_user(body: Body) -> Key:
    """The store that an ObjectStoreUser is of."""
    spec = spec_of(body)
    return Key(str(spec.get("storeNamespace") or body["metadata"]["namespace"]), str(spec.get("store", "")))


def shown(found: list[str], most: int = 5) -> str:
    """The first of them, and how many there are."""

    def parts() -> Iterator[str]:
        yield from found[:most]
        if len(found) > most:
            yield f"and {len(found) - most} more"

    return ", ".join(parts())
