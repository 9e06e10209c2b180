"""What a caller is told that may not do something in its own account, in AWS's words.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.principal import Principal
from objstore.iam.policy import Decision, Kind, Reason

_POLICIES: Final = {
    Kind.IDENTITY: "an identity-based policy",
    Kind.RESOURCE: "a resource-based policy",
    Kind.TOPIC: "a resource-based policy",
    Kind.TRUST: "a resource-based policy",
    Kind.BOUNDARY: "a permissions boundary",
    Kind.SESSION: "a session policy",
}
_MISSING: Final = {
    Reason.BOUNDARY: "permissions boundary",
    Reason.SESSION: "session policy",
    Reason.NO_RESOURCE_ALLOWS: "resource-based policy",
}


def denied(principal: Principal, action: str, resource: str, decision: Decision) -> AwsError:
    """AccessDenied, with who may not do what, and which kind of policy denies it or is missing."""
    if decision.reason is Reason.EXPLICIT_DENY and decision.by is not None:
        why = f"with an explicit deny in {_POLICIES[decision.by.policy.kind]}"
    else:
        why = f"because no {_MISSING.get(decision.reason, 'identity-based policy')} allows the {action} action"
    return AwsError(
        "AccessDenied", f'User: {principal.arn} is not authorized to perform: {action} on resource: "{resource}" {why}'
    )
