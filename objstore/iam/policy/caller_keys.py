"""Condition keys about the caller, derived from who it is.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from objstore.iam.policy.types import Caller, Keys, Values
from objstore.iam.policy.variables import Lookup


def _principal_type(caller: Caller) -> str | None:
    if caller.anonymous:
        return "Anonymous"
    if caller.service is not None:
        return None
    if caller.account_root:
        return "Account"
    if caller.role_arn is not None:
        return "AssumedRole"
    return "FederatedUser" if ":federated-user/" in caller.arn or caller.federated else "User"


_DERIVED: Final[dict[str, Callable[[Caller], str | None]]] = {
    "aws:federatedprovider": lambda caller: caller.federated,
    "aws:principalaccount": lambda caller: caller.account,
    "aws:principalarn": lambda caller: None if caller.anonymous or caller.service else caller.role_arn or caller.arn,
    "aws:principalisawsservice": lambda caller: "false" if caller.service is None else "true",
    "aws:principalservicename": lambda caller: caller.service,
    "aws:principaltype": _principal_type,
    "aws:userid": lambda caller: caller.user_id or ("anonymous" if caller.anonymous else None),
    "aws:username": lambda caller: caller.username,
}


def lookup_of(keys: Keys, caller: Caller) -> Lookup:
    """The request's keys, and those of the caller where the request does not give them."""

    def lookup(name: str) -> Values | None:
        values = keys.get(name)
        if values:
            return values
        derive = _DERIVED.get(name)
        value = derive(caller) if derive else None
        return None if value is None else (value,)

    return lookup
