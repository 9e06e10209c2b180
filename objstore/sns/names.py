"""The ARNs of topics, and which topic a call is about.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
"""

from __future__ import annotations

from objstore.aws.operation import Call, Concerns
from objstore.iam.context import Context


def arn(call: Call, name: str) -> str:
    """The ARN of a topic of the caller's account."""
    return f"arn:aws:sns:{call.region}:{account(call)}:{name}"


def account(call: Call) -> str:
    """The account that the caller acts in."""
    return call.principal.account or call.principal.id


def given(member: str = "TopicArn") -> Concerns:
    """For operations on a topic that is named by its ARN."""
    return lambda call, context: str(call[member])


def of_subscription(call: Call, context: Context) -> str:
    """For operations on a subscription: its topic, whose ARN its own begins with."""
    return str(call["SubscriptionArn"]).rpartition(":")[0]


def new(call: Call, context: Context) -> str:
    """For CreateTopic: the ARN that the topic gets, or has."""
    return arn(call, str(call["Name"]))


def every(call: Call, context: Context) -> str:
    """For lists of what the account has."""
    return arn(call, "*")
