"""What a service may write for a bucket into another: inventory lists and access logs, as the target's policy says.

A service is nobody's account: the policy of the target must allow it `s3:PutObject`, and may ask for which bucket
(`aws:SourceArn`) and whose (`aws:SourceAccount`) it writes. Logs may also be let in by the target's ACL.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html#grant-log-delivery-permissions-general
https://docs.aws.amazon.com/AmazonS3/latest/userguide/configure-inventory.html#configure-inventory-destination-bucket-policy
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from objstore.iam import acl, bucket_policy, ownership
from objstore.iam.policy import Asked, Caller, Grants, Reason, decide
from objstore.store.types import Bucket

INVENTORY: Final = "s3.amazonaws.com"
LOGGING: Final = "logging.s3.amazonaws.com"


def may_write(service: str, source: Bucket, account: str, target: Bucket, keys: Sequence[str]) -> bool:
    """Whether `service` may write into `target` for a bucket of `account`: one of `keys` is allowed, none denied."""
    policy = bucket_policy.of(target)
    if policy is None:
        return False
    caller = Caller(arn="", service=service)
    told = _told(service, source, account)
    decisions = [
        decide(
            Asked("s3:PutObject", f"arn:aws:s3:::{target.name}/{key}", told),
            caller,
            Grants(),
            resource_policy=policy,
            owner_account="",
        )
        for key in keys
    ]
    denied = any(decision.reason is Reason.EXPLICIT_DENY for decision in decisions)
    return not denied and any(decision.allowed for decision in decisions)


def may_log(source: Bucket, account: str, target: Bucket, keys: Sequence[str]) -> bool:
    """Whether access logs of a bucket may be written into `target`, by its ACL or its policy."""
    granted = {grant.permission for grant in ownership.bucket_acl(target) if grant.uri == acl.LOG_DELIVERY}
    by_acl = {acl.WRITE, acl.READ_ACP} <= granted or acl.FULL_CONTROL in granted
    return by_acl or may_write(LOGGING, source, account, target, keys)


def _told(service: str, source: Bucket, account: str) -> dict[str, tuple[str, ...]]:
    return {
        "aws:sourcearn": (f"arn:aws:s3:::{source.name}",),
        "aws:sourceaccount": (account,),
        "aws:principalisawsservice": ("true",),
        "aws:principalservicename": (service,),
        "aws:securetransport": ("true",),
        "s3:x-amz-acl": ("bucket-owner-full-control",),
    }
