"""Buckets of tenants: made, found, emptied bit by bit, removed."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from objstore.client import Connection, StoreRefused, StoreUnreachable
from objstore.kubernetes.tenancy import clients
from objstore.kubernetes.tenancy.accounts import Tenant
from objstore.kubernetes.tenancy.clients import absent, told

_US_EAST_1: Final = "us-east-1"
_PAGE: Final = 1000
_LOCKED: Final = "AccessDenied"
_NOT_IN_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class BucketTaken(StoreRefused):
    """Another account owns the bucket."""

    def __init__(self, bucket: str) -> None:
        super().__init__("BucketAlreadyExists", f"the bucket {bucket} belongs to another account", 409)


class Emptied(NamedTuple):
    """What emptying has come to: versions, markers and uploads `deleted` in this call; `done` when nothing is left.

    `kept` versions cannot be deleted now, which `reason` tells of one of them: retention in compliance mode, or a hold.
    """

    deleted: int
    done: bool
    kept: int = 0
    reason: str = ""


def owner(connection: Connection, bucket: str) -> str | None:
    """The canonical user id of a bucket's owner; None when there is no such bucket."""
    try:
        found = told(clients.s3(connection).get_bucket_acl, Bucket=bucket)
    except StoreRefused as error:
        if error.code != "NoSuchBucket":
            raise
        return None
    return str(found["Owner"]["ID"])


def owned(connection: Connection, tenant: Tenant) -> list[str]:
    """The names of all buckets that the tenant owns."""
    with clients.acting_for(connection, tenant.id):
        pages = clients.s3(connection).get_paginator("list_buckets").paginate()
        found: list[str] = told(lambda: [one["Name"] for page in pages for one in page.get("Buckets", ())])
    return found


def ensure(
    connection: Connection,
    tenant: Tenant,
    bucket: str,
    *,
    object_lock: bool = False,
    tags: Mapping[str, str] | None = None,
) -> bool:
    """Make the bucket, owned by the tenant and with these tags, where it is not there; whether it was made.

    Raises BucketTaken; StoreRefused (TooManyBuckets, InvalidBucketName). One that is there stays as it is.
    """
    found = owner(connection, bucket)
    if found is None:
        # As AWS does for every new bucket: what others are let to write here is the bucket's owner's.
        members: dict[str, Any] = {"Bucket": bucket, "ObjectOwnership": "BucketOwnerEnforced"}
        if object_lock:
            members["ObjectLockEnabledForBucket"] = True
        configuration: dict[str, Any] = {}
        if connection.region != _US_EAST_1:
            configuration["LocationConstraint"] = connection.region
        if tags:
            configuration["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        if configuration:
            members["CreateBucketConfiguration"] = configuration
        with clients.acting_for(connection, tenant.id):
            codes = ("BucketAlreadyExists", "BucketAlreadyOwnedByYou")
            if not absent(lambda: told(clients.s3(connection).create_bucket, **members), *codes):
                return True
        found = owner(connection, bucket)
    if found != tenant.canonical:
        raise BucketTaken(bucket)
    return False


def empty(connection: Connection, bucket: str, *, budget_s: float = 30.0) -> Emptied:
    """Delete what is in a bucket, for about so long: versions and delete markers, then uploads, snapshots at last.

    Retention in governance mode is bypassed. To be called again until `done`; a bucket that is gone is done.
    """
    until = time.monotonic() + budget_s
    sweep = _Sweep(clients.s3(connection), bucket)

    def everything() -> bool:
        return sweep.versions(until) and sweep.uploads(until) and sweep.snapshots(connection)

    done = False

    def work() -> None:
        nonlocal done
        done = everything() and not sweep.kept

    gone = absent(work, "NoSuchBucket")
    return Emptied(sweep.deleted, done or gone, sweep.kept, sweep.reason)


def remove(connection: Connection, bucket: str) -> bool:
    """Delete an empty bucket; whether it was there. Raises StoreRefused (BucketNotEmpty)."""
    return not absent(lambda: told(clients.s3(connection).delete_bucket, Bucket=bucket), "NoSuchBucket")


class _Sweep:
    """One pass over a bucket; what it did, and what it had to leave."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket
        self.deleted = self.kept = 0
        self.reason = ""

    def versions(self, until: float) -> bool:
        """Delete versions page by page; False when the time ran out before the last page."""
        marker: dict[str, str] = {}
        while True:
            page = told(self._s3.list_object_versions, Bucket=self._bucket, MaxKeys=_PAGE, **marker)
            found = [
                {"Key": one["Key"], "VersionId": one["VersionId"]}
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            ]
            self._delete([one for one in found if not _NOT_IN_XML.search(one["Key"])])
            for one in found:
                if _NOT_IN_XML.search(one["Key"]):
                    self._delete_alone(one)
            if not page["IsTruncated"]:
                return True
            names = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
            marker = {name: page[of] for name, of in names.items() if page.get(of)}
            if time.monotonic() > until:
                return False

    def uploads(self, until: float) -> bool:
        """Abort uploads; False when the time ran out."""
        while True:
            page = told(self._s3.list_multipart_uploads, Bucket=self._bucket, MaxUploads=_PAGE)
            for one in page.get("Uploads", ()):
                which = {"Bucket": self._bucket, "Key": one["Key"], "UploadId": one["UploadId"]}
                absent(lambda which=which: told(self._s3.abort_multipart_upload, **which), "NoSuchUpload")  # type: ignore[misc]
                self.deleted += 1
                if time.monotonic() > until:
                    return False
            if not page["IsTruncated"]:
                return True

    def snapshots(self, connection: Connection) -> bool:
        """Delete the bucket's snapshots: they keep what was deleted."""
        for one in clients.ask(connection, "snapshots", bucket=self._bucket)["snapshots"]:
            which = {"bucket": self._bucket, "name": one["name"]}
            absent(lambda which=which: clients.ask(connection, "snapshots", "DELETE", **which), "NoSuchEntity")  # type: ignore[misc]
        return True

    def _delete(self, found: list[dict[str, str]]) -> None:
        if not found:
            return
        answer = told(
            self._s3.delete_objects,
            Bucket=self._bucket,
            Delete={"Objects": found, "Quiet": True},
            BypassGovernanceRetention=True,
        )
        refused = answer.get("Errors", [])
        for one in refused:
            if one["Code"] != _LOCKED:
                raise StoreUnreachable(self._s3.meta.endpoint_url, f"{one['Code']}: {one.get('Message', '')}")
            self._keep(one["Key"], one.get("Message", ""))
        self.deleted += len(found) - len(refused)

    def _delete_alone(self, one: dict[str, str]) -> None:
        """A key that no XML document can have is named by the address alone."""
        try:
            told(self._s3.delete_object, Bucket=self._bucket, BypassGovernanceRetention=True, **one)
        except StoreRefused as error:
            if error.code != _LOCKED:
                raise
            self._keep(one["Key"], error.message)
        else:
            self.deleted += 1

    def _keep(self, key: str, message: str) -> None:
        self.kept += 1
        self.reason = self.reason or f"{key[:200]!r}: {message}"
