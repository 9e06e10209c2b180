"""SimulatePrincipalPolicy, SimulateCustomPolicy, GetContextKeysForPrincipalPolicy, GetContextKeysForCustomPolicy.

Policies are tried by the engine that decides about requests, on what the caller says of one: nothing is looked up but
the policies of the principal. ACLs, ownership and the public access block, which only a bucket has, are left to
`objstore admin policy explain`.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulateCustomPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.aws.principal import Session
from objstore.catalog.transaction import Transaction
from objstore.iam.api import paging, subjects
from objstore.iam.context import Context
from objstore.iam.identities import entities, names, principals
from objstore.iam.identities.grants import caller_of, grants_of, identity_policy, keys_of, of_group
from objstore.iam.identities.records import Group, Role, User
from objstore.iam.policy import (
    Asked,
    Caller,
    Grants,
    Kind,
    MalformedPolicy,
    Policy,
    Simulated,
    Values,
    parse,
    simulate,
    statement_spans,
)
from objstore.iam.policy.policy import Placed

_SUPPORTS: Final = paging.MEMBERS | {
    *("PolicyInputList", "PermissionsBoundaryPolicyInputList", "ResourceArns", "ResourcePolicy", "ResourceOwner"),
    *("CallerArn", "ContextEntries"),
}
_MOST_RESULTS: Final = 1000
_TOPICS: Final = "sns:"


@dataclass(frozen=True, slots=True)
class _Source:
    """Who is simulated: as the engine knows it, with its policies and the condition keys that it brings."""

    caller: Caller
    grants: Grants
    keys: Mapping[str, Values]


@operation(
    "SimulatePrincipalPolicy",
    service="iam",
    action="iam:SimulatePrincipalPolicy",
    supports=_SUPPORTS,
    concerns=subjects.given("PolicySourceArn"),
)
async def simulate_principal_policy(call: Call, context: Context) -> dict[str, Any]:
    source = _source(call, context, call["PolicySourceArn"])
    if ":user/" not in call["PolicySourceArn"] and "ResourcePolicy" in call and "CallerArn" not in call:
        raise AwsError("InvalidInput", "CallerArn is required with a ResourcePolicy where the source is no user.")
    return _simulated(call, source)


@operation(
    "SimulateCustomPolicy",
    service="iam",
    action="iam:SimulateCustomPolicy",
    supports=_SUPPORTS,
    concerns=subjects.anything,
)
async def simulate_custom_policy(call: Call, context: Context) -> dict[str, Any]:
    account = subjects.account(call)
    return _simulated(call, _Source(Caller(names.named_arn(User, account, ""), account=account), Grants(), {}))


@operation(
    "GetContextKeysForPrincipalPolicy",
    service="iam",
    action="iam:GetContextKeysForPrincipalPolicy",
    supports={"PolicyInputList"},
    concerns=subjects.given("PolicySourceArn"),
)
async def get_context_keys_for_principal_policy(call: Call, context: Context) -> dict[str, Any]:
    """The keys that the policies of a user, with those of its groups, a group or a role look at."""
    found = _source(call, context, call["PolicySourceArn"]).grants.identity
    return {"ContextKeyNames": _context_keys((*found, *_inputs(call)))}


@operation(
    "GetContextKeysForCustomPolicy",
    service="iam",
    action="iam:GetContextKeysForCustomPolicy",
    concerns=subjects.anything,
)
async def get_context_keys_for_custom_policy(call: Call, context: Context) -> dict[str, Any]:
    return {"ContextKeyNames": _context_keys(_inputs(call))}


def _context_keys(policies: Iterable[Policy]) -> list[str]:
    found = {key.lower(): key for policy in policies for statement in policy.statements for key in statement.keys}
    return sorted(found.values())


def _source(call: Call, context: Context, arn: str) -> _Source:
    """A user, group or role of the caller's account. Raises NoSuchEntity, InvalidInput for what is none."""
    parts, account = names.split(arn), subjects.account(call)
    if parts is None or parts[1] not in ("user", "group", "role"):
        raise AwsError("InvalidInput", f"{arn} is not the ARN of a user, group or role.")
    if parts[0] != account:
        raise AwsError("NoSuchEntity", f"{arn} is not of account {account}.")

    def look(tx: Transaction) -> _Source:
        if parts[1] == "group":
            group = entities.require(tx, Group, account, parts[3])
            return _Source(Caller(names.arn(group), account=account), of_group(tx, group), {})
        if parts[1] == "user":
            principal = principals.of_user(tx, context.users, entities.require(tx, User, account, parts[3]))
        else:
            role = entities.require(tx, Role, account, parts[3])
            principal = principals.of_role(tx, context.users, role, Session(name="simulated"))
        return _Source(caller_of(principal), grants_of(tx, principal), keys_of(principal))

    return context.identities.read(look)


def _simulated(call: Call, source: _Source) -> dict[str, Any]:
    """A page of the results: one for each action on each resource, actions first."""
    bounds = _parsed(call, "PermissionsBoundaryPolicyInputList", Kind.BOUNDARY)
    if len(bounds) > 1:
        raise AwsError("InvalidInput", "A simulation has at most one permissions boundary.")
    grants = Grants((*source.grants.identity, *_inputs(call)), bounds[0] if bounds else source.grants.boundary)
    caller, keys = (_named_caller(call), {}) if "CallerArn" in call else (source.caller, source.keys)
    keys = {**keys, **_entries(call)}
    resource_policy, owner = _resource_policy(call), _owner(call)
    pairs = [(action, arn) for action in _actions(call) for arn in call.get("ResourceArns") or ("*",)]
    first, most = _marker(call), min(paging.limit(call), _MOST_RESULTS)
    results = [
        _result(
            simulate(Asked(action, arn, keys), caller, grants, resource_policy=resource_policy, owner_account=owner)
        )
        for action, arn in pairs[first : first + most]
    ]
    more = first + most < len(pairs)
    return {"EvaluationResults": results, "IsTruncated": more, **({"Marker": str(first + most)} if more else {})}


def _actions(call: Call) -> list[str]:
    for action in call["ActionNames"]:
        service, colon, name = action.partition(":")
        if not (service and colon and name) or "*" in action or "?" in action:
            raise AwsError("InvalidInput", f"Invalid action name: {action}")
    return list(call["ActionNames"])


def _inputs(call: Call) -> tuple[Policy, ...]:
    return _parsed(call, "PolicyInputList", Kind.IDENTITY)


def _parsed(call: Call, member: str, kind: Kind) -> tuple[Policy, ...]:
    """The policies of a list, called as AWS calls them. Raises InvalidInput."""
    texts = call.get(member) or ()
    return tuple(_policy(text, kind, f"{member}.{number}") for number, text in enumerate(texts, 1))


def _policy(text: str, kind: Kind, name: str) -> Policy:
    try:
        return parse(text, kind, name=name) if kind is not Kind.IDENTITY else identity_policy(text, name)
    except MalformedPolicy as error:
        raise AwsError("InvalidInput", f"{name} is no policy: {error.message}") from None


def _resource_policy(call: Call) -> Policy | None:
    """The policy of a bucket, or of a topic where an action is on one."""
    text = call.get("ResourcePolicy")
    topics = any(action.lower().startswith(_TOPICS) for action in call["ActionNames"])
    return None if text is None else _policy(text, Kind.TOPIC if topics else Kind.RESOURCE, "ResourcePolicy")


def _named_caller(call: Call) -> Caller:
    """The user whom CallerArn names, known by its ARN alone. Raises InvalidInput."""
    arn = call["CallerArn"]
    parts = names.split(arn)
    if parts is None or parts[1] != "user" or not parts[3]:
        raise AwsError("InvalidInput", f"CallerArn {arn} is not the ARN of a user.")
    return Caller(arn, account=parts[0], username=parts[3])


def _owner(call: Call) -> str:
    """The account that the simulated resources are of. Raises InvalidInput."""
    given = call.get("ResourceOwner")
    if given is None:
        return subjects.account(call)
    parts = names.split(given)
    if parts is not None and parts[1] == "root":
        return parts[0]
    if given.isalnum():
        return str(given)
    raise AwsError("InvalidInput", f"ResourceOwner {given} is neither an account nor the ARN of one.")


def _entries(call: Call) -> dict[str, Values]:
    """The condition keys that are told. Raises InvalidInput for several values where one is said to come."""
    keys: dict[str, Values] = {}
    for entry in call.get("ContextEntries") or ():
        name, values = entry.get("ContextKeyName", ""), tuple(entry.get("ContextKeyValues") or ())
        if not name or name.lower() in keys:
            raise AwsError("InvalidInput", f"ContextEntries names a key twice, or none: {name!r}")
        if len(values) > 1 and not entry.get("ContextKeyType", "List").endswith("List"):
            raise AwsError("InvalidInput", f"ContextEntries has several values for {name}, which is no list.")
        keys[name.lower()] = values
    return keys


def _marker(call: Call) -> int:
    text = paging.after(call)
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise AwsError("InvalidInput", "The Marker is not one that was given out.")
    return int(text)


def _result(found: Simulated) -> dict[str, Any]:
    members: dict[str, Any] = {
        "EvalActionName": found.action,
        "EvalResourceName": found.resource,
        "EvalDecision": found.outcome.value,
        "MatchedStatements": list(_matched(found.matched)),
        "MissingContextValues": list(found.missing),
    }
    if found.by_side:
        members["EvalDecisionDetails"] = {side: outcome.value for side, outcome in found.by_side.items()}
    if found.by_boundary is not None:
        members["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": found.by_boundary}
    return members


def _matched(placed: Iterable[Placed]) -> Iterator[dict[str, Any]]:
    for statement, policy in placed:
        start, end = statement_spans(policy.source)[statement.number - 1]
        yield {
            **_called(policy),
            "StartPosition": {"Line": start.line, "Column": start.column},
            "EndPosition": {"Line": end.line, "Column": end.column},
        }


def _called(policy: Policy) -> dict[str, str]:
    """Which policy it is: an inline one of somebody, a managed one, that of the resource, or one that was sent."""
    if policy.kind in (Kind.RESOURCE, Kind.TOPIC):
        return {"SourcePolicyId": policy.name, "SourcePolicyType": "resource"}
    if policy.name.startswith("arn:"):
        kind = "aws-managed" if policy.name.startswith("arn:aws:iam::aws:") else "user-managed"
        return {"SourcePolicyId": policy.name.rpartition("/")[2], "SourcePolicyType": kind}
    name, of, whose = policy.name.partition(" of ")
    return {"SourcePolicyId": name, **({"SourcePolicyType": whose.partition(" ")[0]} if of else {})}
