"""Snapshots of buckets for administrators: `/-/admin/v1/snapshots`, whose parameters `bucket` and `name` say which.

GET tells all of a bucket, PUT takes one, DELETE deletes one. POST restores some keys behind `after`, into the bucket
itself or into the one that `to` names, and tells where to go on; `to` is made at the beginning if it is not there.
"""

from __future__ import annotations

from typing import Any

from objstore.s3 import bucket_names
from objstore.server.admin_api import Parameters
from objstore.server.node import Node
from objstore.store import snapshots
from objstore.store.errors import NoSuchBucket
from objstore.store.snapshots import Snapshot


class SnapshotPages:
    """What the admin API answers of snapshots."""

    def __init__(self, node: Node) -> None:
        self._store = node.store

    async def __call__(self, method: str, given: Parameters) -> Any:
        bucket = given.get("bucket", "")
        if method == "GET":
            found, kept = await self._store.views.listed(bucket)
            return {
                "snapshots": [_view(bucket, one) for one in found],
                "kept": {"objects": kept.objects, "bytes": kept.bytes},
            }
        name = given.get("name", "")
        if method == "PUT":
            return _view(bucket, await self._store.views.create(bucket, name))
        if method == "DELETE":
            await self._store.views.delete(bucket, name)
            return {}
        target, after = given.get("to") or bucket, given.get("after", "")
        if target != bucket and not after:
            await self._make(bucket, target)
        return (await self._store.views.restore(bucket, name, target, after))._asdict()

    async def _make(self, bucket: str, target: str) -> None:
        """Make the bucket that a snapshot is restored into, where there is none: the owner's, like its source."""
        try:
            self._store.bucket(target)
        except NoSuchBucket:
            source = self._store.bucket(bucket)
            await self._store.create_bucket(
                bucket_names.check(target),
                source.owner,
                region=source.region,
                acl=source.acl,
                ownership=source.ownership,
                versioning=source.versioning,
            )


def _view(bucket: str, one: Snapshot) -> dict[str, Any]:
    return {
        "name": one.name,
        "read_as": snapshots.name_of(bucket, one.name),
        "created_us": one.created_us,
        "objects": one.objects,
    }
