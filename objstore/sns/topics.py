"""Topics: create, delete, list, attributes and tags.

https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.context import Context
from objstore.iam.policy import Kind, MalformedPolicy, parse
from objstore.sns import names
from objstore.store.events import topics
from objstore.store.events.topics import Subscription, Topic

PAGE: Final = 100
MAX_TAGS: Final = 50
MAX_POLICY: Final = 30 << 10
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_SETTABLE: Final = frozenset({"Policy", "DisplayName"})


def require(tx: Transaction, arn: str) -> Topic:
    """The topic of an ARN; raises NotFound."""
    topic = topics.find(tx, Topic, arn)
    if topic is None:
        raise AwsError("NotFound", "Topic does not exist")
    return topic


@operation(
    "CreateTopic",
    service="sns",
    action="sns:CreateTopic",
    supports={"Attributes", "Tags"},
    concerns=names.new,
)
async def create_topic(call: Call, context: Context) -> dict[str, Any]:
    """Make a topic; one that is there with the same attributes is answered alike."""
    name = str(call["Name"])
    if not _NAME.fullmatch(name):
        raise AwsError("InvalidParameter", "Invalid parameter: Topic Name")
    new = Topic(names.arn(call, name), names.account(call), context.identities.now_us())
    for attribute, value in (call.get("Attributes") or {}).items():
        new = _changed(new, attribute, value)
    new = msgspec.structs.replace(new, tags=_tags((), call.get("Tags") or ()))

    def run(tx: Transaction) -> None:
        there = topics.find(tx, Topic, new.arn)
        if there is None:
            topics.put_topic(tx, new)
        elif msgspec.structs.replace(new, created_us=there.created_us) != there and _says_something(call):
            raise AwsError("InvalidParameter", "Invalid parameter: Topic already exists with different attributes")

    await context.identities.write(run)
    return {"TopicArn": new.arn}


def _says_something(call: Call) -> bool:
    return bool(call.get("Attributes") or call.get("Tags"))


@operation("DeleteTopic", service="sns", action="sns:DeleteTopic", concerns=names.given())
async def delete_topic(call: Call, context: Context) -> None:
    """Delete a topic with its subscriptions. One that is not there is deleted well."""
    await context.identities.write(lambda tx: topics.drop_topic(tx, call["TopicArn"]))


@operation("ListTopics", service="sns", action="sns:ListTopics", supports={"NextToken"}, concerns=names.every)
async def list_topics(call: Call, context: Context) -> dict[str, Any]:
    after = str(call.get("NextToken") or "")
    account = names.account(call)
    found = context.identities.read(lambda tx: topics.page(tx, Topic, account, after, PAGE + 1))
    members: dict[str, Any] = {"Topics": [{"TopicArn": topic.arn} for topic in found[:PAGE]]}
    if len(found) > PAGE:
        members["NextToken"] = found[PAGE - 1].arn
    return members


@operation("GetTopicAttributes", service="sns", action="sns:GetTopicAttributes", concerns=names.given())
async def get_topic_attributes(call: Call, context: Context) -> dict[str, Any]:
    arn = str(call["TopicArn"])

    def look(tx: Transaction) -> tuple[Topic, list[Subscription]]:
        return require(tx, arn), topics.subscriptions(tx, arn)

    topic, subscribed = context.identities.read(look)
    confirmed = sum(one.confirmed for one in subscribed)
    attributes = {
        "TopicArn": topic.arn,
        "Owner": topic.account,
        "DisplayName": topic.display_name,
        "SubscriptionsConfirmed": str(confirmed),
        "SubscriptionsPending": str(len(subscribed) - confirmed),
        "SubscriptionsDeleted": "0",
    }
    return {"Attributes": attributes | ({"Policy": topic.policy} if topic.policy else {})}


@operation(
    "SetTopicAttributes",
    service="sns",
    action="sns:SetTopicAttributes",
    supports={"AttributeValue"},
    concerns=names.given(),
)
async def set_topic_attributes(call: Call, context: Context) -> None:
    arn, name, value = str(call["TopicArn"]), str(call["AttributeName"]), str(call.get("AttributeValue") or "")
    await context.identities.write(lambda tx: topics.put_topic(tx, _changed(require(tx, arn), name, value)))


def _changed(topic: Topic, attribute: str, value: str) -> Topic:
    """The topic with another attribute. Raises InvalidParameter for one that is not here, or a bad value."""
    if attribute not in _SETTABLE:
        raise AwsError("InvalidParameter", f"Invalid parameter: the attribute {attribute} is not supported")
    if attribute == "DisplayName":
        if len(value) > 100:
            raise AwsError("InvalidParameter", "Invalid parameter: DisplayName has at most 100 characters")
        return msgspec.structs.replace(topic, display_name=value)
    if value:
        if len(value) > MAX_POLICY:
            raise AwsError("InvalidParameter", f"Invalid parameter: Policy has at most {MAX_POLICY} characters")
        try:
            parse(value, Kind.TOPIC, name="topic policy")
        except MalformedPolicy as error:
            raise AwsError("InvalidParameter", f"Invalid parameter: Policy Error: {error}") from None
    return msgspec.structs.replace(topic, policy=value)


@operation("TagResource", service="sns", action="sns:TagResource", concerns=names.given("ResourceArn"))
async def tag_resource(call: Call, context: Context) -> None:
    await _retag(call, context, lambda old: _tags(old, call["Tags"]))


@operation("UntagResource", service="sns", action="sns:UntagResource", concerns=names.given("ResourceArn"))
async def untag_resource(call: Call, context: Context) -> None:
    gone = set(call["TagKeys"])
    await _retag(call, context, lambda old: tuple(tag for tag in old if tag[0] not in gone))


async def _retag(call: Call, context: Context, change: Any) -> None:
    def run(tx: Transaction) -> None:
        topic = _tagged(tx, str(call["ResourceArn"]))
        topics.put_topic(tx, msgspec.structs.replace(topic, tags=change(topic.tags)))

    await context.identities.write(run)


def _tagged(tx: Transaction, arn: str) -> Topic:
    topic = topics.find(tx, Topic, arn)
    if topic is None:
        raise AwsError("ResourceNotFound", "Resource does not exist")
    return topic


def _tags(old: tuple[tuple[str, str], ...], given: Any) -> tuple[tuple[str, str], ...]:
    joined = dict(old) | {str(tag["Key"]): str(tag["Value"]) for tag in given}
    if len(joined) > MAX_TAGS:
        raise AwsError(
            "TagLimitExceeded", f"Could not complete request: tag quota of per resource exceeded ({MAX_TAGS})"
        )
    return tuple(sorted(joined.items()))


@operation("ListTagsForResource", service="sns", action="sns:ListTagsForResource", concerns=names.given("ResourceArn"))
async def list_tags_for_resource(call: Call, context: Context) -> dict[str, Any]:
    topic = context.identities.read(lambda tx: _tagged(tx, str(call["ResourceArn"])))
    return {"Tags": [{"Key": key, "Value": value} for key, value in topic.tags]}
