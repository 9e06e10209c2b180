"""The Principal element: whom a statement of a resource's policy speaks of.

How a caller is named decides how much an Allow is worth. One that names the account delegates to it: the account's own
policies must allow as well. One that names the role of a session is limited by boundary and session policy; one that
names the session, the user, or everybody is not.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from objstore.iam.policy.arns import ACCOUNT, parse_arn
from objstore.iam.policy.types import Caller

EVERYBODY: Final = "*"
TYPES: Final = ("AWS", "CanonicalUser", "Federated", "Service")


# The service that a kind of principal belongs to.
_SERVICES: Final = {"user": "iam", "role": "iam", "assumed-role": "sts", "federated-user": "sts"}


class Named(IntEnum):
    """How a statement names a caller, weakest first."""

    NOT = 0
    ACCOUNT = 1
    ROLE = 2
    EVERYBODY = 3
    DIRECTLY = 4


@dataclass(frozen=True, slots=True)
class Principals:
    """The principals of a statement by their type; `negated` for NotPrincipal.

    `everybody` is `"*"`, and `any_aws` is `{"AWS": "*"}`, which speaks of no service and no federated caller when it
    allows.
    """

    everybody: bool = False
    any_aws: bool = False
    accounts: frozenset[str] = frozenset()
    arns: frozenset[str] = frozenset()
    canonical: frozenset[str] = frozenset()
    federated: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    negated: bool = False

    def names(self, caller: Caller, owner: str) -> Named:
        """How a statement that allows names a caller, on a resource of the account `owner`."""
        if self.negated:
            return Named.NOT if self._spares(caller, owner) else Named.EVERYBODY
        if caller.service is not None:
            if caller.service in self.services:
                return Named.DIRECTLY
            return Named.EVERYBODY if self.everybody else Named.NOT
        if caller.federated is not None and caller.account is None:
            return Named.DIRECTLY if caller.federated in self.federated else Named.NOT
        if self.arns and self._holds(caller.arn, caller.account, owner):
            return Named.DIRECTLY
        if self.everybody or self.any_aws:
            return Named.EVERYBODY
        if caller.anonymous:
            return Named.NOT
        if self.arns and caller.role_arn is not None and self._holds(caller.role_arn, caller.account, owner):
            return Named.ROLE
        return Named.ACCOUNT if self._names_account(caller) else Named.NOT

    def denies(self, caller: Caller, owner: str) -> bool:
        """Whether a statement that denies speaks of a caller, on a resource of the account `owner`."""
        if self.negated:
            return not self._spares(caller, owner)
        return self.everybody or self.any_aws or self.names(caller, owner) is not Named.NOT

    def _names_account(self, caller: Caller) -> bool:
        return (caller.account is not None and caller.account in self.accounts) or (
            bool(caller.canonical_id) and caller.canonical_id in self.canonical
        )

    def _holds(self, arn: str, account: str | None, owner: str) -> bool:
        if arn in self.arns:
            return True
        if account is not None and account != owner:
            return False
        # An ARN without an account is one of the owner's own.
        parsed = parse_arn(arn)
        return parsed is not None and f"arn:{parsed.partition}:{parsed.service}:::{parsed.resource}" in self.arns

    def _spares(self, caller: Caller, owner: str) -> bool:
        """Whether NotPrincipal lists all that the caller is: itself, its role and its account."""
        if self.everybody or self.any_aws:
            return True
        if caller.service is not None:
            return caller.service in self.services
        if caller.federated is not None and caller.account is None:
            return caller.federated in self.federated
        if caller.anonymous or not self._names_account(caller):
            return False
        if caller.account_root:
            return True
        names = (caller.arn, caller.role_arn) if caller.role_arn else (caller.arn,)
        return all(self._holds(name, caller.account, owner) for name in names)


def add_aws(text: str) -> tuple[str, str] | None:
    """Where a value of `AWS` belongs: `("everybody" | "account" | "arn", value)`; None for what names nobody."""
    if text == EVERYBODY:
        return "everybody", text
    if ACCOUNT.fullmatch(text):
        return "account", text
    arn = parse_arn(text)
    if arn is None or "*" in text or "?" in text or arn.region or arn.service not in ("iam", "sts"):
        return None
    if arn.account and not ACCOUNT.fullmatch(arn.account):
        return None
    if arn.resource == "root":
        return ("account", arn.account) if arn.account else None
    kind, _, name = arn.resource.partition("/")
    if not name or kind not in _SERVICES:
        return None
    # Ceph's gateway takes sessions as IAM's, too.
    return "arn", f"arn:{arn.partition}:{_SERVICES[kind]}::{arn.account}:{arn.resource}"
