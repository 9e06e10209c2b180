"""What policies a principal brings to a decision: its own, those of its groups, its boundary, and those of its session.

Policies were checked when they were put; each is compiled once for each text, in `iam.policy`.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from objstore.aws.principal import Kind as PrincipalKind
from objstore.aws.principal import Principal
from objstore.aws.sigv4.amz_date import iso
from objstore.catalog.transaction import Transaction
from objstore.iam.identities import attachments, entities, inline, logins, managed, members
from objstore.iam.identities.records import Group, Role, User
from objstore.iam.policy import Caller, Grants, Kind, Policy, Values, parse

NOTHING: Final = Grants()
_ADMINISTERS: Final = "arn:aws:iam::aws:policy/IAMFullAccess"


def grants_of(tx: Transaction, principal: Principal, *, administers: bool = False) -> Grants:
    """The policies in force. A root user has none of its own; `administers` is for users without an account."""
    identity: tuple[Policy, ...] = ()
    boundary: str | None = None
    if principal.kind is PrincipalKind.USER:
        user = entities.by_id(tx, User, principal.user_id)
        if user is not None:
            identity, boundary = tuple(_of_user(tx, user)), user.boundary
    elif principal.kind is PrincipalKind.ROLE:
        role = entities.by_id(tx, Role, principal.user_id.partition(":")[0])
        if role is not None:
            identity, boundary = tuple(_of_holder(tx, role.id, f"role {role.name}")), role.boundary
    elif principal.kind is PrincipalKind.FEDERATED and principal.session is not None:
        dn = principal.user_id.partition(":")[2]
        attached = logins.policies_of(tx, (dn, *principal.session.groups))
        identity = tuple(policy for arn in attached for policy in _managed(tx, arn, Kind.IDENTITY))
    elif administers:
        identity = tuple(_managed(tx, _ADMINISTERS, Kind.IDENTITY))
    return Grants(identity, _boundary(tx, boundary), _session(principal))


def of_group(tx: Transaction, group: Group) -> Grants:
    """What a group gives its members."""
    return Grants(tuple(_of_holder(tx, group.id, f"group {group.name}")))


def _of_user(tx: Transaction, user: User) -> Iterator[Policy]:
    yield from _of_holder(tx, user.id, f"user {user.name}")
    for group in members.groups_of(tx, user.id):
        yield from _of_holder(tx, group.id, f"group {group.name}")


def _of_holder(tx: Transaction, holder: str, whose: str) -> Iterator[Policy]:
    for name, document in inline.all_of(tx, holder):
        yield identity_policy(document, f"{name} of {whose}")
    for arn in attachments.policies_of(tx, holder):
        yield from _managed(tx, arn, Kind.IDENTITY)


def identity_policy(document: str, name: str = "") -> Policy:
    """An identity policy that was put already, compiled."""
    return parse(document, Kind.IDENTITY, name=name, principal_may_be_everybody=True)


def _managed(tx: Transaction, arn: str, kind: Kind) -> Iterator[Policy]:
    document = managed.document_of(tx, arn)
    if document is not None:
        yield parse(document, kind, name=arn, principal_may_be_everybody=True)


def _boundary(tx: Transaction, arn: str | None) -> Policy | None:
    """The boundary; one whose policy is gone, which nobody can make happen, bounds everything."""
    if arn is None:
        return None
    found = next(_managed(tx, arn, Kind.BOUNDARY), None)
    return found or parse(
        '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}', Kind.BOUNDARY, name=arn
    )


def _session(principal: Principal) -> tuple[Policy, ...] | None:
    session = principal.session
    if session is None or session.policies is None:
        return None
    return tuple(parse(document, Kind.SESSION, name="session") for document in session.policies)


def caller_of(principal: Principal) -> Caller:
    """The principal as the policy engine knows it."""
    if principal.anonymous:
        return Caller("*", anonymous=True)
    session = principal.session
    return Caller(
        principal.arn,
        account=principal.account,
        canonical_id=principal.id,
        role_arn=principal.role_arn,
        user_id=principal.user_id,
        username=principal.username,
        account_root=principal.kind is PrincipalKind.ACCOUNT,
        federated=session.federated if session is not None else None,
    )


def keys_of(principal: Principal) -> dict[str, Values]:
    """Condition keys that the principal brings beside those that the engine derives: tags, and what its session tells.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principal-properties
    """
    keys: dict[str, Values] = {f"aws:principaltag/{name.lower()}": (value,) for name, value in principal.tags}
    session = principal.session
    if session is not None:
        keys.update(session.keys)
        if session.temporary:
            keys["aws:tokenissuetime"] = (iso(session.issued),)
            keys["aws:multifactorauthpresent"] = ("false",)
        if session.source_identity is not None:
            keys["aws:sourceidentity"] = (session.source_identity,)
    return keys
