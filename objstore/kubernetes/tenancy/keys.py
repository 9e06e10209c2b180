"""Access keys of users. A secret is told once, when its key is made: a key that nobody holds is replaced."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from objstore.client import Connection, StoreRefused
from objstore.kubernetes.tenancy import clients
from objstore.kubernetes.tenancy.accounts import Tenant
from objstore.kubernetes.tenancy.clients import absent, told


@dataclass(frozen=True)
class Key:
    """An access key; its secret where it was made just now."""

    access: str
    secret: str | None = field(default=None, repr=False)


def ensure(
    connection: Connection,
    tenant: Tenant,
    held: str | None,
    *,
    user: str | None = None,
    keep: Collection[str] = (),
) -> Key:
    """The key that is `held`, when it is an active one of the user; else a new one.

    All other keys are deleted, save those to `keep`, of which there may be one.
    """
    user = user or tenant.user
    iam = clients.iam(connection)
    with clients.acting_for(connection, tenant.id):
        there = _listed(iam, user)
        good = any(one["AccessKeyId"] == held and one["Status"] == "Active" for one in there)
        kept = {*keep, held} if good else set(keep)
        for one in there:
            if one["AccessKeyId"] not in kept:
                _delete(iam, user, one["AccessKeyId"])
        if good and held is not None:
            return Key(held)
        made = told(iam.create_access_key, UserName=user)["AccessKey"]
        return Key(made["AccessKeyId"], made["SecretAccessKey"])


def speaks_for(connection: Connection, access: str, secret: str) -> str | None:
    """The ARN of whom an access key with that secret speaks for; None where the two are not good together."""
    with clients.acting_with(access, secret):
        try:
            return str(told(clients.sts(connection).get_caller_identity)["Arn"])
        except StoreRefused:
            return None


def active(connection: Connection, tenant: Tenant, key: str, *, user: str | None = None) -> bool:
    """Whether that is an active key of the user."""
    with clients.acting_for(connection, tenant.id):
        there = _listed(clients.iam(connection), user or tenant.user)
    return any(one["AccessKeyId"] == key and one["Status"] == "Active" for one in there)


def rotate(connection: Connection, tenant: Tenant, held: str, *, user: str | None = None) -> Key:
    """A new key beside the one that is held, which stays good until `ensure` is called with the new one as held."""
    return ensure(connection, tenant, None, user=user, keep=(held,))


def revoke(connection: Connection, tenant: Tenant, *, user: str | None = None) -> None:
    """Delete all keys of the user, if there is one."""
    user = user or tenant.user
    iam = clients.iam(connection)
    with clients.acting_for(connection, tenant.id):

        def delete() -> None:
            for one in _listed(iam, user):
                _delete(iam, user, one["AccessKeyId"])

        absent(delete, "NoSuchEntity")


def _listed(iam: Any, user: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = told(iam.list_access_keys, UserName=user)["AccessKeyMetadata"]
    return found


def _delete(iam: Any, user: str, key: str) -> None:
    absent(lambda: told(iam.delete_access_key, UserName=user, AccessKeyId=key), "NoSuchEntity")
