"""Policies of users, groups and roles: inline ones (Put, Get, Delete, List) and attached managed ones (Attach, Detach,
List). The operations of the three kinds are alike, so they are made from one description.

https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_manage.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call, Handler, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import documents, paging, shown, subjects
from objstore.iam.context import Context
from objstore.iam.identities import attachments, entities, inline, managed
from objstore.iam.identities.inline import Holder
from objstore.iam.identities.records import Group, Role, User


def _holder(tx: Transaction, kind: type[Any], call: Call) -> Holder:
    found: Holder = entities.require(tx, kind, subjects.account(call), call[subjects.MEMBERS[kind]])
    return found


def _put(kind: type[Any]) -> Handler:
    async def put_policy(call: Call, context: Context) -> None:
        document = documents.identity(call["PolicyDocument"], of_role=kind is Role)
        await context.identities.write(lambda tx: inline.put(tx, _holder(tx, kind, call), call["PolicyName"], document))

    return put_policy


def _get(kind: type[Any]) -> Handler:
    async def get_policy(call: Call, context: Context) -> dict[str, Any]:
        def look(tx: Transaction) -> tuple[Holder, str]:
            holder = _holder(tx, kind, call)
            return holder, inline.get(tx, holder, call["PolicyName"])

        holder, document = context.identities.read(look)
        return {
            subjects.MEMBERS[kind]: holder.name,
            "PolicyName": call["PolicyName"],
            "PolicyDocument": shown.document(document),
        }

    return get_policy


def _delete(kind: type[Any]) -> Handler:
    async def delete_policy(call: Call, context: Context) -> None:
        await context.identities.write(lambda tx: inline.delete(tx, _holder(tx, kind, call), call["PolicyName"]))

    return delete_policy


def _list(kind: type[Any]) -> Handler:
    async def list_policies(call: Call, context: Context) -> dict[str, Any]:
        found = context.identities.read(lambda tx: inline.all_of(tx, _holder(tx, kind, call).id))
        return paging.listed(call, "PolicyNames", [name for name, _ in found])

    return list_policies


def _attach(kind: type[Any]) -> Handler:
    async def attach_policy(call: Call, context: Context) -> None:
        def attach(tx: Transaction) -> None:
            holder = _holder(tx, kind, call)
            managed.require(tx, holder.account, call["PolicyArn"])
            attachments.attach(tx, holder, call["PolicyArn"])

        await context.identities.write(attach)

    return attach_policy


def _detach(kind: type[Any]) -> Handler:
    async def detach_policy(call: Call, context: Context) -> None:
        await context.identities.write(lambda tx: attachments.detach(tx, _holder(tx, kind, call), call["PolicyArn"]))

    return detach_policy


def _list_attached(kind: type[Any]) -> Handler:
    async def list_attached(call: Call, context: Context) -> dict[str, Any]:
        prefix = call.get("PathPrefix") or "/"
        found = context.identities.read(lambda tx: attachments.policies_of(tx, _holder(tx, kind, call).id))
        kept = [arn for arn in found if ("/" + arn.partition(":policy/")[2]).startswith(prefix)]
        return paging.members("AttachedPolicies", paging.page(call, kept, paging.plain), attached)

    return list_attached


def attached(arn: str) -> dict[str, str]:
    """An attached policy as an answer shows it."""
    return {"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn}


_HOLDERS: tuple[type[Any], ...] = (User, Group, Role)

for _kind in _HOLDERS:
    _word = _kind.__name__
    for _name, _handler, _supports in (
        (f"Put{_word}Policy", _put(_kind), frozenset[str]()),
        (f"Get{_word}Policy", _get(_kind), frozenset[str]()),
        (f"Delete{_word}Policy", _delete(_kind), frozenset[str]()),
        (f"List{_word}Policies", _list(_kind), paging.MEMBERS),
        (f"Attach{_word}Policy", _attach(_kind), frozenset[str]()),
        (f"Detach{_word}Policy", _detach(_kind), frozenset[str]()),
        (f"ListAttached{_word}Policies", _list_attached(_kind), paging.MEMBERS | {"PathPrefix"}),
    ):
        operation(_name, service="iam", action=f"iam:{_name}", supports=_supports, concerns=subjects.named(_kind))(
            _handler
        )
