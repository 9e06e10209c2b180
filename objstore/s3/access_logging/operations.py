"""PutBucketLogging and GetBucketLogging.

Logs go to a bucket of the same owner. Its policy must let `logging.s3.amazonaws.com` write them, or its ACL the
LogDelivery group; that is looked at when logging is set and again whenever a log object is written.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, Reply, operation
from objstore.iam import acl, ownership, requester_pays, service_access
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of, http_date
from objstore.s3 import bucket_encryption
from objstore.s3.access_logging import documents
from objstore.s3.access_logging.documents import Logging
from objstore.sealing import KMS
from objstore.store import configuration, locks
from objstore.store.errors import NoSuchBucket
from objstore.store.types import Acl, Bucket, Owner

_PERMISSIONS: Final = frozenset({"FULL_CONTROL", "READ", "WRITE"})


@operation("PutBucketLogging", action="s3:PutBucketLogging")
async def put_bucket_logging(call: Call, context: Context) -> dict[str, Any]:
    bucket, principal = bucket_of(call, context), call.principal
    if not principal.is_root and principal.id != bucket.owner.id:
        raise AwsError("AccessDenied", "Only the account that owns a bucket may set its logging.")
    enabled = call["BucketLoggingStatus"].get("LoggingEnabled")
    wanted = None if enabled is None else _wanted(enabled, bucket, context)

    def change(current: Bucket) -> Bucket:
        old = documents.of(current)
        if old is not None and wanted is not None and msgspec.structs.replace(wanted, since_us=old.since_us) == old:
            return current
        return configuration.changed(current, documents.SUBJECT, wanted)

    await context.store.update_bucket(call.bucket, change)
    return {}


@operation("GetBucketLogging", action="s3:GetBucketLogging")
async def get_bucket_logging(call: Call, context: Context) -> Reply:
    logging = documents.of(bucket_of(call, context))
    if logging is None:
        return Reply()
    grants = acl.to_members(logging.grants, Owner(""))["Grants"]
    # Ceph tells when the configuration changed, AWS does not.
    return Reply(
        {"LoggingEnabled": documents.to_members(logging, grants)},
        headers={"last-modified": http_date(logging.since_us)},
    )


def _wanted(enabled: Mapping[str, Any], bucket: Bucket, context: Context) -> Logging:
    """The logging asked for, if the target may take it. Raises InvalidTargetBucketForLogging, AccessDenied and more."""
    target = _target(enabled["TargetBucket"], bucket, context)
    grants = _grants(enabled.get("TargetGrants") or (), target, context)
    logging = documents.parse(enabled, grants, time.time_ns() // 1000)
    account = context.identities.account_of(bucket.owner.id) or bucket.owner.id
    if not service_access.may_log(bucket, account, target, [logging.prefix]):
        raise AwsError(
            "AccessDenied",
            "The target bucket must let logging.s3.amazonaws.com write log objects by its policy (s3:PutObject), or "
            "the log-delivery group by its ACL (WRITE and READ_ACP).",
        )
    return logging


def _target(name: str, bucket: Bucket, context: Context) -> Bucket:
    try:
        target = context.store.bucket(name)
    except NoSuchBucket:
        raise _unfit(name) from None
    if target.owner.id != bucket.owner.id:
        raise _unfit(name, "The owner for the bucket to be logged and the target bucket must be the same.")
    if requester_pays.payer(target) == requester_pays.REQUESTER:
        raise _unfit(name, "The target bucket for logging must not be one where the requester pays.")
    rule = bucket_encryption.of(target)
    if rule is not None and rule.algorithm == KMS:
        raise _unfit(name, "The default encryption of the target bucket for logging must not be SSE-KMS.")
    lock = locks.of_bucket(target)
    if lock is not None and lock.mode:
        raise _unfit(name, "The target bucket for logging must have no default retention.")
    return target


def _unfit(name: str, message: str | None = None) -> AwsError:
    return AwsError("InvalidTargetBucketForLogging", message, TargetBucket=name)


def _grants(given: Any, target: Bucket, context: Context) -> Acl:
    """Further grants for log objects. Raises as ACLs do."""
    if not given:
        return ()
    if ownership.enforced(target):
        raise AwsError("AccessControlListNotSupported")
    for grant in given:
        if grant.get("Permission") not in _PERMISSIONS:
            raise AwsError("MalformedXML")
    policy = {"Owner": {"ID": target.owner.id}, "Grants": given}
    return acl.from_policy(policy, target.owner, context.users)
