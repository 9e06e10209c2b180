"""Simulation: the decision with everything that led to it, as IAM's policy simulator tells.

`SimulateCustomPolicy` and `SimulatePrincipalPolicy` put what comes out on the wire; explanations for people are made of
the same.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from objstore.iam.policy.caller_keys import lookup_of
from objstore.iam.policy.decision import Decision, Reason
from objstore.iam.policy.evaluation import decide
from objstore.iam.policy.policy import Placed, Policy, speaking
from objstore.iam.policy.types import Asked, Caller, Grants, Kind
from objstore.iam.policy.variables import Lookup


class Outcome(StrEnum):
    """IAM's words for a decision."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What came of one action on one resource.

    `matched` are the statements that apply: those that deny where one does, else those that allow, and none where
    nothing is allowed. `missing` are the condition keys, as policies spell them, that statements about this action and
    resource look at and that nobody gave. `by_boundary` is None where there is no boundary; `by_side` is there for
    a request between accounts alone.
    """

    action: str
    resource: str
    decision: Decision
    matched: tuple[Placed, ...]
    missing: tuple[str, ...]
    by_boundary: bool | None
    by_side: Mapping[str, Outcome]

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.decision)


def outcome_of(decision: Decision) -> Outcome:
    """A decision in IAM's words."""
    if decision.allowed:
        return Outcome.ALLOWED
    return Outcome.EXPLICIT_DENY if decision.reason is Reason.EXPLICIT_DENY else Outcome.IMPLICIT_DENY


def simulate(
    asked: Asked, caller: Caller, grants: Grants, *, resource_policy: Policy | None, owner_account: str
) -> Simulated:
    """Decide as `decide` does, and tell what led to it. Never raises."""
    decision = decide(asked, caller, grants, resource_policy=resource_policy, owner_account=owner_account)
    lookup = lookup_of(asked.keys, caller)
    concerned = list(_concerned(asked, caller, grants, resource_policy, owner_account))
    applying = [placed for placed in concerned if placed.statement.applies(asked.resource, lookup)]
    between = caller.account is not None and caller.account != owner_account
    return Simulated(
        asked.action,
        asked.resource,
        decision,
        tuple(_matched(decision, applying)),
        tuple(_missing(concerned, asked.resource, lookup)),
        None if grants.boundary is None or caller.account_root else _bounded(applying),
        _sides(caller, applying) if between else {},
    )


def _concerned(
    asked: Asked, caller: Caller, grants: Grants, resource_policy: Policy | None, owner: str
) -> Iterator[Placed]:
    """The statements that may be about the action and the resource and, where they name anybody, about the caller."""
    action, resource = asked.action.lower(), asked.resource
    policies = [*grants.identity, *(grants.session or ())]
    if grants.boundary is not None:
        policies.append(grants.boundary)
    for policy in policies:
        for statements in speaking((policy,), action).about(resource):
            yield from statements
    if resource_policy is None:
        return
    found = speaking((resource_policy,), action).about(resource)
    for placed in (*found.denying, *found.allowing):
        principals = placed.statement.principals
        if principals is None:
            continue
        names = principals.names(caller, owner) if placed.statement.allows else principals.denies(caller, owner)
        if names:
            yield placed


def _matched(decision: Decision, applying: Iterable[Placed]) -> Iterator[Placed]:
    if decision.reason is Reason.EXPLICIT_DENY:
        return (placed for placed in applying if not placed.statement.allows)
    if not decision.allowed:
        return iter(())
    return (placed for placed in applying if placed.statement.allows and placed.policy.kind not in _LIMITS)


_LIMITS = frozenset({Kind.BOUNDARY, Kind.SESSION})


def _bounded(applying: Iterable[Placed]) -> bool:
    """Whether the boundary allows it."""
    effects = [placed.statement.allows for placed in applying if placed.policy.kind is Kind.BOUNDARY]
    return bool(effects) and all(effects)


def _sides(caller: Caller, applying: list[Placed]) -> dict[str, Outcome]:
    """What each side says of a request between accounts, by the simulator's names."""
    sides = {"IAM Policy": Kind.IDENTITY, "Resource Policy": Kind.RESOURCE}
    if any(placed.policy.kind is Kind.BOUNDARY for placed in applying):
        sides["Permissions Boundary Policy"] = Kind.BOUNDARY
    told = {name: _said(applying, kind) for name, kind in sides.items()}
    if caller.account_root:
        told["IAM Policy"] = Outcome.ALLOWED
    return told


def _said(applying: list[Placed], kind: Kind) -> Outcome:
    effects = [placed.statement.allows for placed in applying if placed.policy.kind is kind]
    if not effects:
        return Outcome.IMPLICIT_DENY
    return Outcome.ALLOWED if all(effects) else Outcome.EXPLICIT_DENY


def _missing(concerned: Iterable[Placed], resource: str, lookup: Lookup) -> Iterator[str]:
    """Keys that conditions and variables look at and that have no value, each once, in order."""
    seen: set[str] = set()
    for statement, _ in concerned:
        resources = statement.resources
        if resources is not None and not resources.templates and not resources.cover(resource, lookup):
            continue
        for name in statement.keys:
            if name.lower() not in seen and not lookup(name.lower()):
                seen.add(name.lower())
                yield name
