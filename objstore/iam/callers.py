"""Principals as decisions compare them.

A user without an account stands for one of its own, whose root it is: what it owns is its own, and what others own is
theirs to share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from objstore.aws.principal import Kind, Principal
from objstore.iam.identities import grants
from objstore.iam.identities.names import SHARED
from objstore.iam.policy import Caller
from objstore.iam.policy.arns import parse_arn
from objstore.store.types import Owner

if TYPE_CHECKING:
    from objstore.iam.context import Context

_ROOTS: Final = (Kind.ACCOUNT, Kind.UNAFFILIATED)


def caller_of(principal: Principal) -> Caller:
    """The caller that a principal is to buckets and objects."""
    if principal.anonymous:
        return grants.caller_of(principal)
    return Caller(
        principal.arn,
        account=account_of(principal),
        canonical_id=principal.id,
        role_arn=principal.role_arn,
        user_id=principal.user_id,
        username=principal.username,
        account_root=principal.kind in _ROOTS,
    )


def account_of(principal: Principal) -> str:
    """The account in whose name a principal acts. A role without a numbered account acts for all who have none."""
    return principal.account if principal.kind is Kind.ROLE else principal.account or principal.id


def account_of_owner(owner: Owner, context: Context, principal: Principal | None = None) -> str:
    """The account of who owns a bucket or object.

    To a role without a numbered account, everybody without one is of its own: those who may make such roles rule there.
    """
    account = context.identities.account_of(owner.id)
    if account == SHARED and principal is not None and (principal.kind, principal.account) == (Kind.ROLE, SHARED):
        return SHARED
    return account or owner.id


def initiator_of(principal: Principal) -> Owner:
    """Who begins an upload, as AWS tells: an account by its canonical id, a user or session by its ARN."""
    if principal.anonymous or principal.kind in _ROOTS:
        return Owner(principal.id, principal.name)
    return Owner(principal.arn, principal.username or principal.arn.rpartition("/")[2])


def of_same_account(initiator: Owner, principal: Principal) -> bool:
    """Whether who began an upload is of the principal's account."""
    if initiator.id == principal.id:
        return True
    arn = parse_arn(initiator.id)
    return arn is not None and bool(arn.account) and arn.account == principal.account


def narrowed(principal: Principal) -> bool:
    """Whether a session policy stands between the principal and what its identity may do."""
    return principal.session is not None and principal.session.policies is not None
