"""Whether a caller may do what it asks of IAM or STS: decided by the same engine as everything else.

The root user of an account may do everything in it, users and roles what their policies say. Nobody reaches into
another account: what a call is about is looked for in the caller's own.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.aws.principal import Principal
from objstore.aws.sigv4.amz_date import iso
from objstore.iam.api import subjects, tags
from objstore.iam.context import Context
from objstore.iam.identities.grants import caller_of, keys_of
from objstore.iam.identities.records import Group, ManagedPolicy, Provider, Role, Tags, User
from objstore.iam.policy import Asked, Decision, Reason, Values, decide

# Decided by the operation itself: on the role's trust policy, or by nobody, since it tells only what the caller knows.
DECIDED_ELSEWHERE: Final = frozenset(
    {
        *("AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithLDAPIdentity"),
        *("GetCallerIdentity", "GetSessionToken"),
    }
)
# What is renamed: it is asked about by the new ARN as well as by the old one.
RENAMES: Final[dict[str, type[User] | type[Group]]] = {"UpdateGroup": Group, "UpdateUser": User}
_WORDS: Final = {
    Reason.EXPLICIT_DENY: "with an explicit deny in a policy",
    Reason.BOUNDARY: "because no permissions boundary allows the {action} action",
    Reason.SESSION: "because no session policy allows the {action} action",
}
_NO_POLICY: Final = "because no identity-based policy allows the {action} action"


def authorise(call: Call, context: Context) -> None:
    """Let a call of IAM or STS pass, or raise AccessDenied."""
    if call.operation.name in DECIDED_ELSEWHERE:
        return
    assert call.operation.concerns is not None, "operations outside S3 tell what they are on"
    principal, keys = call.principal, request_keys(call, context)
    caller, grants = caller_of(principal), context.identities.grants(principal)
    resources = [call.operation.concerns(call, context)]
    if call.operation.name in RENAMES:
        # Else whoever may rename could take the name or the path of somebody that policies trust.
        resources.append(subjects.renamed(RENAMES[call.operation.name], call, context))
    for resource in resources:
        asked = Asked(call.operation.action, resource, keys)
        decision = decide(asked, caller, grants, resource_policy=None, owner_account=principal.account)
        if not decision.allowed:
            raise refusal(principal, call.operation.action, resource, decision)


def refusal(principal: Principal, action: str, resource: str, decision: Decision) -> AwsError:
    """AccessDenied in IAM's words."""
    why = _WORDS.get(decision.reason, _NO_POLICY).format(action=action)
    return AwsError(
        "AccessDenied", f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource} {why}"
    )


def request_keys(call: Call, context: Context) -> dict[str, Values]:
    """The condition keys of a call: of the request, of the caller, and of the entity that it is about."""
    request = call.request
    now = context.identities.clock()
    keys = keys_of(call.principal)
    keys |= global_keys(request.client, request.secure, request.headers.get("user-agent"), now)
    if "PolicyArn" in call:
        keys["iam:policyarn"] = (call["PolicyArn"],)
    given: Tags = tuple((one["Key"], one.get("Value", "")) for one in call.get("Tags") or ())
    keys |= {f"aws:requesttag/{name.lower()}": (value,) for name, value in given}
    names = tuple(name for name, _ in given) + tuple(call.get("TagKeys") or ())
    if names:
        keys["aws:tagkeys"] = names
    subject = _subject(call, context)
    of_subject = subject.boundary if isinstance(subject, User | Role) else None
    boundary = call.get("PermissionsBoundary") or of_subject
    if boundary:
        keys["iam:permissionsboundary"] = (boundary,)
    return keys | (resource_tags(subject.tags) if subject is not None else {})


def resource_tags(tags: Tags) -> dict[str, Values]:
    """The condition keys of the tags of what a call is about."""
    return {f"{family}:resourcetag/{name.lower()}": (value,) for name, value in tags for family in ("aws", "iam")}


def global_keys(client: str | None, secure: bool, agent: str | None, now: float) -> dict[str, Values]:
    """AWS's global keys that any request has. `now` in Unix seconds."""
    keys: dict[str, Values] = {
        "aws:currenttime": (iso(now),),
        "aws:epochtime": (str(int(now)),),
        "aws:securetransport": ("true" if secure else "false",),
    }
    if client is not None:
        keys["aws:sourceip"] = (client,)
    if agent is not None:
        keys["aws:useragent"] = (agent,)
    return keys


def _subject(call: Call, context: Context) -> tags.Tagged | None:
    """What a call names that may have tags, where it is there: a user or role, else a managed policy or a provider."""
    account = subjects.account(call)
    for kind, member in _TAGGED.items():
        name = call.get(member)
        if name is not None:
            return context.identities.read(lambda tx, kind=kind, name=name: tags.look(tx, kind, account, name))  # type: ignore[misc]
    return None


_TAGGED: Final[dict[type, str]] = {
    User: "UserName",
    Role: "RoleName",
    ManagedPolicy: "PolicyArn",
    Provider: "OpenIDConnectProviderArn",
}
