"""One statement of a bucket's policy, beside whatever else is in it: POST `/-/admin/v1/policy/statement`, in JSON.

S3 replaces a policy as a whole, without a condition: of two writers who read it, each adds something and both put it,
one loses. Here a statement comes, changes or goes in one transaction.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from objstore.aws.errors import AwsError
from objstore.iam import bucket_policy, public_access
from objstore.iam.bucket_policy import BucketPolicy
from objstore.iam.policy import BUCKET_LIMIT, check_bucket
from objstore.server.node import Node
from objstore.store import configuration
from objstore.store.types import Bucket

_EMPTY = '{"Version": "2012-10-17", "Statement": []}'


class StatementOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the statement `sid` of a bucket's policy is to be: its members but `Sid`, or None for no such statement."""

    bucket: str
    sid: str
    statement: dict[str, Any] | None


class StatementPages:
    """Puts a statement into a bucket's policy, or takes it out; tells whether the policy had to change."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, order: StatementOrder) -> dict[str, Any]:
        """Raises NoSuchBucket, MalformedPolicy, EntityTooLarge, AccessDenied (a public access block)."""
        if not order.sid or "Sid" in (order.statement or {}):
            raise AwsError("InvalidArgument", "A statement is named by sid alone.")
        changed = False

        def change(bucket: Bucket) -> Bucket:
            nonlocal changed
            before = bucket_policy.text_of(bucket)
            text = _with(before, order)
            changed = text != before
            if not changed:
                return bucket
            if text is None:
                return configuration.changed(bucket, bucket_policy.SUBJECT, None)
            _check(bucket, text)
            return configuration.changed(bucket, bucket_policy.SUBJECT, BucketPolicy(text))

        await self._node.store.update_bucket(order.bucket, change)
        return {"changed": changed}


def _with(before: str | None, order: StatementOrder) -> str | None:
    """The policy with the statement as it is to be; the same text where it is so already, None where none is left."""
    policy = json.loads(before if before is not None else _EMPTY)
    there = policy["Statement"] if isinstance(policy["Statement"], list) else [policy["Statement"]]
    mine = [one for one in there if one.get("Sid") == order.sid]
    wanted = [] if order.statement is None else [{"Sid": order.sid, **order.statement}]
    if mine == wanted:
        return before
    left = [*(one for one in there if one.get("Sid") != order.sid), *wanted]
    return json.dumps({**policy, "Statement": left}) if left else None


def _check(bucket: Bucket, text: str) -> None:
    if len(text.encode()) > BUCKET_LIMIT:
        raise AwsError(
            "EntityTooLarge",
            f"The policy of {bucket.name} has no room for this statement: it would exceed {BUCKET_LIMIT} bytes.",
        )
    policy = bucket_policy.compiled(text)
    check_bucket(policy, bucket.name)
    public_access.check_policy(bucket, policy)
