"""Object lock: Put and Get of ObjectLockConfiguration, ObjectRetention and ObjectLegalHold.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html
"""

from __future__ import annotations

from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of, version_of
from objstore.s3 import locks
from objstore.s3.times import moment
from objstore.store.locks import ObjectLock, of_bucket, require
from objstore.store.types import Lock, Version

MOST_DAYS: Final = 36_500
MOST_YEARS: Final = 100


@operation(
    "PutObjectLockConfiguration", action="s3:PutBucketObjectLockConfiguration", supports={"ObjectLockConfiguration"}
)
async def put_object_lock_configuration(call: Call, context: Context) -> None:
    document: dict[str, Any] = call["ObjectLockConfiguration"]
    if document.get("ObjectLockEnabled") != "Enabled":
        raise AwsError("MalformedXML")
    await context.store.configure_lock(call.bucket, _default(document.get("Rule")))


def _default(rule: dict[str, Any] | None) -> ObjectLock:
    """The rule of a configuration; without one, new versions are not locked by themselves."""
    if rule is None:
        return ObjectLock()
    retention: dict[str, Any] = rule.get("DefaultRetention") or {}
    _refuse_event_hold(retention, "DefaultEventHold")
    mode, days, years = (retention.get(name) for name in ("Mode", "Days", "Years"))
    if mode is None or (days is None) == (years is None):
        raise AwsError("MalformedXML")
    if not (1 <= (days or 1) <= MOST_DAYS and 1 <= (years or 1) <= MOST_YEARS) or 0 in (days, years):
        raise AwsError(
            "InvalidRetentionPeriod",
            f"Default retention must be between 1 and {MOST_DAYS} days, or 1 and {MOST_YEARS} years.",
        )
    return ObjectLock(mode, days or 0, years or 0)


@operation("GetObjectLockConfiguration", action="s3:GetBucketObjectLockConfiguration")
async def get_object_lock_configuration(call: Call, context: Context) -> dict[str, Any]:
    found = of_bucket(bucket_of(call, context))
    if found is None:
        raise AwsError("ObjectLockConfigurationNotFoundError", BucketName=call.bucket)
    document: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    if found.mode:
        period = {"Days": found.days} if found.days else {"Years": found.years}
        document["Rule"] = {"DefaultRetention": {"Mode": found.mode, **period}}
    return {"ObjectLockConfiguration": document}


@operation(
    "PutObjectRetention",
    action="s3:PutObjectRetention",
    supports={"Retention", "VersionId", "BypassGovernanceRetention"},
    weighs_document=True,
)
async def put_object_retention(call: Call, context: Context) -> None:
    """An empty document takes the retention away."""
    document: dict[str, Any] = call.get("Retention") or {}
    _refuse_event_hold(document, "EventHold", "EventHoldDuration")
    mode, until = document.get("Mode"), document.get("RetainUntilDate")
    if (mode is None) != (until is None):
        raise AwsError("MalformedXML")
    require(bucket_of(call, context))
    until_us = locks.future(until, "RetainUntilDate") if until is not None else 0
    await context.store.retain(
        call.bucket,
        call.key,
        _version_id(call, context),
        mode or "",
        until_us,
        bypass_governance=bool(call.get("BypassGovernanceRetention")),
    )


@operation("GetObjectRetention", action="s3:GetObjectRetention", supports={"VersionId"})
async def get_object_retention(call: Call, context: Context) -> dict[str, Any]:
    lock = _lock(call, context)
    if not lock.mode:
        raise AwsError("NoSuchObjectLockConfiguration", Key=call.key)
    return {"Retention": {"Mode": lock.mode, "RetainUntilDate": moment(lock.until_us)}}


@operation(
    "PutObjectLegalHold", action="s3:PutObjectLegalHold", supports={"LegalHold", "VersionId"}, weighs_document=True
)
async def put_object_legal_hold(call: Call, context: Context) -> None:
    status = (call.get("LegalHold") or {}).get("Status")
    if status is None:
        raise AwsError("MalformedXML")
    require(bucket_of(call, context))
    await context.store.hold(call.bucket, call.key, _version_id(call, context), status == "ON")


@operation("GetObjectLegalHold", action="s3:GetObjectLegalHold", supports={"VersionId"})
async def get_object_legal_hold(call: Call, context: Context) -> dict[str, Any]:
    lock = _lock(call, context)
    if lock.legal_hold is None:
        raise AwsError("NoSuchObjectLockConfiguration", Key=call.key)
    return {"LegalHold": {"Status": locks.on_off(lock.legal_hold)}}


def _version_id(call: Call, context: Context) -> str:
    """The id of the version that the gate looked at: what is allowed may depend on its tags."""
    version: Version = version_of(call, context)
    return version.version_id


def _lock(call: Call, context: Context) -> Lock:
    require(bucket_of(call, context))
    return version_of(call, context).lock or Lock()


def _refuse_event_hold(document: dict[str, Any], *names: str) -> None:
    for name in names:
        if name in document:
            raise AwsError("NotImplemented", f"{name} is not implemented.")
