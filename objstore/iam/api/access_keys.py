"""CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed.

Without a UserName these are about the caller's own keys, which may be those of the account's root user. A secret is
told once, by CreateAccessKey; after that nobody can read it but who verifies signatures.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.aws.principal import Kind
from objstore.catalog.transaction import Transaction
from objstore.iam.api import paging, shown, subjects
from objstore.iam.context import Context
from objstore.iam.identities import entities, keys, names
from objstore.iam.identities.records import AccessKey, User


def owner(tx: Transaction, account: str, username: str | None) -> str:
    """The id of the user whose keys are meant, "" for the root user. Raises NoSuchEntity."""
    return "" if username is None else entities.require(tx, User, account, username).id


def _username(call: Call) -> str | None:
    if call.principal.kind is Kind.UNAFFILIATED and call.get("UserName") is None:
        raise AwsError("ValidationError", "The keys of a user without an account are in the configuration.")
    return call.get("UserName") or subjects.own_user(call)


@operation(
    "CreateAccessKey",
    service="iam",
    action="iam:CreateAccessKey",
    supports={"UserName"},
    concerns=subjects.named(User, own=True),
)
async def create_access_key(call: Call, context: Context) -> dict[str, Any]:
    account, username, identities = subjects.account(call), _username(call), context.identities
    unique, secret = names.new_id(names.KEY_PREFIX), names.new_secret()
    sealed, now = keys.seal(identities.master, unique, secret), identities.now_us()

    def create(tx: Transaction) -> tuple[AccessKey, str | None]:
        new = AccessKey(unique, account, owner(tx, account, username), sealed, now)
        keys.add(tx, new)
        return new, _shown_name(tx, account, username)

    new, name = await identities.write(create)
    members = shown.key(new, name)
    return {"AccessKey": {**members, "SecretAccessKey": secret}}


@operation(
    "ListAccessKeys",
    service="iam",
    action="iam:ListAccessKeys",
    supports=paging.MEMBERS | {"UserName"},
    concerns=subjects.named(User, own=True),
)
async def list_access_keys(call: Call, context: Context) -> dict[str, Any]:
    account, username = subjects.account(call), _username(call)

    def look(tx: Transaction) -> tuple[list[AccessKey], str | None]:
        found = keys.of_owner(tx, account, owner(tx, account, username))
        return [key for key in found if key.service is None], _shown_name(tx, account, username)

    found, name = context.identities.read(look)
    listing = paging.page(call, found, lambda key: key.id)
    return paging.members("AccessKeyMetadata", listing, lambda key: shown.key(key, name))


@operation(
    "UpdateAccessKey",
    service="iam",
    action="iam:UpdateAccessKey",
    supports={"UserName"},
    concerns=subjects.named(User, own=True),
)
async def update_access_key(call: Call, context: Context) -> None:
    account, username, active = subjects.account(call), _username(call), call["Status"] == "Active"
    if call["Status"] not in ("Active", "Inactive"):
        raise AwsError("ValidationError", "The status of an access key is Active or Inactive.")

    def update(tx: Transaction) -> None:
        key = keys.require(tx, account, owner(tx, account, username), call["AccessKeyId"])
        keys.activate(tx, key, active)

    await context.identities.write(update)


@operation(
    "DeleteAccessKey",
    service="iam",
    action="iam:DeleteAccessKey",
    supports={"UserName"},
    concerns=subjects.named(User, own=True),
)
async def delete_access_key(call: Call, context: Context) -> None:
    account, username = subjects.account(call), _username(call)

    def delete(tx: Transaction) -> None:
        keys.remove(tx, keys.require(tx, account, owner(tx, account, username), call["AccessKeyId"]))

    await context.identities.write(delete)


def _holder(call: Call, context: Context) -> str:
    """The ARN of who has the key that is named; `*` for one that is not the account's."""
    account = subjects.account(call)

    def look(tx: Transaction) -> str:
        key = keys.find(tx, call["AccessKeyId"])
        if key is None or key.account != account:
            return "*"
        user = entities.by_id(tx, User, key.owner) if key.owner else None
        return names.arn(user) if user is not None else names.root_arn(account)

    return context.identities.read(look)


@operation("GetAccessKeyLastUsed", service="iam", action="iam:GetAccessKeyLastUsed", concerns=_holder)
async def get_access_key_last_used(call: Call, context: Context) -> dict[str, Any]:
    """When a key of the caller's account was last used; a use is known everywhere a minute later."""
    account, unique = subjects.account(call), call["AccessKeyId"]

    def look(tx: Transaction) -> str:
        key = keys.find(tx, unique)
        if key is None or key.account != account:
            raise AwsError("AccessDenied", f"The access key {unique} is not one of this account.")
        user = entities.by_id(tx, User, key.owner) if key.owner else None
        return user.name if user is not None else call.principal.name

    name = context.identities.read(look)
    use = context.identities.last_use(unique)
    if use is None:
        return {"UserName": name, "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    return {
        "UserName": name,
        "AccessKeyLastUsed": {
            "LastUsedDate": shown.moment(use.at_us),
            "ServiceName": use.service,
            "Region": use.region,
        },
    }


def _shown_name(tx: Transaction, account: str, username: str | None) -> str | None:
    """The user's name in the case it was given; none for the root user."""
    return None if username is None else entities.require(tx, User, account, username).name
