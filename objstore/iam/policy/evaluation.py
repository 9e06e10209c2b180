"""The decision: whether a caller may do what is asked, given the policies it brings and that of the resource.

An explicit Deny in any policy decides. Else, within one account, either side may allow: what the identity's policies
allow goes through boundary and session policy; what the resource's policy allows does so only when it names the role of
the session, or the user behind a session with a policy of its own. Naming an account delegates to it and allows nothing
by itself. Between accounts both sides must allow. A role is assumed only as its trust policy says, which needs no other
word for a caller that it names, even of another account: so does Ceph's gateway, where AWS asks for both sides.

The root of an account may do everything in it, unless the resource's policy denies; no bucket policy keeps the owner's
root from looking at, replacing or deleting it.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from objstore.iam.policy.caller_keys import lookup_of
from objstore.iam.policy.decision import Decision, Reason
from objstore.iam.policy.policy import About, Placed, Policy, first, speaking
from objstore.iam.policy.principals import Named
from objstore.iam.policy.types import Asked, Caller, Grants, Kind
from objstore.iam.policy.variables import Lookup

NEVER_LOCKED_OUT: Final = frozenset({"s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"})
"""What a bucket policy cannot deny the root of the account that owns the bucket, in lower case."""

_SILENT: Final = About((), ())
_ROOT: Final = Decision(Reason.ROOT)
_IMPLICIT: Final = Decision(Reason.IMPLICIT_DENY)


def decide(
    asked: Asked, caller: Caller, grants: Grants, *, resource_policy: Policy | None, owner_account: str
) -> Decision:
    """Decide. Pure, and never raises, whatever the policies and keys.

    `resource_policy` is the bucket's policy, or the trust policy of the role to be assumed; `owner_account` the account
    that the resource belongs to: for what belongs to nobody, the caller's own.
    """
    action, resource = asked.action.lower(), asked.resource
    mine = speaking(grants.identity, action).about(resource) if grants.identity else _SILENT
    theirs = speaking((resource_policy,), action).about(resource) if resource_policy is not None else _SILENT
    lookup = lookup_of(asked.keys, caller)
    request = _Request(action, resource, lookup, caller, grants, mine, theirs, owner_account)
    denied = _denied(request)
    if denied is not None:
        return Decision(Reason.EXPLICIT_DENY, denied)
    granted = _granted(request)
    if resource_policy is not None and resource_policy.kind is Kind.TRUST:
        return _trusted(request, granted)
    if request.own:
        return _limited(request, _ROOT) if caller.account_root else _within(request, granted)
    if caller.account is None:
        return Decision(Reason.RESOURCE, granted.by) if granted else _IMPLICIT
    return _between(request, granted)


class _Granted(NamedTuple):
    """The Allow of a resource's policy, and how it names the caller."""

    by: Placed
    named: Named


@dataclass(slots=True)  # not frozen: making one is a good part of what a decision costs
class _Request:
    action: str
    resource: str
    lookup: Lookup
    caller: Caller
    grants: Grants
    mine: About  # statements of the identity's policies
    theirs: About  # of the resource's policy
    owner: str

    @property
    def own(self) -> bool:
        """Whether the resource is of the caller's account."""
        return self.caller.account is not None and self.caller.account == self.owner

    def first(self, placed: tuple[Placed, ...]) -> Placed | None:
        """The first that applies."""
        return first(placed, self.resource, self.lookup)

    def of(self, *policies: Policy) -> About:
        """The statements of a boundary or of session policies."""
        return speaking(policies, self.action).about(self.resource)


def _denied(request: _Request) -> Placed | None:
    caller, grants = request.caller, request.grants
    found = _denied_by_resource(request)
    if found is None and grants.identity and not caller.account_root:
        found = request.first(request.mine.denying)
    if found is None and grants.boundary is not None and not caller.account_root:
        found = request.first(request.of(grants.boundary).denying)
    if found is None and grants.session:
        found = request.first(request.of(*grants.session).denying)
    return found


def _denied_by_resource(request: _Request) -> Placed | None:
    if request.caller.account_root and request.own and request.action in NEVER_LOCKED_OUT:
        return None
    for placed in request.theirs.denying:
        statement = placed.statement
        if (
            statement.principals is not None
            and statement.principals.denies(request.caller, request.owner)
            and statement.applies(request.resource, request.lookup)
        ):
            return placed
    return None


def _granted(request: _Request) -> _Granted | None:
    """The Allow of the resource's policy that names the caller most directly."""
    best: _Granted | None = None
    for placed in request.theirs.allowing:
        statement = placed.statement
        if statement.principals is None:
            continue
        named = statement.principals.names(request.caller, request.owner)
        if named > (best.named if best else Named.NOT) and statement.applies(request.resource, request.lookup):
            best = _Granted(placed, named)
    return best


def _trusted(request: _Request, granted: _Granted | None) -> Decision:
    """Whether a role may be assumed: its trust policy must allow, and where that delegates, the caller's too."""
    if granted is None:
        return _IMPLICIT
    if granted.named is Named.DIRECTLY or request.caller.account is None:
        return _by_resource(request, granted)
    if request.own and not request.caller.account_root:
        return _within(request, granted)
    return _between(request, granted)


def _within(request: _Request, granted: _Granted | None) -> Decision:
    """Within one account: either side allows."""
    if granted is not None and granted.named is not Named.ACCOUNT:
        decision = _by_resource(request, granted)
        if decision.allowed:
            return decision
    return _by_identity(request)


def _between(request: _Request, granted: _Granted | None) -> Decision:
    """Between accounts: both sides allow."""
    mine = _limited(request, _ROOT) if request.caller.account_root else _by_identity(request)
    if mine.allowed:
        return Decision(Reason.RESOURCE, granted.by) if granted else Decision(Reason.NO_RESOURCE_ALLOWS, mine.by)
    if granted is not None and mine.reason is Reason.IMPLICIT_DENY:
        return Decision(Reason.NO_IDENTITY_ALLOWS, granted.by)
    return mine


def _by_identity(request: _Request) -> Decision:
    found = request.first(request.mine.allowing)
    return _IMPLICIT if found is None else _limited(request, Decision(Reason.IDENTITY, found), boundary=True)


def _by_resource(request: _Request, granted: _Granted) -> Decision:
    """What the resource's policy allows by itself to a caller that it names, or to everybody."""
    allowed = Decision(Reason.RESOURCE, granted.by)
    if granted.named is Named.ROLE:
        return _limited(request, allowed, boundary=True)
    if granted.named is Named.DIRECTLY and request.caller.role_arn is None:
        return _limited(request, allowed)
    return allowed


def _limited(request: _Request, allowed: Decision, *, boundary: bool = False) -> Decision:
    """What is left of an Allow after the session policy, and after the boundary where that counts."""
    grants = request.grants
    if boundary and grants.boundary is not None and request.first(request.of(grants.boundary).allowing) is None:
        return Decision(Reason.BOUNDARY, allowed.by)
    if grants.session is not None and request.first(request.of(*grants.session).allowing) is None:
        return Decision(Reason.SESSION, allowed.by)
    return allowed
