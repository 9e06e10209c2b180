"""ListEntitiesForPolicy: to whom a managed policy is attached, or whose boundary it is.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html
"""

from __future__ import annotations

from typing import Any, Final

from objstore.aws.operation import Call, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import paging, subjects
from objstore.iam.context import Context
from objstore.iam.identities import attachments, entities, managed
from objstore.iam.identities.inline import Holder
from objstore.iam.identities.records import Group, Role, User

# Each kind: its filter, the member of the answer, and those of one entry.
_KINDS: Final[tuple[tuple[type[Any], str, str, str, str], ...]] = (
    (User, "User", "PolicyUsers", "UserName", "UserId"),
    (Group, "Group", "PolicyGroups", "GroupName", "GroupId"),
    (Role, "Role", "PolicyRoles", "RoleName", "RoleId"),
)


@operation(
    "ListEntitiesForPolicy",
    service="iam",
    action="iam:ListEntitiesForPolicy",
    supports=paging.MEMBERS | {"EntityFilter", "PathPrefix", "PolicyUsageFilter"},
    concerns=subjects.given("PolicyArn"),
)
async def list_entities_for_policy(call: Call, context: Context) -> dict[str, Any]:
    account, arn = subjects.account(call), call["PolicyArn"]
    usage, prefix = call.get("PolicyUsageFilter"), call.get("PathPrefix") or "/"

    def look(tx: Transaction) -> list[Holder]:
        managed.require(tx, account, arn)
        holders = [] if usage == "PermissionsBoundary" else attachments.holders_of(tx, arn)
        holders += [] if usage == "PermissionsPolicy" else attachments.bounded_by(tx, arn)
        kinds = [kind for kind, word, *_ in _KINDS if call.get("EntityFilter") in (None, word)]
        found = [entities.by_id(tx, kind, unique) for unique in dict.fromkeys(holders) for kind in kinds]
        return [one for one in found if one is not None and one.account == account and one.path.startswith(prefix)]

    listing = paging.page(call, context.identities.read(look), lambda one: one.id)
    shown: dict[str, Any] = {"IsTruncated": listing.next is not None}
    for kind, _, member, name, unique in _KINDS:
        shown[member] = [{name: one.name, unique: one.id} for one in listing.items if isinstance(one, kind)]
    if listing.next is not None:
        shown["Marker"] = listing.next
    return shown
