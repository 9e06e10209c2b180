"""What the subscriber of a topic is sent: the envelope of SNS, or with raw delivery the message alone.

Envelopes are not signed: there is no certificate of Amazon's here.
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from objstore.jobs.event_documents import document, time_of
from objstore.store.events.outbox import Event, Mail, Waiting
from objstore.store.events.topics import Subscription
from objstore.targets.target import Message

_SUBJECT = "Amazon S3 Notification"


def mail(waiting: Waiting, subscription: Subscription, region: str) -> tuple[Message, dict[str, str]]:
    """The message for a subscriber, and the headers that go with it."""
    entry = waiting.entry
    letter = entry if isinstance(entry, Mail) else _of_event(entry, subscription, region)
    raw = subscription.raw and letter.kind == "Notification"
    body = letter.message.encode() if raw else msgspec.json.encode(_envelope(letter))
    headers = {
        "content-type": "text/plain; charset=UTF-8",
        "x-amz-sns-message-type": letter.kind,
        "x-amz-sns-message-id": letter.id,
        "x-amz-sns-topic-arn": letter.topic,
    }
    if letter.kind == "Notification":
        headers["x-amz-sns-subscription-arn"] = subscription.arn
    if raw:
        headers["x-amz-sns-rawdelivery"] = "true"
    return Message(waiting.id, letter.topic, body, letter.time_us), headers


def _of_event(event: Event, subscription: Subscription, region: str) -> Mail:
    """An event of a bucket as a message: the same for every subscriber, however often it is sent."""
    name = f"{event.bucket}/{event.key}/{event.name}/{event.sequencer}"
    text = msgspec.json.encode(document(event, region)).decode()
    number = str(uuid.uuid5(uuid.NAMESPACE_URL, name))
    return Mail("Notification", number, subscription.topic, text, event.time_us, subject=_SUBJECT)


def _envelope(letter: Mail) -> dict[str, Any]:
    told: dict[str, Any] = {"Type": letter.kind, "MessageId": letter.id, "TopicArn": letter.topic}
    if letter.token is not None:
        told |= {"Token": letter.token, "SubscribeURL": letter.link}
    if letter.subject is not None:
        told["Subject"] = letter.subject
    told |= {"Message": letter.message, "Timestamp": time_of(letter.time_us)}
    if letter.attributes:
        told["MessageAttributes"] = {
            name: {"Type": kind, "Value": value} for name, (kind, value) in letter.attributes.items()
        }
    return told
