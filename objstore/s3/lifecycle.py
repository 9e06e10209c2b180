"""Lifecycle configuration: Put, Get and Delete, and what answers tell of it.

Rules are stored as AWS's model spells them, and checked before. Their classes are those of this pool, so AWS's minimum
stays in a class are not asked for.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of, http_date
from objstore.s3 import storage_classes
from objstore.s3.tags import MOST_OF_KEY, MOST_OF_VALUE
from objstore.s3.times import moment
from objstore.store.lifecycle import planning, queue
from objstore.store.lifecycle.rules import LEAST_128K, And, Filter, Lifecycle, Rule
from objstore.store.types import Bucket, Upload, Version

MAX_RULES: Final = 1_000
MAX_ID: Final = 255
MAX_NEWER: Final = 100
MAX_PREFIX: Final = 1024
"""Bytes, as many as a key may have."""
_MIDNIGHT: Final = (0, 0, 0, 0)


@operation(
    "PutBucketLifecycleConfiguration",
    action="s3:PutLifecycleConfiguration",
    supports={"LifecycleConfiguration", "TransitionDefaultMinimumObjectSize"},
)
async def put_bucket_lifecycle_configuration(call: Call, context: Context) -> dict[str, Any]:
    if "LifecycleConfiguration" not in call:
        raise AwsError("MissingRequestBodyError")
    smallest = str(call.get("TransitionDefaultMinimumObjectSize", LEAST_128K))
    try:
        given = msgspec.convert(call["LifecycleConfiguration"], Lifecycle)
    except msgspec.ValidationError as error:
        raise AwsError("MalformedXML", f"The lifecycle configuration is not valid: {error}") from None
    rules = tuple(_canonical(rule) for rule in given.rules)
    check(rules, storage_classes.known(context.store))
    lifecycle = Lifecycle(rules, smallest, context.lifecycle_day)
    await context.store.set_lifecycle(call.bucket, lifecycle)
    return {"TransitionDefaultMinimumObjectSize": smallest}


@operation("GetBucketLifecycleConfiguration", action="s3:GetLifecycleConfiguration")
async def get_bucket_lifecycle_configuration(call: Call, context: Context) -> dict[str, Any]:
    lifecycle = queue.of(bucket_of(call, context))
    if lifecycle is None:
        raise AwsError("NoSuchLifecycleConfiguration", BucketName=call.bucket)
    return {
        "Rules": [msgspec.to_builtins(rule, builtin_types=(datetime,)) for rule in lifecycle.rules],
        "TransitionDefaultMinimumObjectSize": lifecycle.transition_default_minimum_object_size,
    }


@operation("DeleteBucketLifecycle", action="s3:PutLifecycleConfiguration")
async def delete_bucket_lifecycle(call: Call, context: Context) -> None:
    await context.store.set_lifecycle(call.bucket, None)


def expiration(bucket: Bucket, key: str, version: Version) -> dict[str, str]:
    """The member that tells when a current version expires, and by which rule; none where no rule says."""
    lifecycle = queue.of(bucket)
    found = planning.expiration_of(lifecycle, key, version) if lifecycle is not None else None
    if found is None:
        return {}
    due_us, rule = found
    return {"Expiration": f'expiry-date="{http_date(due_us)}", rule-id="{quote(rule, safe="")}"'}


def abortion(bucket: Bucket, upload: Upload) -> dict[str, Any]:
    """The members that tell when an upload will be aborted, and by which rule."""
    lifecycle = queue.of(bucket)
    found = planning.abortion_of(lifecycle, upload) if lifecycle is not None else None
    return {} if found is None else {"AbortDate": moment(found[0]), "AbortRuleId": found[1]}


def _canonical(rule: Rule) -> Rule:
    """The rule with an id, times in UTC, and an empty filter spelled out."""
    wanted = rule.filter
    if wanted is not None and wanted == Filter():
        wanted = Filter(prefix="")
    return msgspec.structs.replace(rule, id=rule.id or uuid.uuid4().hex, filter=wanted)


def check(rules: Collection[Rule], classes: Collection[str]) -> None:
    """Raise what AWS says of rules that cannot be: MalformedXML, InvalidArgument, InvalidRequest. `classes`: the
    storage classes of the pool; another is InvalidStorageClass."""
    if not 1 <= len(rules) <= MAX_RULES:
        raise AwsError("MalformedXML", f"A lifecycle configuration has 1 to {MAX_RULES} rules.")
    for rule in rules:
        if len(rule.id) > MAX_ID:
            raise AwsError("InvalidArgument", f"ID length should not exceed allowed limit of {MAX_ID}")
        _check_filter(rule)
        _check_actions(rule)
        _check_days(rule)
        _check_classes(rule, classes)
    if len({rule.id for rule in rules}) < len(rules):
        raise AwsError("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedXML", f"The XML you provided did not validate against our published schema: {message}")


def _check_filter(rule: Rule) -> None:
    wanted = rule.filter
    if (wanted is None) == (rule.prefix is None):
        raise _malformed("a rule has either a Filter or a Prefix")
    if len((rule.conditions.prefix or "").encode()) > MAX_PREFIX:
        raise AwsError("InvalidRequest", f"The maximum size of a prefix is {MAX_PREFIX}")
    if wanted is None:
        return
    if wanted.and_ is not None and wanted == Filter(and_=And()):
        raise _malformed("an And has conditions")
    if wanted.and_ is not None and not _nested(wanted.prefix or "", wanted.and_.prefix or ""):
        raise _malformed("a Filter and its And have prefixes of which neither begins with the other")
    given = wanted.conditions
    if len({tag.key for tag in given.tags}) < len(given.tags):
        raise AwsError("InvalidRequest", "Duplicate Tag Keys are not allowed.")
    for tag in given.tags:
        if not 1 <= len(tag.key) <= MOST_OF_KEY:
            raise AwsError("InvalidRequest", f"A Tag's Key must be a length between 1 and {MOST_OF_KEY}.")
        if len(tag.value) > MOST_OF_VALUE:
            raise AwsError("InvalidRequest", f"A Tag's Value must be a length between 0 and {MOST_OF_VALUE}.")
    larger, smaller = given.object_size_greater_than, given.object_size_less_than
    if (larger is not None and larger < 0) or (smaller is not None and smaller < 1):
        raise AwsError("InvalidRequest", "The sizes of a Filter must not be negative")
    if larger is not None and smaller is not None and smaller <= larger:
        raise AwsError("InvalidRequest", "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _check_actions(rule: Rule) -> None:
    conditions, expires = rule.conditions, rule.expiration
    abort = rule.abort_incomplete_multipart_upload
    changes = [*rule.transitions, *rule.noncurrent_version_transitions]
    if expires is None and rule.noncurrent_version_expiration is None and abort is None and not changes:
        raise AwsError("InvalidRequest", "At least one action needs to be specified in a rule")
    if expires is not None:
        marker = expires.expired_object_delete_marker
        if sum(value is not None for value in (expires.days, expires.date, marker)) != 1:
            raise _malformed("an Expiration has one of Days, Date and ExpiredObjectDeleteMarker")
        if marker is not None and conditions.tags:
            raise AwsError("InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags.")
    if abort is not None and conditions.tags:
        raise AwsError("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags.")
    if abort is not None and rule.names_size:
        raise AwsError("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Object Size.")
    for change in rule.transitions:
        if (change.days is None) == (change.date is None):
            raise _malformed("a Transition has either Days or Date")


def _check_days(rule: Rule) -> None:
    expires, abort, noncurrent = (
        rule.expiration,
        rule.abort_incomplete_multipart_upload,
        rule.noncurrent_version_expiration,
    )
    _positive("Days", "Expiration", expires.days if expires else None)
    _positive("DaysAfterInitiation", "AbortIncompleteMultipartUpload", abort.days_after_initiation if abort else None)
    _positive("NoncurrentDays", "NoncurrentVersionExpiration", noncurrent.noncurrent_days if noncurrent else None)
    for change in rule.transitions:
        _positive("Days", "Transition", change.days, least=0)
    for late in rule.noncurrent_version_transitions:
        _positive("NoncurrentDays", "NoncurrentVersionTransition", late.noncurrent_days, least=0)
    for one in (noncurrent, *rule.noncurrent_version_transitions):
        newer = one.newer_noncurrent_versions if one is not None else None
        if newer is not None and not 1 <= newer <= MAX_NEWER:
            raise AwsError("InvalidArgument", f"'NewerNoncurrentVersions' must be between 1 and {MAX_NEWER}")
    dates = [expires.date if expires else None, *(change.date for change in rule.transitions)]
    for date in dates:
        if date is not None and not _is_midnight(date):
            raise AwsError("InvalidArgument", "'Date' must be at midnight GMT")
    days = [expires.days if expires else None, *(change.days for change in rule.transitions)]
    if any(date is not None for date in dates) and any(day is not None for day in days):
        raise AwsError(
            "InvalidRequest", "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule"
        )
    _check_order(rule)


def _is_midnight(date: datetime) -> bool:
    utc = date.astimezone(UTC)
    return (utc.hour, utc.minute, utc.second, utc.microsecond) == _MIDNIGHT


def _positive(name: str, action: str, days: int | None, *, least: int = 1) -> None:
    if days is not None and not least <= days <= 2**31 - 1:
        wanted = "positive" if least else "nonnegative"
        raise AwsError("InvalidArgument", f"'{name}' for {action} action must be a {wanted} integer")


def _check_order(rule: Rule) -> None:
    """Nothing changes its class when it is gone."""
    expires, noncurrent = rule.expiration, rule.noncurrent_version_expiration
    for change in rule.transitions:
        if expires is not None and (
            (expires.days is not None and change.days is not None and change.days >= expires.days)
            or (expires.date is not None and change.date is not None and change.date >= expires.date)
        ):
            raise AwsError(
                "InvalidArgument",
                "'Days' in the Expiration action must be greater than 'Days' in the Transition action",
            )
    for late in rule.noncurrent_version_transitions:
        if noncurrent is not None and late.noncurrent_days >= noncurrent.noncurrent_days:
            raise AwsError(
                "InvalidArgument",
                "'NoncurrentDays' in the NoncurrentVersionExpiration action must be greater than 'NoncurrentDays' in "
                "the NoncurrentVersionTransition action",
            )


def _check_classes(rule: Rule, classes: Collection[str]) -> None:
    for names in (
        [change.storage_class for change in rule.transitions],
        [change.storage_class for change in rule.noncurrent_version_transitions],
    ):
        _check_names(names, classes)


def _check_names(names: Iterable[str], classes: Collection[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name not in classes:
            raise AwsError(
                "InvalidStorageClass",
                f"This store has no storage class {name}; it has {', '.join(sorted(classes))}.",
                StorageClassRequested=name,
            )
        if name in seen:
            raise AwsError("InvalidRequest", f"Two transitions of one rule lead to the storage class {name}")
        seen.add(name)
