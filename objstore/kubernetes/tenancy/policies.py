"""Bucket policies: the statement of one grantee comes and goes, and all others stay as they are.

S3 replaces a policy as a whole, so statements go by the admin API. Whoever reads a policy and puts another one by S3
may still write over a statement that came in between: whoever granted it grants again later.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from objstore.client import ADMIN, Connection, StoreRefused, ask
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
    if find(connection, bucket) == policy:
        return False
    s3 = clients.s3(connection)
    if policy is None:
        told(s3.delete_bucket_policy, Bucket=bucket)
    else:
        told(s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps(policy))
    return True


def grant(connection: Connection, bucket: str, principal: str, *, sid: str, mode: Mode = "READ_WRITE") -> bool:
    """Let a principal (an ARN) in by the statement `sid`; whether the policy had to change.

    Raises StoreRefused (NoSuchBucket; EntityTooLarge, when the policy has no room for another statement).
    """
    return _state(connection, bucket, sid, {**allowing(bucket, mode), "Principal": {"AWS": principal}})


def revoke(connection: Connection, bucket: str, sid: str) -> bool:
    """Take the statement `sid` away; whether it was there. A bucket that is gone has none."""
    changed = False

    def work() -> None:
        nonlocal changed
        changed = _state(connection, bucket, sid, None)

    absent(work, "NoSuchBucket")
    return changed


def _state(connection: Connection, bucket: str, sid: str, statement: Policy | None) -> bool:
    """The store itself puts one statement, in one transaction: nobody else's is lost by it, and none of ours to
    another's."""
    order = {"bucket": bucket, "sid": sid, "statement": statement}
    return bool(ask(connection, f"{ADMIN}/policy/statement", "POST", order)["changed"])
