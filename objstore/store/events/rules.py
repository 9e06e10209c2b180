"""A bucket's notification configuration: which events of which keys are told to which target.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from objstore.store import configuration
from objstore.store.types import Bucket

SUBJECT: Final = "notification"

EVENTS: Final = (
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAcl:Put",
    "s3:ObjectRetention:Put",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:LifecycleTransition",
)
"""Everything that happens here."""


class Rule(msgspec.Struct, frozen=True):
    """Events (as configured, perhaps with `*`) of keys with a prefix and a suffix, for a target's ARN. `kind` is Topic
    or Queue: under which name it was configured."""

    id: str
    kind: str
    target: str
    events: tuple[str, ...]
    prefix: str | None = None
    suffix: str | None = None

    def wants(self, event: str, key: str) -> bool:
        """Whether the target is to hear of an event of a key."""
        return (
            any(event == name or (name[-1] == "*" and event.startswith(name[:-1])) for name in self.events)
            and key.startswith(self.prefix or "")
            and key.endswith(self.suffix or "")
        )


class Notification(msgspec.Struct, frozen=True):
    """All rules of a bucket."""

    rules: tuple[Rule, ...] = ()


def of(bucket: Bucket) -> Notification | None:
    """The notification configuration of a bucket."""
    return configuration.of(bucket, SUBJECT, Notification)


def wanted(bucket: Bucket, event: str, key: str) -> Iterator[Rule]:
    """The rules that an event of a key is told by."""
    if SUBJECT in bucket.configuration and (notification := of(bucket)) is not None:
        for rule in notification.rules:
            if rule.wants(event, key):
                yield rule


def concrete(name: str) -> frozenset[str]:
    """The events that a name of a configuration stands for; empty for a name of which nothing happens here."""
    if name.endswith("*"):
        return frozenset(event for event in EVENTS if name[-2:] == ":*" and event.startswith(name[:-1]))
    return frozenset(event for event in EVENTS if event == name)


def overlap(one: Rule, other: Rule) -> bool:
    """Whether some event of some key is told by both."""
    events = [frozenset().union(*map(concrete, rule.events)) for rule in (one, other)]
    return bool(
        events[0] & events[1]
        and _nested(one.prefix or "", other.prefix or "")
        and _nested((one.suffix or "")[::-1], (other.suffix or "")[::-1])
    )


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
