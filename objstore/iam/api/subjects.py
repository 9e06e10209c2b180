"""What a call is about: whose account, which entity, and the ARN that its action is on.

Entities are named without their path; the ARN has it. One that is not there is asked for by the ARN it would have.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""

from __future__ import annotations

from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, Concerns
from objstore.aws.principal import Kind
from objstore.iam.context import Context
from objstore.iam.identities import entities, names
from objstore.iam.identities.records import Group, Role, User

MEMBERS: Final[dict[type, str]] = {User: "UserName", Group: "GroupName", Role: "RoleName"}
"""The member that names an entity of each kind."""


def account(call: Call) -> str:
    """The account that the caller acts in."""
    return call.principal.account


def named(kind: type[Any], *, own: bool = False) -> Concerns:
    """For operations on an entity named by its member; with `own`, on the caller when there is none."""
    member = MEMBERS[kind]

    def concerns(call: Call, context: Context) -> str:
        name = call.get(member)
        if name is None and own:
            return call.principal.arn
        found = context.identities.read(lambda tx: entities.find(tx, kind, account(call), str(name)))
        return names.arn(found) if found is not None else names.named_arn(kind, account(call), str(name))

    return concerns


def new(kind: type, member: str) -> Concerns:
    """For operations that make an entity: the ARN that it gets."""
    return lambda call, context: names.named_arn(kind, account(call), str(call[member]), call.get("Path") or "/")


def renamed(kind: type[Any], call: Call, context: Context) -> str:
    """The ARN that a user or group gets by a call that gives it another name or path."""
    member = MEMBERS[kind]
    found = context.identities.read(lambda tx: entities.find(tx, kind, account(call), str(call[member])))
    path, name = (found.path, found.name) if found is not None else ("/", str(call[member]))
    return names.named_arn(kind, account(call), call.get(f"New{member}") or name, call.get("NewPath") or path)


def given(member: str) -> Concerns:
    """For operations that take an ARN."""
    return lambda call, context: str(call[member])


def prefix(kind: type) -> Concerns:
    """For lists: the ARN of everything below the path asked for."""
    return lambda call, context: names.named_arn(kind, account(call), "", call.get("PathPrefix") or "/")


def anything(call: Call, context: Context) -> str:
    """For operations on no resource of their own."""
    return "*"


def own_user(call: Call) -> str | None:
    """The user whom a call without UserName is about; None for the account's root user.

    Raises ValidationError for a caller that is neither.
    """
    principal = call.principal
    if principal.kind is Kind.USER:
        return principal.username
    if principal.kind is Kind.ACCOUNT:
        return None
    raise AwsError("ValidationError", "Must specify userName when calling with non-User credentials")
