"""Permissions boundaries of users and roles: a managed policy beyond which nothing is allowed.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, Handler, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import subjects
from objstore.iam.context import Context
from objstore.iam.identities import attachments, entities, managed
from objstore.iam.identities.records import Role, User

Bounded = TypeVar("Bounded", User, Role)


def bound(tx: Transaction, holder: Bounded, policy: str | None) -> Bounded:
    """Set or remove a boundary; the changed record. Raises NoSuchEntity for a policy that is not there."""
    if policy is not None:
        managed.require(tx, holder.account, policy)
    changed = msgspec.structs.replace(holder, boundary=policy)
    entities.replace(tx, changed)
    attachments.set_boundary(tx, holder, policy)
    return changed


def _put(kind: type[Any]) -> Handler:
    async def put_boundary(call: Call, context: Context) -> None:
        account, name = subjects.account(call), call[subjects.MEMBERS[kind]]
        policy = call["PermissionsBoundary"]
        await context.identities.write(lambda tx: bound(tx, entities.require(tx, kind, account, name), policy))

    return put_boundary


def _delete(kind: type[Any]) -> Handler:
    async def delete_boundary(call: Call, context: Context) -> None:
        account, name = subjects.account(call), call[subjects.MEMBERS[kind]]

        def delete(tx: Transaction) -> None:
            holder = entities.require(tx, kind, account, name)
            if holder.boundary is None:
                raise AwsError("NoSuchEntity", f"{kind.__name__} {name} has no permissions boundary.")
            bound(tx, holder, None)

        await context.identities.write(delete)

    return delete_boundary


_BOUNDED: tuple[type[Any], ...] = (User, Role)

for _kind in _BOUNDED:
    for _name, _handler in (
        (f"Put{_kind.__name__}PermissionsBoundary", _put(_kind)),
        (f"Delete{_kind.__name__}PermissionsBoundary", _delete(_kind)),
    ):
        operation(_name, service="iam", action=f"iam:{_name}", concerns=subjects.named(_kind))(_handler)
