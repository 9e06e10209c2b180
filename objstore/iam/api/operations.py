"""Importing this module registers every operation of IAM."""

from objstore.iam.api import (
    access_keys,
    account,
    boundaries,
    groups,
    holder_policies,
    policies,
    policy_uses,
    providers,
    roles,
    simulating,
    tags,
    users,
)

__all__ = [
    "access_keys",
    "account",
    "boundaries",
    "groups",
    "holder_policies",
    "policies",
    "policy_uses",
    "providers",
    "roles",
    "simulating",
    "tags",
    "users",
]
