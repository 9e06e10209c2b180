"""Tags of users, roles, policies and OIDC providers: up to fifty, with keys that are one whatever their case.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, Concerns, Handler, operation
from objstore.catalog.transaction import Transaction
from objstore.iam.api import paging, subjects
from objstore.iam.context import Context
from objstore.iam.identities import entities, managed
from objstore.iam.identities.entities import MOST_TAGS
from objstore.iam.identities.records import ManagedPolicy, Provider, Role, Tags, User

Tagged = User | Role | ManagedPolicy | Provider


def read(given: Iterable[Mapping[str, Any]] | None) -> Tags:
    """Tags as a request gives them. Raises InvalidInput."""
    tags = tuple((one["Key"], one.get("Value", "")) for one in given or ())
    if len({key.lower() for key, _ in tags}) != len(tags):
        raise AwsError("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    for key, _ in tags:
        if key.lower().startswith("aws:"):
            raise AwsError("InvalidInput", "Tag keys that begin with aws: are reserved for AWS.")
    return tags


def shown(tags: Tags) -> list[dict[str, str]]:
    """Tags as an answer gives them."""
    return [{"Key": key, "Value": value} for key, value in tags]


def joined(old: Tags, new: Tags) -> Tags:
    """New tags take the place of old ones with the same key. Raises LimitExceeded."""
    replaced = {key.lower() for key, _ in new}
    tags = (*(tag for tag in old if tag[0].lower() not in replaced), *new)
    if len(tags) > MOST_TAGS:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for TagsPerResource: {MOST_TAGS}")
    return tags


def without(old: Tags, keys: Iterable[str]) -> Tags:
    """What is left when tags are removed by key."""
    gone = {key.lower() for key in keys}
    return tuple(tag for tag in old if tag[0].lower() not in gone)


def find(tx: Transaction, kind: type[Any], account: str, name: str) -> Tagged:
    """The tagged entity, by its name or, where it is known by that, its ARN. Raises NoSuchEntity."""
    if kind is ManagedPolicy:
        policy: ManagedPolicy = managed.require_own(tx, account, name)
        return policy
    if kind is Provider:
        name = name.partition(":oidc-provider/")[2]
    found: Tagged = entities.require(tx, kind, account, name)
    return found


def look(tx: Transaction, kind: type[Any], account: str, name: str) -> Tagged | None:
    """The same, None for one that is not there or, as AWS's own policies, is nobody's to tag."""
    try:
        return find(tx, kind, account, name)
    except AwsError:
        return None


def _changing(kind: type[Any], member: str, change: Callable[[Call, Tags], Tags]) -> Handler:
    async def change_tags(call: Call, context: Context) -> None:
        account, name = subjects.account(call), str(call[member])

        def run(tx: Transaction) -> None:
            found = find(tx, kind, account, name)
            entities.replace(tx, msgspec.structs.replace(found, tags=change(call, found.tags)))

        await context.identities.write(run)

    return change_tags


def _added(call: Call, old: Tags) -> Tags:
    return joined(old, read(call["Tags"]))


def _removed(call: Call, old: Tags) -> Tags:
    return without(old, call["TagKeys"])


def _list(kind: type[Any], member: str) -> Handler:
    async def list_tags(call: Call, context: Context) -> dict[str, Any]:
        account, name = subjects.account(call), str(call[member])
        found = context.identities.read(lambda tx: find(tx, kind, account, name))
        listing = paging.page(call, found.tags, lambda tag: tag[0])
        return paging.members("Tags", listing, lambda tag: {"Key": tag[0], "Value": tag[1]})

    return list_tags


def _register(word: str, kind: type[Any], member: str, concerns: Concerns) -> None:
    for name, handler, supports in (
        (f"Tag{word}", _changing(kind, member, _added), frozenset[str]()),
        (f"Untag{word}", _changing(kind, member, _removed), frozenset[str]()),
        (f"List{word}Tags", _list(kind, member), paging.MEMBERS),
    ):
        operation(name, service="iam", action=f"iam:{name}", supports=supports, concerns=concerns)(handler)


_register("User", User, "UserName", subjects.named(User))
_register("Role", Role, "RoleName", subjects.named(Role))
_register("Policy", ManagedPolicy, "PolicyArn", subjects.given("PolicyArn"))
_register("OpenIDConnectProvider", Provider, "OpenIDConnectProviderArn", subjects.given("OpenIDConnectProviderArn"))
