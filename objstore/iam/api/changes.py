"""What changes of users, groups and roles have in common: new names and paths, and that nothing is deleted which has
anything left.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateUser.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, Handler
from objstore.catalog.transaction import Transaction
from objstore.iam.api import subjects
from objstore.iam.context import Context
from objstore.iam.identities import attachments, entities, inline
from objstore.iam.identities.inline import Holder


def renaming(kind: type[Any]) -> Handler:
    """UpdateUser and UpdateGroup: another name, another path, or both. Whatever refers to one does so by its id."""
    member = subjects.MEMBERS[kind]

    async def rename(call: Call, context: Context) -> None:
        account, name = subjects.account(call), call[member]

        def change(tx: Transaction) -> None:
            old = entities.require(tx, kind, account, name)
            new = call.get(f"New{member}") or old.name, call.get("NewPath") or old.path
            entities.replace(tx, msgspec.structs.replace(old, name=new[0], path=new[1]))

        await context.identities.write(change)

    return rename


def require_nothing_left(tx: Transaction, holder: Holder, *others: tuple[str, Collection[Any]]) -> None:
    """Raise DeleteConflict where somebody has policies, or any of the others, each with what must be done about it."""
    for what, left in (
        ("detach all policies", attachments.policies_of(tx, holder.id)),
        ("delete policies", inline.all_of(tx, holder.id)),
        *others,
    ):
        if left:
            raise AwsError("DeleteConflict", f"Cannot delete entity, must {what} first.")
