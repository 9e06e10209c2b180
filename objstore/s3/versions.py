"""How a version is spoken of in answers: its id, its ETag, and what GetObject and HeadObject tell of it.

A bucket that never had versioning tells no ids. Where versioning is suspended, writes make the null version without
naming it, and reads name it.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call
from objstore.iam import gate
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import headers, locks, metadata, storage_classes
from objstore.s3.times import second
from objstore.store.types import NULL, Version


def quoted(etag: str) -> str:
    """An ETag as headers and documents write it."""
    return f'"{etag}"'


def read_id(call: Call, context: Context, version: Version) -> str | None:
    """The version id that a read tells."""
    if version.version_id == NULL and not bucket_of(call, context).versioning:
        return None
    return version.version_id


def written_id(version_id: str | None) -> dict[str, str]:
    """The VersionId that a write tells, as members."""
    return {} if version_id is None or version_id == NULL else {"VersionId": version_id}


def described(version: Version, version_id: str | None) -> dict[str, Any]:
    """The members that GetObject and HeadObject share, but for length, range, checksum, and what is `guarded`."""
    members: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": second(version.modified_us),
        "ETag": quoted(version.etag),
        **headers.members(version.headers),
    }
    if version.metadata:
        members["Metadata"] = metadata.present(version.metadata)
    if version_id is not None:
        members["VersionId"] = version_id
    if storage_class := storage_classes.shown(version.storage_class):
        members["StorageClass"] = storage_class
    return members


def guarded(call: Call, version: Version) -> dict[str, Any]:
    """What they tell of tags and locks, to callers who may ask for them."""
    members: dict[str, Any] = {}
    if version.tags and gate.may_see(call, "s3:GetObjectTagging"):
        members["TagCount"] = len(version.tags)
    if version.lock is not None:
        members |= locks.members(version.lock, lambda action: gate.may_see(call, action))
    return members
