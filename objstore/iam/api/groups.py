"""CreateGroup, GetGroup, ListGroups, UpdateGroup, DeleteGroup, AddUserToGroup, RemoveUserFromGroup, ListGroupsForUser.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from objstore.aws.operation import Call, Handler, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import changes, paging, shown, subjects
from objstore.iam.context import Context
from objstore.iam.identities import entities, members, names
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


operation(
    "UpdateGroup",
    service="iam",
    action="iam:UpdateGroup",
    supports={"NewPath", "NewGroupName"},
    concerns=subjects.named(Group),
)(changes.renaming(Group))


@operation("DeleteGroup", service="iam", action="iam:DeleteGroup", concerns=subjects.named(Group))
async def delete_group(call: Call, context: Context) -> None:
    account, name = subjects.account(call), call["GroupName"]

    def delete(tx: Transaction) -> None:
        group = entities.require(tx, Group, account, name)
        changes.require_nothing_left(tx, group, ("remove users from group", members.users_of(tx, group.id)))
        entities.remove(tx, group)

    await context.identities.write(delete)


def _member(change: Callable[[Transaction, Group, User], None]) -> Handler:
    async def change_members(call: Call, context: Context) -> None:
        account = subjects.account(call)

        def run(tx: Transaction) -> None:
            group = entities.require(tx, Group, account, call["GroupName"])
            change(tx, group, entities.require(tx, User, account, call["UserName"]))

        await context.identities.write(run)

    return change_members


for _name, _change in (("AddUserToGroup", members.add), ("RemoveUserFromGroup", members.remove)):
    operation(_name, service="iam", action=f"iam:{_name}", concerns=subjects.named(Group))(_member(_change))


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
