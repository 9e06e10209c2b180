"""Subscriptions of HTTP addresses to topics: nothing is sent to one, but its token, until the token has come back.

Only addresses that the administrator's allow-list permits may be subscribed.
https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.context import Context
from objstore.sns import names
from objstore.sns.topics import PAGE, require
from objstore.store.events import outbox, topics
from objstore.store.events.outbox import Mail
from objstore.store.events.topics import Subscription

PENDING: Final = "pending confirmation"
_RAW: Final = "RawMessageDelivery"
_PROTOCOLS: Final = ("http", "https")


@operation(
    "Subscribe",
    service="sns",
    action="sns:Subscribe",
    supports={"Endpoint", "Attributes", "ReturnSubscriptionArn"},
    concerns=names.given(),
)
async def subscribe(call: Call, context: Context) -> dict[str, Any]:
    """Subscribe an address, which is sent its token at once; one that is subscribed already stays as it is."""
    arn, protocol, endpoint = str(call["TopicArn"]), str(call["Protocol"]), str(call.get("Endpoint") or "")
    _check_endpoint(context, protocol, endpoint)
    raw = False
    for name, value in (call.get("Attributes") or {}).items():
        raw = _raw(name, value)
    token = secrets.token_hex(32)
    new = Subscription(f"{arn}:{uuid.uuid4()}", arn, names.account(call), protocol, endpoint, token, raw=raw)
    now_us, link = context.identities.now_us(), _link(call, arn, token)

    def run(tx: Transaction) -> Subscription:
        require(tx, arn)
        for one in topics.subscriptions(tx, arn):
            if (one.protocol, one.endpoint) == (protocol, endpoint) and one.confirmed:
                return one
        topics.put_subscription(tx, new)
        text = f"You have chosen to subscribe to the topic {arn}. To confirm, visit the SubscribeURL of this message."
        mail = Mail("SubscriptionConfirmation", str(uuid.UUID(token[:32])), arn, text, now_us, token=token, link=link)
        outbox.post(tx, new.arn, mail)
        return new

    made = await context.identities.write(run)
    shown = made.arn if made.confirmed or call.get("ReturnSubscriptionArn") else PENDING
    return {"SubscriptionArn": shown}


def _check_endpoint(context: Context, protocol: str, endpoint: str) -> None:
    if protocol not in _PROTOCOLS:
        raise AwsError("InvalidParameter", "Invalid parameter: Protocol: http and https are supported")
    try:
        url = urlsplit(endpoint)
        host = url.hostname or ""
    except ValueError:
        raise AwsError("InvalidParameter", "Invalid parameter: Endpoint") from None
    if url.scheme != protocol or not host or url.username is not None:
        raise AwsError("InvalidParameter", "Invalid parameter: Endpoint must match the specified protocol")
    if not context.events.may_reach(host):
        raise AwsError(
            "InvalidParameter",
            f"Invalid parameter: Endpoint: the server may not connect to {host}: its administrator has not "
            "listed it in `outbound_allow`",
        )


def _raw(name: str, value: str) -> bool:
    if name != _RAW:
        raise AwsError("InvalidParameter", f"Invalid parameter: the attribute {name} is not supported")
    if value.lower() not in ("true", "false"):
        raise AwsError("InvalidParameter", f"Invalid parameter: {_RAW} is true or false")
    return value.lower() == "true"


def _link(call: Call, arn: str, token: str) -> str:
    """The address that confirms, at the host by which the subscriber's owner came."""
    request = call.request
    scheme = "https" if request.secure else "http"
    return (
        f"{scheme}://{request.host}/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn={quote(arn, safe='')}"
        f"&Token={token}"
    )


@operation("ConfirmSubscription", service="sns", action="sns:ConfirmSubscription", concerns=names.given())
async def confirm_subscription(call: Call, context: Context) -> dict[str, Any]:
    """Confirm by the token that was sent: whoever has it may."""
    arn, token = str(call["TopicArn"]), str(call["Token"])

    def run(tx: Transaction) -> Subscription:
        require(tx, arn)
        for one in topics.subscriptions(tx, arn):
            if secrets.compare_digest(one.token.encode(), token.encode()):
                confirmed = msgspec.structs.replace(one, confirmed=True)
                topics.put_subscription(tx, confirmed)
                return confirmed
        raise AwsError("InvalidParameter", "Invalid parameter: Token")

    return {"SubscriptionArn": (await context.identities.write(run)).arn}


@operation(
    "Unsubscribe",
    service="sns",
    action="sns:Unsubscribe",
    concerns=names.of_subscription,
)
async def unsubscribe(call: Call, context: Context) -> None:
    await context.identities.write(lambda tx: topics.drop_subscription(tx, call["SubscriptionArn"]))


@operation(
    "ListSubscriptions",
    service="sns",
    action="sns:ListSubscriptions",
    supports={"NextToken"},
    concerns=names.every,
)
async def list_subscriptions(call: Call, context: Context) -> dict[str, Any]:
    after, account = str(call.get("NextToken") or ""), names.account(call)
    return _page(context.identities.read(lambda tx: topics.page(tx, Subscription, account, after, PAGE + 1)))


@operation(
    "ListSubscriptionsByTopic",
    service="sns",
    action="sns:ListSubscriptionsByTopic",
    supports={"NextToken"},
    concerns=names.given(),
)
async def list_subscriptions_by_topic(call: Call, context: Context) -> dict[str, Any]:
    arn, after = str(call["TopicArn"]), str(call.get("NextToken") or "")

    def look(tx: Transaction) -> list[Subscription]:
        require(tx, arn)
        return topics.subscriptions(tx, arn, after, PAGE + 1)

    return _page(context.identities.read(look))


def _page(found: list[Subscription]) -> dict[str, Any]:
    shown = [
        {
            "SubscriptionArn": one.arn if one.confirmed else "PendingConfirmation",
            "Owner": one.account,
            "Protocol": one.protocol,
            "Endpoint": one.endpoint,
            "TopicArn": one.topic,
        }
        for one in found[:PAGE]
    ]
    return {"Subscriptions": shown} | ({"NextToken": found[PAGE - 1].arn} if len(found) > PAGE else {})


@operation(
    "GetSubscriptionAttributes",
    service="sns",
    action="sns:GetSubscriptionAttributes",
    concerns=names.of_subscription,
)
async def get_subscription_attributes(call: Call, context: Context) -> dict[str, Any]:
    one = context.identities.read(lambda tx: _require(tx, str(call["SubscriptionArn"])))
    return {
        "Attributes": {
            "SubscriptionArn": one.arn,
            "TopicArn": one.topic,
            "Owner": one.account,
            "Protocol": one.protocol,
            "Endpoint": one.endpoint,
            "PendingConfirmation": str(not one.confirmed).lower(),
            _RAW: str(one.raw).lower(),
        }
    }


@operation(
    "SetSubscriptionAttributes",
    service="sns",
    action="sns:SetSubscriptionAttributes",
    supports={"AttributeValue"},
    concerns=names.of_subscription,
)
async def set_subscription_attributes(call: Call, context: Context) -> None:
    raw = _raw(str(call["AttributeName"]), str(call.get("AttributeValue") or ""))

    def run(tx: Transaction) -> None:
        one = _require(tx, str(call["SubscriptionArn"]))
        topics.put_subscription(tx, msgspec.structs.replace(one, raw=raw))

    await context.identities.write(run)


def _require(tx: Transaction, arn: str) -> Subscription:
    one = topics.find(tx, Subscription, arn)
    if one is None:
        raise AwsError("NotFound", "Subscription does not exist")
    return one
