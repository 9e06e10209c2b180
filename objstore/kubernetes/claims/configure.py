"""A claim's additionalConfig made so at its store.

What the claim says is brought about. What it said before and no longer says is taken back. What it never said anything
of is left to whoever set it by hand.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

from objstore.client import Connection
from objstore.kubernetes.claims.configuration import Configuration, Document, Limits
from objstore.kubernetes.tenancy import accounts, policies, quotas
from objstore.kubernetes.tenancy.quotas import Target
from objstore.kubernetes.tenancy.settings import CORS, ENCRYPTION, LIFECYCLE, OBJECT_LOCK, TAGS, VERSIONING, Setting

_UNNAMED_USER: Final = "arn:aws:iam:::user/"


def account(connection: Connection, account_id: str, wanted: Configuration, before: Configuration) -> None:
    """The quota of the claim's own account."""
    _limit(connection, quotas.account(account_id), wanted.user_limits, before.user_limits)


def bucket(connection: Connection, name: str, wanted: Configuration, before: Configuration) -> None:
    """Everything that is about the bucket. Raises StoreRefused with what the store does not take."""
    _limit(connection, quotas.bucket(name), wanted.bucket_limits, before.bucket_limits)
    if wanted.versioning or wanted.object_lock:
        VERSIONING.ensure(connection, name, {"Status": wanted.versioning or "Enabled"})
    if wanted.object_lock or before.object_lock:
        # Object lock is for ever: only the retention of new objects can be taken back.
        OBJECT_LOCK.ensure(connection, name, dict(wanted.object_lock or {"ObjectLockEnabled": "Enabled"}))
    for setting, value, said in _documents(wanted, before):
        if value is not None or said is not None:
            setting.ensure(connection, name, dict(value) if value is not None else None)
    if wanted.policy is not None or before.policy is not None:
        policies.ensure(connection, name, _with_names(connection, wanted.policy))


def _documents(wanted: Configuration, before: Configuration) -> Iterator[tuple[Setting, Document | None, Any]]:
    yield LIFECYCLE, wanted.lifecycle, before.lifecycle
    yield CORS, wanted.cors, before.cors
    yield TAGS, _tag_set(wanted), before.tags
    yield ENCRYPTION, wanted.encryption, before.encryption


def _tag_set(wanted: Configuration) -> Document | None:
    if wanted.tags is None:
        return None
    return {"TagSet": [{"Key": key, "Value": value} for key, value in wanted.tags.items()]} if wanted.tags else {}


def _limit(connection: Connection, target: Target, wanted: Limits, before: Limits) -> None:
    """A quota, each half of it by itself; a negative number is no limit."""
    if not wanted and not before:
        return
    found = quotas.find(connection, target)
    objects = _half(wanted.objects, before.objects, found.max_objects if found else None)
    size = _half(wanted.bytes, before.bytes, found.max_bytes if found else None)
    quotas.ensure(connection, target, objects, size)


def _half(wanted: int | None, before: int | None, found: int | None) -> int | None:
    if wanted is not None:
        return wanted if wanted >= 0 else None
    return found if before is None else None


def _with_names(connection: Connection, policy: Document | None) -> dict[str, Any] | None:
    """A policy in which users are named by accounts, as this store has them, where it names them as Ceph does."""
    if policy is None:
        return None
    told: dict[str, Any] = copy.deepcopy(dict(policy))
    statements = told["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for member in ("Principal", "NotPrincipal"):
            principal = statement.get(member) if isinstance(statement, dict) else None
            if isinstance(principal, dict) and "AWS" in principal:
                named = principal["AWS"]
                if isinstance(named, list):
                    principal["AWS"] = [_principal(connection, one) for one in named]
                else:
                    principal["AWS"] = _principal(connection, named)
    return told


def _principal(connection: Connection, named: Any) -> Any:
    if not isinstance(named, str) or not named.startswith(_UNNAMED_USER):
        return named
    tenant = accounts.find(connection, named.removeprefix(_UNNAMED_USER))
    return named if tenant is None else tenant.arn
