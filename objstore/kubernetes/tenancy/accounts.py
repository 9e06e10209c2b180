"""Accounts of tenants: found by name, made with a limit of buckets, and removed with all identities in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from objstore.client import Connection, StoreRefused
from objstore.kubernetes.tenancy import clients, quotas, users
from objstore.kubernetes.tenancy.naming import MOST_USER, fitting
from objstore.kubernetes.tenancy.users import STORAGE, Rights


@dataclass(frozen=True)
class Tenant:
    """An account: its id of twelve digits, the canonical user id as which it owns buckets, and its name."""

    id: str
    canonical: str
    name: str

    @property
    def user(self) -> str:
        """The name of its IAM user: the account's own, cut to what IAM allows."""
        return fitting(self.name, MOST_USER)

    @property
    def arn(self) -> str:
        """Whom a bucket policy names to let the account in."""
        return f"arn:aws:iam::{self.id}:root"

    @property
    def user_arn(self) -> str:
        """Whom a bucket policy names to let its user in, and nobody else of the account."""
        return f"arn:aws:iam::{self.id}:user/{self.user}"


def find(connection: Connection, name: str) -> Tenant | None:
    """The tenant of that name (in any case)."""
    found = _find(connection, name)
    return None if found is None else _tenant(found)


def ensure(
    connection: Connection,
    name: str,
    *,
    max_buckets: int | None,
    max_objects: int | None = None,
    max_bytes: int | None = None,
    rights: Rights = STORAGE,
) -> Tenant:
    """The tenant of that name with its user, made or repaired.

    It may own `max_buckets` buckets, None for no limit. Where `max_objects` or `max_bytes` is given, both become the
    quota of all it owns; without either a quota that somebody else set stays. The user's policies are `rights` alone.
    """
    found = _find(connection, name)
    if found is None:
        limit = {} if max_buckets is None else {"max_buckets": str(max_buckets)}
        try:
            found = clients.ask(connection, "accounts", "POST", name=name, **limit)
        except StoreRefused as error:
            if error.code != "EntityAlreadyExists" or (found := _find(connection, name)) is None:
                raise
    if found["max_buckets"] != max_buckets:
        given = "" if max_buckets is None else str(max_buckets)
        clients.ask(connection, "accounts", "PUT", id=found["id"], max_buckets=given)
    tenant = _tenant(found)
    if (max_objects, max_bytes) != (None, None):
        quotas.ensure(connection, quotas.account(tenant.id), max_objects, max_bytes)
    users.ensure(connection, tenant.id, tenant.user, rights)
    return tenant


def suspend(connection: Connection, tenant: Tenant, suspended: bool = True) -> None:
    """Let nobody of the account in, or let it in again."""
    clients.ask(connection, "accounts", "PUT", id=tenant.id, suspended="true" if suspended else "false")


def remove(connection: Connection, tenant: Tenant) -> None:
    """Remove the account with its users, keys, policies and quota.

    Raises StoreRefused with DeleteConflict while it owns buckets, and then its keys are gone already.
    """
    gone = ("NoSuchEntity",)
    if clients.absent(lambda: clients.ask(connection, "accounts", id=tenant.id), *gone):
        return
    users.remove_all(connection, tenant.id)
    quotas.ensure(connection, quotas.account(tenant.id), None, None)
    clients.absent(lambda: clients.ask(connection, "accounts", "DELETE", id=tenant.id), *gone)


def _find(connection: Connection, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = clients.ask(connection, "accounts", name=name)
    except StoreRefused as error:
        if error.code != "NoSuchEntity":
            raise
        return None
    return found


def _tenant(found: dict[str, Any]) -> Tenant:
    return Tenant(found["id"], found["canonical_id"], found["name"])
