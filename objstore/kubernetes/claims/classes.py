"""What a StorageClass says to claims: which store, which bucket if it is there already, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from objstore.kubernetes.controller import Refused
from objstore.kubernetes.kinds import Body

DELETE: Final = "Delete"
RETAIN: Final = "Retain"

ReclaimPolicy = Literal["Delete", "Retain"]


@dataclass(frozen=True)
class BucketClass:
    """One StorageClass. `bucket` names an existing bucket, to which access is given; without it buckets are made."""

    name: str
    provisioner: str
    store: str
    store_namespace: str
    reclaim: ReclaimPolicy
    region: str | None = None
    endpoint: str | None = None
    bucket: str | None = None


def read(body: Body) -> BucketClass:
    """Raises Refused where parameters are missing, or the reclaim policy is none for buckets."""
    name, given = body["metadata"]["name"], body.get("parameters") or {}
    missing = [key for key in ("objectStoreName", "objectStoreNamespace") if not given.get(key)]
    if missing:
        raise Refused("InvalidStorageClass", f"StorageClass {name} has no parameter {' and no '.join(missing)}")
    reclaim: ReclaimPolicy = body.get("reclaimPolicy") or DELETE  # the API server's own default for StorageClasses
    if reclaim not in (DELETE, RETAIN):
        raise Refused("InvalidStorageClass", f"StorageClass {name} has the reclaimPolicy {reclaim}; buckets know two")
    return BucketClass(
        name=name,
        provisioner=body["provisioner"],
        store=given["objectStoreName"],
        store_namespace=given["objectStoreNamespace"],
        reclaim=reclaim,
        region=given.get("region") or None,
        endpoint=given.get("endpoint") or None,
        bucket=given.get("bucketName") or None,
    )
