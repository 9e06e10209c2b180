"""Who may do what with a topic: its own account by identity policies, others only where its policy lets them too.

https://docs.aws.amazon.com/sns/latest/dg/sns-using-identity-based-policies.html
https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.aws.principal import Principal
from objstore.iam import administration, callers
from objstore.iam.context import Context
from objstore.iam.policy import Asked, Caller, Decision, Grants, Keys, Kind, decide, parse
from objstore.store.events import topics
from objstore.store.events.topics import Topic

# Whoever has the token that was sent to the address may: nobody else knows it.
BY_TOKEN: Final = frozenset({"ConfirmSubscription"})

_S3: Final = Caller(arn="", service="s3.amazonaws.com")


def authorise(call: Call, context: Context) -> None:
    """Let a call of SNS pass, or raise AuthorizationError."""
    if call.operation.name in BY_TOKEN or call.principal.is_root:
        return
    assert call.operation.concerns is not None, "operations outside S3 tell what they are on"
    arn, action, principal = call.operation.concerns(call, context), call.operation.action, call.principal
    keys = administration.request_keys(call, context)
    decision = _decide(
        arn, _topic(context, arn), action, callers.caller_of(principal), context.identities.grants(principal), keys
    )
    if not decision.allowed:
        told = administration.refusal(principal, action, arn, decision)
        raise AwsError("AuthorizationError", told.message)


def may_publish(arn: str, principal: Principal, context: Context) -> bool | None:
    """Whether a caller may have a bucket tell a topic; None where there is no such topic.

    It may where it may publish itself, or where the topic lets S3 do so.
    """
    topic = _topic(context, arn)
    if topic is None:
        return None
    if principal.is_root:
        return True
    grants = context.identities.grants(principal)
    return any(
        _decide(arn, topic, "sns:Publish", caller, brought, {}).allowed
        for caller, brought in ((callers.caller_of(principal), grants), (_S3, Grants()))
    )


def _topic(context: Context, arn: str) -> Topic | None:
    return context.identities.read(lambda tx: topics.find(tx, Topic, arn))


def _decide(arn: str, topic: Topic | None, action: str, caller: Caller, grants: Grants, keys: Keys) -> Decision:
    policy = parse(topic.policy, Kind.TOPIC, name="topic policy") if topic is not None and topic.policy else None
    owner = topic.account if topic is not None else arn.split(":")[4] if arn.count(":") > 4 else ""
    return decide(Asked(action, arn, keys), caller, grants, resource_policy=policy, owner_account=owner)
