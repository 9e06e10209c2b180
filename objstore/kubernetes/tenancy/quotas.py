"""How much an account or a bucket may hold."""

from __future__ import annotations

from typing import NamedTuple

from objstore.client import Connection, StoreRefused
from objstore.kubernetes.tenancy import clients


class Target(NamedTuple):
    """What a quota is for, as the admin API names it."""

    scope: str
    name: str


class Quota(NamedTuple):
    """Limits in objects and bytes, None for none; and what is held now."""

    max_objects: int | None
    max_bytes: int | None
    objects: int
    bytes: int


def account(account_id: str) -> Target:
    """All that an account owns."""
    return Target("account", account_id)


def bucket(name: str) -> Target:
    """What is in a bucket."""
    return Target("bucket", name)


def find(connection: Connection, target: Target) -> Quota | None:
    """The quota of a target, None where there is none. Raises StoreRefused (NoSuchBucket)."""
    try:
        found = clients.ask(connection, "quota", **{target.scope: target.name})
    except StoreRefused as error:
        if error.code != "NoSuchEntity":
            raise
        return None
    return Quota(found["max_objects"], found["max_bytes"], found["objects"], found["bytes"])


def ensure(connection: Connection, target: Target, max_objects: int | None, max_bytes: int | None) -> bool:
    """Give a target these limits, None for none; without either it has no quota. Whether anything had to change."""
    found = find(connection, target)
    if (found.max_objects, found.max_bytes) == (max_objects, max_bytes) if found else max_objects is max_bytes is None:
        return False
    which = {target.scope: target.name}
    if max_objects is None and max_bytes is None:
        return not clients.absent(lambda: clients.ask(connection, "quota", "DELETE", **which), "NoSuchEntity")
    limits = {"objects": max_objects, "bytes": max_bytes}
    given = {name: str(limit) for name, limit in limits.items() if limit is not None}
    clients.ask(connection, "quota", "PUT", **which, **given)
    return True
