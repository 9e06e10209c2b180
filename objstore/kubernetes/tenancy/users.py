"""IAM users of an account: the tenant's own, and further ones where a driver keeps several in one account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from objstore.client import Connection
from objstore.kubernetes.tenancy import clients
from objstore.kubernetes.tenancy.clients import absent, told

Rights = Mapping[str, Mapping[str, Any]]
"""Inline policies by name, as IAM's documents."""

STORAGE: Final[Rights] = {
    "storage": {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "OwnBuckets", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
}
"""Everything of S3, with the buckets of the own account and with those of others whose policies let it in."""

_GONE: Final = "NoSuchEntity"


def ensure(connection: Connection, account: str, user: str, rights: Rights) -> bool:
    """Make a user, and its inline policies exactly these; whether anything had to change."""
    iam = clients.iam(connection)
    with clients.acting_for(connection, account):
        made = not absent(lambda: told(iam.create_user, UserName=user), "EntityAlreadyExists")
        there = [] if made else _every(iam, "list_user_policies", "PolicyNames", UserName=user)
        changed = made
        for name, document in rights.items():
            known = name in there and told(iam.get_user_policy, UserName=user, PolicyName=name)["PolicyDocument"]
            if known != document:
                told(iam.put_user_policy, UserName=user, PolicyName=name, PolicyDocument=json.dumps(document))
                changed = True
        for name in set(there) - set(rights):
            absent(lambda name=name: told(iam.delete_user_policy, UserName=user, PolicyName=name), _GONE)  # type: ignore[misc]
            changed = True
    return changed


def rights(connection: Connection, account: str, user: str) -> dict[str, Any] | None:
    """The inline policies of a user; None when there is no such user."""
    iam = clients.iam(connection)
    with clients.acting_for(connection, account):
        found: dict[str, Any] = {}

        def read() -> None:
            for name in _every(iam, "list_user_policies", "PolicyNames", UserName=user):
                found[name] = told(iam.get_user_policy, UserName=user, PolicyName=name)["PolicyDocument"]

        return None if absent(read, _GONE) else found


def remove(connection: Connection, account: str, user: str) -> None:
    """Remove a user with its keys, policies and memberships, if it is there."""
    with clients.acting_for(connection, account):
        absent(lambda: _remove_user(clients.iam(connection), user), _GONE)


def remove_all(connection: Connection, account: str) -> None:
    """Remove every identity of an account: users, groups, roles, managed policies, providers, and its root's keys."""
    iam = clients.iam(connection)
    with clients.acting_for(connection, account):
        for key in _every(iam, "list_access_keys", "AccessKeyMetadata"):
            absent(lambda key=key: told(iam.delete_access_key, AccessKeyId=key["AccessKeyId"]), _GONE)  # type: ignore[misc]
        for user in _every(iam, "list_users", "Users"):
            absent(lambda user=user: _remove_user(iam, user["UserName"]), _GONE)  # type: ignore[misc]
        for group in _every(iam, "list_groups", "Groups"):
            absent(lambda group=group: _remove_holder(iam, "group", GroupName=group["GroupName"]), _GONE)  # type: ignore[misc]
        for role in _every(iam, "list_roles", "Roles"):
            absent(lambda role=role: _remove_holder(iam, "role", RoleName=role["RoleName"]), _GONE)  # type: ignore[misc]
        for policy in _every(iam, "list_policies", "Policies", Scope="Local"):
            absent(lambda policy=policy: _remove_policy(iam, policy["Arn"]), _GONE)  # type: ignore[misc]
        for provider in told(iam.list_open_id_connect_providers)["OpenIDConnectProviderList"]:
            told(iam.delete_open_id_connect_provider, OpenIDConnectProviderArn=provider["Arn"])


def _remove_user(iam: Any, user: str) -> None:
    for key in _every(iam, "list_access_keys", "AccessKeyMetadata", UserName=user):
        told(iam.delete_access_key, UserName=user, AccessKeyId=key["AccessKeyId"])
    for group in _every(iam, "list_groups_for_user", "Groups", UserName=user):
        told(iam.remove_user_from_group, UserName=user, GroupName=group["GroupName"])
    _remove_holder(iam, "user", UserName=user)


def _remove_holder(iam: Any, kind: str, **which: str) -> None:
    """Remove a user, group or role with the policies that it holds."""
    for name in _every(iam, f"list_{kind}_policies", "PolicyNames", **which):
        told(getattr(iam, f"delete_{kind}_policy"), PolicyName=name, **which)
    for policy in _every(iam, f"list_attached_{kind}_policies", "AttachedPolicies", **which):
        told(getattr(iam, f"detach_{kind}_policy"), PolicyArn=policy["PolicyArn"], **which)
    told(getattr(iam, f"delete_{kind}"), **which)


def _remove_policy(iam: Any, arn: str) -> None:
    for version in _every(iam, "list_policy_versions", "Versions", PolicyArn=arn):
        if not version["IsDefaultVersion"]:
            told(iam.delete_policy_version, PolicyArn=arn, VersionId=version["VersionId"])
    told(iam.delete_policy, PolicyArn=arn)


def _every(iam: Any, operation: str, member: str, **members: Any) -> list[Any]:
    """All items of a list that comes in pages."""
    pages = iam.get_paginator(operation).paginate(**members)
    found: list[Any] = told(lambda: [item for page in pages for item in page[member]])
    return found
