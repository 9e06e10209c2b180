"""The answer, and the reason for it: which statement of which policy, or what is missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

from objstore.iam.policy.policy import Placed
from objstore.iam.policy.types import Kind


@unique
class Reason(Enum):
    """Why. The value is a sentence; `{by}` is the statement that decided."""

    ROOT = "allowed: root of the account that owns the resource"
    IDENTITY = "allowed by {by}"
    RESOURCE = "allowed, on the resource's side, by {by}"
    EXPLICIT_DENY = "denied by {by}"
    IMPLICIT_DENY = "denied: no policy allows it"
    BOUNDARY = "denied: {by} allows it, but the permissions boundary does not"
    SESSION = "denied: {by} allows it, but the session policy does not"
    NO_IDENTITY_ALLOWS = "denied: {by} allows it, but no policy of the caller, who is of another account, does"
    NO_RESOURCE_ALLOWS = "denied: {by} allows it, but the resource is of another account and its policy does not"


_ALLOWED = (Reason.ROOT, Reason.IDENTITY, Reason.RESOURCE)
_KINDS = {
    Kind.IDENTITY: "identity policy",
    Kind.RESOURCE: "resource policy",
    Kind.TOPIC: "topic policy",
    Kind.TRUST: "trust policy",
    Kind.BOUNDARY: "permissions boundary",
    Kind.SESSION: "session policy",
}
_ROOT = "the root of the caller's account"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a request is allowed, and why. `by` is the statement that decided, where one did."""

    reason: Reason
    by: Placed | None = None

    @property
    def allowed(self) -> bool:
        return self.reason in _ALLOWED

    @property
    def policy(self) -> str | None:
        """The name of the policy that decided."""
        return self.by.policy.name if self.by else None

    @property
    def statement(self) -> str | None:
        """The Sid of the statement that decided, or its number, counted from 1."""
        return self.by.statement.label if self.by else None

    def __str__(self) -> str:
        return self.reason.value.format(by=_described(self.by) if self.by else _ROOT)


def _described(by: Placed) -> str:
    statement = f'"{by.statement.sid}"' if by.statement.sid else str(by.statement.number)
    name = f' "{by.policy.name}"' if by.policy.name else ""
    return f"statement {statement} of {_KINDS[by.policy.kind]}{name}"
