"""Publish: a message for every confirmed subscription of a topic.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

import uuid
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.context import Context
from objstore.sns import names
from objstore.sns.topics import require
from objstore.store.events import outbox
from objstore.store.events.outbox import Mail

MAX_MESSAGE: Final = 256 << 10
MAX_SUBJECT: Final = 100


@operation(
    "Publish",
    service="sns",
    action="sns:Publish",
    supports={"TopicArn", "TargetArn", "Subject", "MessageAttributes"},
    concerns=lambda call, context: _named(call) or names.every(call, context),
)
async def publish(call: Call, context: Context) -> dict[str, Any]:
    message, subject = str(call["Message"]), call.get("Subject")
    if not message:
        raise AwsError("InvalidParameter", "Invalid parameter: Empty message")
    if len(message.encode()) > MAX_MESSAGE:
        raise AwsError("InvalidParameter", "Invalid parameter: Message too long")
    if subject is not None and (not subject or len(subject) > MAX_SUBJECT or not subject.isprintable()):
        raise AwsError("InvalidParameter", "Invalid parameter: Subject")
    mail = Mail(
        "Notification",
        str(uuid.uuid4()),
        _topic(call),
        message,
        context.identities.now_us(),
        subject=subject,
        attributes=_attributes(call.get("MessageAttributes") or {}),
    )

    def run(tx: Transaction) -> None:
        require(tx, mail.topic)
        outbox.publish(tx, mail)

    await context.identities.write(run)
    return {"MessageId": mail.id}


def _topic(call: Call) -> str:
    arn = _named(call)
    if arn is None:
        raise AwsError(
            "InvalidParameter", "Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter"
        )
    return arn


def _named(call: Call) -> str | None:
    arn = call.get("TopicArn") or call.get("TargetArn")
    return str(arn) if arn else None


def _attributes(given: dict[str, Any]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for name, value in given.items():
        if value.get("BinaryValue") is not None:
            raise AwsError("NotImplemented", "Binary message attributes are not implemented.")
        found[name] = str(value["DataType"]), str(value.get("StringValue") or "")
    return found
