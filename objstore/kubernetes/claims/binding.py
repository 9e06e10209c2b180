"""What was decided for a claim before anything was made at a store, kept in its ObjectBucket.

So whatever was made can be found again: by an operator that starts anew, after the StorageClass has gone, or in a
cluster that was restored and where the claim has another uid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from objstore.kubernetes.claims.classes import BucketClass, ReclaimPolicy
from objstore.kubernetes.kinds import Body

_ACCOUNT: Final = "account"
_STORE: Final = "objectStoreName"
_STORE_NAMESPACE: Final = "objectStoreNamespace"
_ENDPOINT: Final = "endpoint"
_REGION: Final = "region"
_BUCKET_WAS_THERE: Final = "bucketWasThere"
_OWNER: Final = "bucketOwner"


@dataclass(frozen=True)
class Binding:
    """A claim's bucket, and whom it is for.

    `account` is the claim's own; or with an `owner`, an account that was there before, the claim's user in that.
    A bucket that `was_there` is never deleted.
    """

    bucket: str
    account: str
    was_there: bool
    owner: str | None
    storage_class: str
    reclaim: ReclaimPolicy
    store: str
    store_namespace: str
    endpoint: str | None = None
    region: str | None = None
    granted: bool = False
    """The StorageClass names the bucket: access to it is given by its policy, and it is not the claim's."""

    @classmethod
    def decide(cls, bucket: str, account: str, owner: str | None, of: BucketClass) -> Self:
        """For a claim of a StorageClass."""
        return cls(
            bucket=bucket,
            account=account,
            was_there=of.bucket is not None,
            owner=owner,
            storage_class=of.name,
            reclaim=of.reclaim,
            store=of.store,
            store_namespace=of.store_namespace,
            endpoint=of.endpoint,
            region=of.region,
            granted=of.bucket is not None,
        )

    @classmethod
    def read(cls, object_bucket: Body) -> Self | None:
        """From an ObjectBucket; None where another provisioner made it."""
        spec = object_bucket.get("spec") or {}
        state = spec.get("additionalState") or {}
        if not state.get(_ACCOUNT):
            return None
        was_there = state.get(_BUCKET_WAS_THERE)
        return cls(
            bucket=spec["endpoint"]["bucketName"],
            account=state[_ACCOUNT],
            was_there=was_there is not None,
            owner=state.get(_OWNER),
            storage_class=spec["storageClassName"],
            reclaim=spec["reclaimPolicy"],
            store=state[_STORE],
            store_namespace=state[_STORE_NAMESPACE],
            endpoint=state.get(_ENDPOINT),
            region=state.get(_REGION),
            granted=was_there == "granted",
        )

    def state(self) -> Mapping[str, str]:
        """As an ObjectBucket's `additionalState`."""
        was_there = ("granted" if self.granted else "owned") if self.was_there else None
        told: dict[str, str | None] = {
            _ACCOUNT: self.account,
            _STORE: self.store,
            _STORE_NAMESPACE: self.store_namespace,
            _ENDPOINT: self.endpoint,
            _REGION: self.region,
            _OWNER: self.owner,
            _BUCKET_WAS_THERE: was_there,
        }
        return {name: value for name, value in told.items() if value is not None}


def applied(object_bucket: Body | None) -> Mapping[str, Any]:
    """The claim's additionalConfig that the store was last told of, as the ObjectBucket remembers it."""
    endpoint = ((object_bucket or {}).get("spec") or {}).get("endpoint") or {}
    found = endpoint.get("additionalConfig") or {}
    return found if isinstance(found, Mapping) else {}
