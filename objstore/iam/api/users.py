"""CreateUser, GetUser, ListUsers, UpdateUser, DeleteUser.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import boundaries, changes, paging, shown, subjects, tags
from objstore.iam.context import Context
from objstore.iam.identities import attachments, entities, keys, members, names
from objstore.iam.identities.records import User


@operation(
    "CreateUser",
    service="iam",
    action="iam:CreateUser",
    supports={"Path", "PermissionsBoundary", "Tags"},
    concerns=subjects.new(User, "UserName"),
)
async def create_user(call: Call, context: Context) -> dict[str, Any]:
    account, boundary = subjects.account(call), call.get("PermissionsBoundary")
    new = User(
        account,
        names.new_id(names.PREFIXES[User]),
        call["UserName"],
        call.get("Path") or "/",
        context.identities.now_us(),
        tags.joined((), tags.read(call.get("Tags"))),
    )

    def create(tx: Transaction) -> User:
        entities.add(tx, new)
        return boundaries.bound(tx, new, boundary) if boundary else new

    return {"User": shown.user(await context.identities.write(create))}


@operation(
    "GetUser",
    service="iam",
    action="iam:GetUser",
    supports={"UserName"},
    concerns=subjects.named(User, own=True),
)
async def get_user(call: Call, context: Context) -> dict[str, Any]:
    """A user; without a name the caller, who may be the root user of its account."""
    account, name = subjects.account(call), call.get("UserName") or subjects.own_user(call)
    if name is not None:
        return {"User": shown.user(context.identities.read(lambda tx: entities.require(tx, User, account, name)))}
    return {
        "User": {
            "Path": "/",
            "UserName": call.principal.name,
            "UserId": account,
            "Arn": names.root_arn(account),
            "CreateDate": shown.moment(context.identities.account_created_us(account)),
        }
    }


@operation(
    "ListUsers",
    service="iam",
    action="iam:ListUsers",
    supports=paging.MEMBERS | {"PathPrefix"},
    concerns=subjects.prefix(User),
)
async def list_users(call: Call, context: Context) -> dict[str, Any]:
    account, prefix = subjects.account(call), call.get("PathPrefix") or "/"
    start, most = paging.after(call), paging.limit(call)
    listing = context.identities.read(lambda tx: entities.page(tx, User, account, prefix, start, most))
    return paging.members("Users", listing, lambda one: shown.user(one, full=False))


operation(
    "UpdateUser",
    service="iam",
    action="iam:UpdateUser",
    supports={"NewPath", "NewUserName"},
    concerns=subjects.named(User),
)(changes.renaming(User))


@operation("DeleteUser", service="iam", action="iam:DeleteUser", concerns=subjects.named(User))
async def delete_user(call: Call, context: Context) -> None:
    """Delete a user who has nothing left; service accounts go with it."""
    account, name = subjects.account(call), call["UserName"]

    def delete(tx: Transaction) -> None:
        user = entities.require(tx, User, account, name)
        owned = keys.of_owner(tx, account, user.id)
        changes.require_nothing_left(
            tx,
            user,
            ("delete access keys", [key for key in owned if key.service is None]),
            ("remove users from group", members.groups_of(tx, user.id)),
        )
        for key in owned:
            keys.remove(tx, key)
        attachments.forget(tx, user.id)
        entities.remove(tx, user)

    await context.identities.write(delete)
