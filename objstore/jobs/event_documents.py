"""Events as S3 writes them, version 2.1 of its record, and the message that carries one to a target.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import msgspec

from objstore.store.events.outbox import TEST, Event
from objstore.targets.target import Message


def message(number: int, event: Event, region: str) -> Message:
    """What a target is sent for the row of an event."""
    body = msgspec.json.encode(document(event, region))
    return Message(number, f"{event.bucket}/{event.key}", body, event.time_us, event.etag is None)


def document(event: Event, region: str) -> dict[str, Any]:
    """An event as a document."""
    return _test(event) if event.name == TEST else {"Records": [_record(event, region)]}


def time_of(us: int) -> str:
    """A time as AWS writes it in JSON."""
    return datetime.fromtimestamp(us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _test(event: Event) -> dict[str, Any]:
    return {
        "Service": "Amazon S3",
        "Event": TEST,
        "Time": time_of(event.time_us),
        "Bucket": event.bucket,
        "RequestId": event.cause.request_id,
    }


def _record(event: Event, region: str) -> dict[str, Any]:
    thing: dict[str, Any] = {"key": quote_plus(event.key, safe="/"), "sequencer": f"{event.sequencer:016X}"}
    if event.etag is not None:
        thing |= {"size": event.size, "eTag": event.etag}
    if event.version_id is not None:
        thing["versionId"] = event.version_id
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": time_of(event.time_us),
        "eventName": event.name.removeprefix("s3:"),
        "userIdentity": {"principalId": event.cause.principal},
        "requestParameters": {"sourceIPAddress": event.cause.address},
        "responseElements": {"x-amz-request-id": event.cause.request_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": event.rule,
            "bucket": {
                "name": event.bucket,
                "ownerIdentity": {"principalId": event.owner},
                "arn": f"arn:aws:s3:::{event.bucket}",
            },
            "object": thing,
        },
    }
