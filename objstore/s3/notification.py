"""Notification configuration: Put and Get.

A rule names a target of this server, or a topic, by its ARN. AWS's functions and EventBridge are not here, nor are
events of what never happens here: they are refused. A configuration that is accepted sends every target a test event.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.aws.service import service
from objstore.iam import topic_access
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.store.events import rules, topics
from objstore.store.events.rules import Notification, Rule

MAX_RULES: Final = 100
MAX_VALUE: Final = 1024
MAX_ID: Final = 255
_OF_AWS: Final = frozenset(service().shape_for("Event").metadata["enum"])
_KINDS: Final = {"Topic": "TopicConfigurations", "Queue": "QueueConfigurations"}
_REFUSED: Final = {"LambdaFunctionConfigurations": "CloudFunction", "EventBridgeConfiguration": "EventBridge"}


@operation(
    "PutBucketNotificationConfiguration", action="s3:PutBucketNotification", supports={"SkipDestinationValidation"}
)
async def put_bucket_notification_configuration(call: Call, context: Context) -> dict[str, Any]:
    if call.get("SkipDestinationValidation"):
        raise AwsError("NotImplemented", "Destinations of notifications are always validated.")
    given: dict[str, Any] = call["NotificationConfiguration"] or {}
    for member, shown in _REFUSED.items():
        if given.get(member) is not None:
            raise AwsError("NotImplemented", f"{shown} is not implemented as a destination of notifications.")
    notification = Notification(tuple(_rules(given)))
    check(notification)
    for rule in notification.rules:
        _require_destination(call, context, rule.target)
    await context.store.set_notification(call.bucket, notification if notification.rules else None)
    return {}


@operation("GetBucketNotificationConfiguration", action="s3:GetBucketNotification")
async def get_bucket_notification_configuration(call: Call, context: Context) -> dict[str, Any]:
    notification = rules.of(bucket_of(call, context)) or Notification()
    members: dict[str, Any] = {}
    for rule in notification.rules:
        members.setdefault(_KINDS[rule.kind], []).append(_member(rule))
    return members


def _require_destination(call: Call, context: Context, arn: str) -> None:
    """Raise InvalidArgument for a destination that is not there, AccessDenied for a topic that refuses the caller."""
    found = (
        topic_access.may_publish(arn, call.principal, context)
        if arn.startswith(topics.PREFIX)
        else context.events.has(arn) or None
    )
    if found is None:
        raise AwsError(
            "InvalidArgument",
            "Unable to validate the following destination configurations",
            ArgumentName=arn,
            ArgumentValue="The destination does not exist: make the topic, or name it in the server's configuration",
        )
    if not found:
        raise AwsError("AccessDenied", f"{call.principal.arn} may not publish to the topic {arn}")


def _rules(given: Mapping[str, Any]) -> Iterator[Rule]:
    for kind, member in _KINDS.items():
        for one in given.get(member) or ():
            prefix, suffix = _filter(one.get("Filter") or {})
            yield Rule(one.get("Id") or uuid.uuid4().hex, kind, one[f"{kind}Arn"], tuple(one["Events"]), prefix, suffix)


def _filter(given: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Prefix and suffix of a filter; names of filter rules may be in any case."""
    found: dict[str, str] = {}
    for rule in (given.get("Key") or {}).get("FilterRules") or ():
        name, value = str(rule.get("Name") or "").lower(), str(rule.get("Value") or "")
        if name not in ("prefix", "suffix"):
            raise AwsError("InvalidArgument", "filter rule name must be either prefix or suffix", ArgumentName=name)
        if name in found:
            raise AwsError("InvalidArgument", f"Cannot specify more than one {name} rule in a filter.")
        if len(value.encode()) > MAX_VALUE:
            raise AwsError("InvalidArgument", f"Size of filter rule value cannot exceed {MAX_VALUE} bytes in UTF-8")
        found[name] = value
    return found.get("prefix"), found.get("suffix")


def check(notification: Notification) -> None:
    """Raise InvalidArgument for what AWS refuses: unknown events, ids twice or too long, rules that overlap.

    An event of AWS's that never happens here is NotImplemented.
    """
    given = notification.rules
    if len(given) > MAX_RULES:
        raise AwsError("InvalidArgument", f"A notification configuration has at most {MAX_RULES} rules.")
    for rule in given:
        if len(rule.id) > MAX_ID:
            raise AwsError("InvalidArgument", f"ID length should not exceed allowed limit of {MAX_ID}")
        for name in rule.events:
            if not rules.concrete(name):
                raise _unheard(name)
    if len({rule.id for rule in given}) < len(given):
        raise AwsError("InvalidArgument", "Same ID used for multiple configurations. IDs must be unique")
    for one, other in combinations(given, 2):
        if rules.overlap(one, other):
            raise AwsError(
                "InvalidArgument",
                "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
            )


def _unheard(name: str) -> AwsError:
    if name in _OF_AWS:
        return AwsError("NotImplemented", f"Nothing here makes the event {name}.")
    return AwsError("InvalidArgument", "The event is not supported for notifications", ArgumentValue=name)


def _member(rule: Rule) -> dict[str, Any]:
    told = {"Id": rule.id, f"{rule.kind}Arn": rule.target, "Events": list(rule.events)}
    filters = [
        {"Name": name, "Value": value}
        for name, value in (("prefix", rule.prefix), ("suffix", rule.suffix))
        if value is not None
    ]
    return told | ({"Filter": {"Key": {"FilterRules": filters}}} if filters else {})
