"""CreateRole, GetRole, ListRoles, UpdateRole, UpdateRoleDescription, UpdateAssumeRolePolicy, DeleteRole.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import boundaries, changes, documents, paging, shown, subjects, tags
from objstore.iam.context import Context
from objstore.iam.identities import attachments, entities, names
from objstore.iam.identities.records import Role


@operation(
    "CreateRole",
    service="iam",
    action="iam:CreateRole",
    supports={"Path", "Description", "MaxSessionDuration", "PermissionsBoundary", "Tags"},
    concerns=subjects.new(Role, "RoleName"),
)
async def create_role(call: Call, context: Context) -> dict[str, Any]:
    boundary = call.get("PermissionsBoundary")
    new = Role(
        subjects.account(call),
        names.new_id(names.PREFIXES[Role]),
        call["RoleName"],
        call.get("Path") or "/",
        context.identities.now_us(),
        documents.trust(call["AssumeRolePolicyDocument"]),
        call.get("Description") or "",
        call.get("MaxSessionDuration") or 3600,
        tags.joined((), tags.read(call.get("Tags"))),
    )

    def create(tx: Transaction) -> Role:
        entities.add(tx, new)
        return boundaries.bound(tx, new, boundary) if boundary else new

    return {"Role": shown.role(await context.identities.write(create))}


@operation("GetRole", service="iam", action="iam:GetRole", concerns=subjects.named(Role))
async def get_role(call: Call, context: Context) -> dict[str, Any]:
    account, name = subjects.account(call), call["RoleName"]
    return {"Role": shown.role(context.identities.read(lambda tx: entities.require(tx, Role, account, name)))}


@operation(
    "ListRoles",
    service="iam",
    action="iam:ListRoles",
    supports=paging.MEMBERS | {"PathPrefix"},
    concerns=subjects.prefix(Role),
)
async def list_roles(call: Call, context: Context) -> dict[str, Any]:
    account, prefix = subjects.account(call), call.get("PathPrefix") or "/"
    start, most = paging.after(call), paging.limit(call)
    listing = context.identities.read(lambda tx: entities.page(tx, Role, account, prefix, start, most))
    return paging.members("Roles", listing, lambda one: shown.role(one, full=False))


async def _update(call: Call, context: Context, **changes: Any) -> Role:
    account, name = subjects.account(call), call["RoleName"]

    def update(tx: Transaction) -> Role:
        changed = msgspec.structs.replace(entities.require(tx, Role, account, name), **changes)
        entities.replace(tx, changed)
        return changed

    return await context.identities.write(update)


@operation(
    "UpdateRole",
    service="iam",
    action="iam:UpdateRole",
    supports={"Description", "MaxSessionDuration"},
    concerns=subjects.named(Role),
)
async def update_role(call: Call, context: Context) -> None:
    """Change what is given; the rest stays."""
    given = {"Description": "description", "MaxSessionDuration": "longest"}
    await _update(call, context, **{field: call[member] for member, field in given.items() if member in call})


@operation("UpdateRoleDescription", service="iam", action="iam:UpdateRoleDescription", concerns=subjects.named(Role))
async def update_role_description(call: Call, context: Context) -> dict[str, Any]:
    return {"Role": shown.role(await _update(call, context, description=call["Description"]))}


@operation("UpdateAssumeRolePolicy", service="iam", action="iam:UpdateAssumeRolePolicy", concerns=subjects.named(Role))
async def update_assume_role_policy(call: Call, context: Context) -> None:
    await _update(call, context, trust=documents.trust(call["PolicyDocument"]))


@operation("DeleteRole", service="iam", action="iam:DeleteRole", concerns=subjects.named(Role))
async def delete_role(call: Call, context: Context) -> None:
    """Delete a role that has no policies; its sessions end with it."""
    account, name = subjects.account(call), call["RoleName"]

    def delete(tx: Transaction) -> None:
        role = entities.require(tx, Role, account, name)
        changes.require_nothing_left(tx, role)
        attachments.forget(tx, role.id)
        entities.remove(tx, role)

    await context.identities.write(delete)
