"""Bucket policies: the statement of one grantee comes and goes, and all others stay as they are.

S3 replaces a policy as a whole and has no condition for that. So callers of one process take turns, and each looks
again whether its change is there. What another process writes at the same moment may still be lost: whoever grants
calls again later.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, Final, Literal

from objstore.client import Connection, StoreRefused, StoreUnreachable
from objstore.kubernetes.tenancy import clients
from objstore.kubernetes.tenancy.clients import absent, told

Mode = Literal["READ_WRITE", "READ_ONLY", "WRITE_ONLY"]

_READ: Final = (
    "s3:GetBucketLocation",
    "s3:GetBucketVersioning",
    "s3:GetObject",
    "s3:GetObjectAttributes",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectVersionTagging",
    "s3:ListBucket",
    "s3:ListBucketVersions",
)
# What ACLs call WRITE, and what a client needs to get an upload done.
_WRITE: Final = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersion",
    "s3:GetBucketLocation",
    "s3:ListBucketMultipartUploads",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectTagging",
)
ACTIONS: Final[dict[str, list[str]]] = {
    "READ_WRITE": sorted({*_READ, *_WRITE}),
    "READ_ONLY": list(_READ),
    "WRITE_ONLY": list(_WRITE),
}
"""What each mode allows with a bucket and its objects."""
_ATTEMPTS: Final = 5
_locks: dict[tuple[str, str], threading.Lock] = {}
_guard = threading.Lock()

Policy = dict[str, Any]


def allowing(bucket: str, mode: Mode) -> Policy:
    """The members of a statement that say what a mode allows in a bucket; for policies of users as well."""
    arn = f"arn:aws:s3:::{bucket}"
    return {"Effect": "Allow", "Action": ACTIONS[mode], "Resource": [arn, f"{arn}/*"]}


def find(connection: Connection, bucket: str) -> Policy | None:
    """The policy of a bucket; None when it has none. Raises StoreRefused (NoSuchBucket)."""
    try:
        found: Policy = json.loads(told(clients.s3(connection).get_bucket_policy, Bucket=bucket)["Policy"])
    except StoreRefused as error:
        if error.code != "NoSuchBucketPolicy":
            raise
        return None
    return found


def ensure(connection: Connection, bucket: str, policy: Policy | None) -> bool:
    """Have a bucket's policy be this one as a whole, or none; whether it had to change. Raises StoreRefused."""
    with _turn(connection, bucket):
        if find(connection, bucket) == policy:
            return False
        _put(connection, bucket, policy or {"Statement": []})
        return True


def grant(connection: Connection, bucket: str, principal: str, *, sid: str, mode: Mode = "READ_WRITE") -> bool:
    """Let a principal (an ARN) in by the statement `sid`; whether the policy had to change.

    Raises StoreRefused (NoSuchBucket; EntityTooLarge, when the policy has no room for another statement).
    """
    statement = {"Sid": sid, **allowing(bucket, mode), "Principal": {"AWS": principal}}

    def change(statements: list[Policy]) -> list[Policy]:
        if [one for one in statements if one.get("Sid") == sid] == [statement]:
            return statements
        return [*(one for one in statements if one.get("Sid") != sid), statement]

    return _change(connection, bucket, change)


def revoke(connection: Connection, bucket: str, sid: str) -> bool:
    """Take the statement `sid` away; whether it was there. A bucket that is gone has none."""
    changed = False

    def work() -> None:
        nonlocal changed
        changed = _change(connection, bucket, lambda all_: [one for one in all_ if one.get("Sid") != sid])

    absent(work, "NoSuchBucket")
    return changed


def _change(connection: Connection, bucket: str, change: Callable[[list[Policy]], list[Policy]]) -> bool:
    """Have a policy's statements be what `change` makes of them."""
    changed = False
    with _turn(connection, bucket):
        for _ in range(_ATTEMPTS):
            policy = find(connection, bucket) or {"Version": "2012-10-17", "Statement": []}
            there = policy["Statement"]
            there = there if isinstance(there, list) else [there]
            wanted = change(there)
            if wanted == there:
                return changed
            _put(connection, bucket, {**policy, "Statement": wanted})
            changed = True
    raise StoreUnreachable(connection.endpoint, f"others keep changing the policy of the bucket {bucket}")


def _put(connection: Connection, bucket: str, policy: Policy) -> None:
    s3 = clients.s3(connection)
    if policy["Statement"]:
        told(s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps(policy))
    else:
        told(s3.delete_bucket_policy, Bucket=bucket)


def _turn(connection: Connection, bucket: str) -> threading.Lock:
    with _guard:
        if len(_locks) > 10_000:
            _locks.clear()  # two that then change one bucket at once still look again
        return _locks.setdefault((connection.endpoint, bucket), threading.Lock())
