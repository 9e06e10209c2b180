"""What an inventory tells of each object: its columns, in the order and by the names that AWS gives them.

Parquet has other names and proper types. A column of a store that has nothing of the kind (replication, tiering) is
empty, as it is on AWS for objects that have none.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html#storage-inventory-contents
https://docs.aws.amazon.com/AmazonS3/latest/userguide/objectacl.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from objstore.iam import acl
from objstore.sealing import CUSTOMER, KMS, S3
from objstore.store.inventories import CURRENT, Entry, Inventory
from objstore.store.lifecycle.planning import expiration_of
from objstore.store.lifecycle.queue import of as lifecycle_of
from objstore.store.types import Bucket, Grant


class Kind(StrEnum):
    """Types of values. A moment is in microseconds since 1970."""

    TEXT = "binary"
    NUMBER = "int64"
    TRUTH = "boolean"
    MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in CSV and in Parquet, its type, and its value for a row (None: empty)."""

    name: str
    parquet: str
    kind: Kind
    value: Callable[[Bucket, Entry], Any]
    required: bool = False


def columns(wanted: Inventory) -> list[Column]:
    """The columns of a list, by its configuration."""
    always = _ALWAYS if wanted.versions == CURRENT else _ALWAYS + _OF_VERSIONS
    return [*always, *(column for column in _OPTIONAL if column.name in wanted.fields)]


def _object(value: Callable[[Bucket, Entry], Any]) -> Callable[[Bucket, Entry], Any]:
    """Empty for delete markers."""
    return lambda bucket, entry: None if entry.version.delete_marker else value(bucket, entry)


def _nothing(_bucket: Bucket, _entry: Entry) -> None:
    return None


def _modified(_bucket: Bucket, entry: Entry) -> int:
    """To the second, as listings have it."""
    return entry.version.modified_us // 1_000_000 * 1_000_000


def _retained_until(_bucket: Bucket, entry: Entry) -> int | None:
    lock = entry.version.lock
    return lock.until_us or None if lock is not None and lock.mode else None


def _lock_mode(_bucket: Bucket, entry: Entry) -> str | None:
    return entry.version.lock.mode or None if entry.version.lock is not None else None


def _legal_hold(_bucket: Bucket, entry: Entry) -> str | None:
    lock = entry.version.lock
    return None if lock is None else "On" if lock.legal_hold else "Off"


def _expires(bucket: Bucket, entry: Entry) -> int | None:
    lifecycle = lifecycle_of(bucket)
    found = expiration_of(lifecycle, entry.key, entry.version) if lifecycle and entry.is_latest else None
    return None if found is None else found[0]


def _acl(bucket: Bucket, entry: Entry) -> str:
    version = entry.version
    grants = acl.private(version.owner) if version.acl is None else version.acl
    document = {"version": "2022-11-10", "status": "AVAILABLE", "grants": [_grant(grant) for grant in grants]}
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode("ascii")


def _grant(grant: Grant) -> dict[str, str]:
    if grant.kind == acl.GROUP:
        return {"uri": grant.uri, "type": grant.kind, "permission": grant.permission}
    return {"canonicalId": grant.id, "type": grant.kind, "permission": grant.permission}


def _encryption(_bucket: Bucket, entry: Entry) -> str:
    return _SCHEMES[entry.version.encryption.scheme] if entry.version.encryption is not None else "NOT-SSE"


def _bucket_key(_bucket: Bucket, entry: Entry) -> str | None:
    record = entry.version.encryption
    if record is None or record.scheme != KMS:
        return None
    return "ENABLED" if record.bucket_key else "DISABLED"


def _checksum(_bucket: Bucket, entry: Entry) -> str | None:
    return entry.version.checksum.algorithm if entry.version.checksum is not None else None


_SCHEMES: Final = {S3: "SSE-S3", KMS: "SSE-KMS", CUSTOMER: "SSE-C"}
_ALWAYS: Final = [
    Column("Bucket", "bucket", Kind.TEXT, lambda bucket, _: bucket.name, required=True),
    Column("Key", "key", Kind.TEXT, lambda _, entry: entry.key, required=True),
]
_OF_VERSIONS: Final = [
    Column("VersionId", "version_id", Kind.TEXT, lambda _, entry: entry.version.version_id),
    Column("IsLatest", "is_latest", Kind.TRUTH, lambda _, entry: entry.is_latest),
    Column("IsDeleteMarker", "is_delete_marker", Kind.TRUTH, lambda _, entry: entry.version.delete_marker),
]
_OPTIONAL: Final = [
    Column("Size", "size", Kind.NUMBER, _object(lambda _, entry: entry.version.size)),
    Column("LastModifiedDate", "last_modified_date", Kind.MOMENT, _modified),
    Column("ETag", "e_tag", Kind.TEXT, _object(lambda _, entry: entry.version.etag)),
    Column("StorageClass", "storage_class", Kind.TEXT, _object(lambda _, entry: entry.version.storage_class)),
    Column("IsMultipartUploaded", "is_multipart_uploaded", Kind.TRUTH, _object(lambda _, e: "-" in e.version.etag)),
    Column("ReplicationStatus", "replication_status", Kind.TEXT, _nothing),
    Column("EncryptionStatus", "encryption_status", Kind.TEXT, _object(_encryption)),
    Column("ObjectLockRetainUntilDate", "object_lock_retain_until_date", Kind.MOMENT, _retained_until),
    Column("ObjectLockMode", "object_lock_mode", Kind.TEXT, _lock_mode),
    Column("ObjectLockLegalHoldStatus", "object_lock_legal_hold_status", Kind.TEXT, _legal_hold),
    Column("IntelligentTieringAccessTier", "intelligent_tiering_access_tier", Kind.TEXT, _nothing),
    Column("BucketKeyStatus", "bucket_key_status", Kind.TEXT, _bucket_key),
    Column("ChecksumAlgorithm", "checksum_algorithm", Kind.TEXT, _object(_checksum)),
    Column("ObjectAccessControlList", "object_access_control_list", Kind.TEXT, _object(_acl)),
    Column("ObjectOwner", "object_owner", Kind.TEXT, lambda _, entry: entry.version.owner.id),
    Column("LifecycleExpirationDate", "lifecycle_expiration_date", Kind.MOMENT, _object(_expires)),
]
