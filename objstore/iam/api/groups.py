"""CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup, AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import paging, shown, subjects
from objstore.iam.context import Context
from objstore.iam.identities import attachments, entities, inline, members, names
from objstore.iam.identities.records import Group, User


@operation(
    "CreateGroup",
    service="iam",
    action="iam:CreateGroup",
    supports={"Path"},
    concerns=subjects.new(Group, "GroupName"),
)
async def create_group(call: Call, context: Context) -> dict[str, Any]:
    new = Group(
        subjects.account(call),
        names.new_id(names.PREFIXES[Group]),
        call["GroupName"],
        call.get("Path") or "/",
        context.identities.now_us(),
    )
    await context.identities.write(lambda tx: entities.add(tx, new))
    return {"Group": shown.group(new)}


@operation("GetGroup", service="iam", action="iam:GetGroup", supports=paging.MEMBERS, concerns=subjects.named(Group))
async def get_group(call: Call, context: Context) -> dict[str, Any]:
    """A group and its users, in pages."""
    account, name = subjects.account(call), call["GroupName"]

    def look(tx: Transaction) -> tuple[Group, list[User]]:
        group = entities.require(tx, Group, account, name)
        return group, members.users_of(tx, group.id)

    group, users = context.identities.read(look)
    listing = paging.page(call, users, lambda one: one.name)
    return {"Group": shown.group(group), **paging.members("Users", listing, lambda one: shown.user(one, full=False))}


@operation(
    "ListGroups",
    service="iam",
    action="iam:ListGroups",
    supports=paging.MEMBERS | {"PathPrefix"},
    concerns=subjects.prefix(Group),
)
async def list_groups(call: Call, context: Context) -> dict[str, Any]:
    account, prefix = subjects.account(call), call.get("PathPrefix") or "/"
    start, most = paging.after(call), paging.limit(call)
    listing = context.identities.read(lambda tx: entities.page(tx, Group, account, prefix, start, most))
    return paging.members("Groups", listing, shown.group)


@operation(
    "UpdateGroup",
    service="iam",
    action="iam:UpdateGroup",
    supports={"NewPath", "NewGroupName"},
    concerns=subjects.named(Group),
)
async def update_group(call: Call, context: Context) -> None:
    account, name = subjects.account(call), call["GroupName"]

    def update(tx: Transaction) -> None:
        old = entities.require(tx, Group, account, name)
        entities.replace(
            tx,
            msgspec.structs.replace(
                old, name=call.get("NewGroupName") or old.name, path=call.get("NewPath") or old.path
            ),
        )

    await context.identities.write(update)


@operation("DeleteGroup", service="iam", action="iam:DeleteGroup", concerns=subjects.named(Group))
async def delete_group(call: Call, context: Context) -> None:
    account, name = subjects.account(call), call["GroupName"]

    def delete(tx: Transaction) -> None:
        group = entities.require(tx, Group, account, name)
        for what, left in (
            ("remove users from group", members.users_of(tx, group.id)),
            ("detach all policies", attachments.policies_of(tx, group.id)),
            ("delete policies", inline.all_of(tx, group.id)),
        ):
            if left:
                raise AwsError("DeleteConflict", f"Cannot delete entity, must {what} first.")
        entities.remove(tx, group)

    await context.identities.write(delete)


@operation(
    "AddUserToGroup",
    service="iam",
    action="iam:AddUserToGroup",
    concerns=subjects.named(Group),
)
async def add_user_to_group(call: Call, context: Context) -> None:
    account = subjects.account(call)

    def add(tx: Transaction) -> None:
        group = entities.require(tx, Group, account, call["GroupName"])
        members.add(tx, group, entities.require(tx, User, account, call["UserName"]))

    await context.identities.write(add)


@operation(
    "RemoveUserFromGroup",
    service="iam",
    action="iam:RemoveUserFromGroup",
    concerns=subjects.named(Group),
)
async def remove_user_from_group(call: Call, context: Context) -> None:
    account = subjects.account(call)

    def remove(tx: Transaction) -> None:
        group = entities.require(tx, Group, account, call["GroupName"])
        members.remove(tx, group, entities.require(tx, User, account, call["UserName"]))

    await context.identities.write(remove)


@operation(
    "ListGroupsForUser",
    service="iam",
    action="iam:ListGroupsForUser",
    supports=paging.MEMBERS,
    concerns=subjects.named(User),
)
async def list_groups_for_user(call: Call, context: Context) -> dict[str, Any]:
    account, name = subjects.account(call), call["UserName"]
    found = context.identities.read(lambda tx: members.groups_of(tx, entities.require(tx, User, account, name).id))
    return paging.members("Groups", paging.page(call, found, lambda one: one.name), shown.group)
