"""How a bucket is configured: each setting is read, and written only where it is not what is wanted.

Values are what boto's operations take and give: `LIFECYCLE.ensure(connection, bucket, {"Rules": [...]})`. None is for a
bucket without that setting.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from objstore.client import Connection, StoreRefused
from objstore.kubernetes.tenancy import clients
from objstore.kubernetes.tenancy.clients import told

Value = dict[str, Any]


def _same(value: Value) -> Value:
    return value


@dataclass(frozen=True)
class Setting:
    """A family of operations, by their names in boto; `member` is that of a put which the value is given as.

    `missing` are the codes of a bucket without it; `remove` is None for what only can be changed; `normal` brings what
    is wanted to the form in which it is told, `kept` are the members of what is told that it speaks of.
    """

    get: str
    put: str
    member: str
    missing: tuple[str, ...] = ()
    remove: str | None = None
    normal: Callable[[Value], Value] = _same
    apart: tuple[str, ...] = ()

    def find(self, connection: Connection, bucket: str) -> Value | None:
        """What the bucket has. Raises StoreRefused (NoSuchBucket)."""
        try:
            answer = told(getattr(clients.s3(connection), self.get), Bucket=bucket)
        except StoreRefused as error:
            if error.code not in self.missing:
                raise
            return None
        found: Value = {name: value for name, value in answer.items() if name not in ("ResponseMetadata", *self.apart)}
        found = found.get(self.member, found)
        return found or None

    def ensure(self, connection: Connection, bucket: str, wanted: Value | None) -> bool:
        """Have the bucket configured so; whether anything had to change.

        Raises StoreRefused with the server's words for what it does not take.
        """
        target = self.normal(wanted) if wanted else None
        if _plain(self.find(connection, bucket)) == _plain(target):
            return False
        s3 = clients.s3(connection)
        if target is not None:
            told(getattr(s3, self.put), Bucket=bucket, **{self.member: target})
        elif self.remove is not None:
            told(getattr(s3, self.remove), Bucket=bucket)
        else:
            raise StoreRefused("InvalidRequest", f"{self.member} of the bucket {bucket} cannot be taken away again.")
        return True


def _plain(value: Any) -> Any:
    """A value for comparing: times as text, lists whose order means nothing in one order."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        plain = {name: _plain(one) for name, one in value.items()}
        if "TagSet" in plain:
            plain["TagSet"] = sorted(plain["TagSet"], key=lambda tag: str(tag.get("Key")))
        return plain
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str) and len(value) >= 10 and value[4:5] == "-" and value[7:8] == "-":
        return _time(value)
    return value


def _time(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    aware = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _named(value: Value) -> Value:
    """Rules of a lifecycle with a name each: the server would choose another one each time."""
    rules = [rule if rule.get("ID") else {"ID": _digest(rule), **rule} for rule in value.get("Rules", [])]
    return {**value, "Rules": rules}


def _digest(rule: Value) -> str:
    return hashlib.sha256(json.dumps(_plain(rule), sort_keys=True).encode()).hexdigest()[:32]


VERSIONING: Final = Setting("get_bucket_versioning", "put_bucket_versioning", "VersioningConfiguration")
LIFECYCLE: Final = Setting(
    "get_bucket_lifecycle_configuration",
    "put_bucket_lifecycle_configuration",
    "LifecycleConfiguration",
    ("NoSuchLifecycleConfiguration",),
    "delete_bucket_lifecycle",
    _named,
    ("TransitionDefaultMinimumObjectSize",),
)
CORS: Final = Setting(
    "get_bucket_cors", "put_bucket_cors", "CORSConfiguration", ("NoSuchCORSConfiguration",), "delete_bucket_cors"
)
TAGS: Final = Setting("get_bucket_tagging", "put_bucket_tagging", "Tagging", ("NoSuchTagSet",), "delete_bucket_tagging")
ENCRYPTION: Final = Setting(
    "get_bucket_encryption",
    "put_bucket_encryption",
    "ServerSideEncryptionConfiguration",
    ("ServerSideEncryptionConfigurationNotFoundError",),
    "delete_bucket_encryption",
)
OBJECT_LOCK: Final = Setting(
    "get_object_lock_configuration",
    "put_object_lock_configuration",
    "ObjectLockConfiguration",
    ("ObjectLockConfigurationNotFoundError",),
)
