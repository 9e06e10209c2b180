"""Accounts for administrators: `/-/admin/v1/accounts`, and `/-/admin/v1/users` for what IAM has no operation for.

GET lists accounts page by page, or tells the one whose `id` or `name` is given. POST makes one of a `name`, and perhaps
an `email` address and `max_buckets`. PUT with `suspended` true or false shuts one out, or lets it in again; with
`max_buckets` it says how many buckets the account may own, where an empty one means as many as it likes. DELETE removes
one with nothing left.
PUT on `users` does to a user, named by `account` and `name`, what it does to an account.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.catalog.transaction import Transaction
from objstore.iam.identities import accounts, entities, names
from objstore.iam.identities.records import Account, User
from objstore.server.admin_api import Parameters
from objstore.server.node import Node

PAGE: Final = 1000
_MOST_NAME: Final = 128
_MOST_BUCKETS: Final = 10**9


class AccountPages:
    """What the admin API answers of accounts."""

    def __init__(self, node: Node) -> None:
        self._identities = node.identities

    async def __call__(self, method: str, given: Parameters) -> Any:
        if method == "POST":
            return await self._create(given)
        unique = given.get("id")
        if method == "GET" and unique is None:
            return self._named(given["name"]) if "name" in given else self._list(given.get("after"))
        if unique is None:
            raise missing("id")
        if method == "PUT":
            changed = _changed(given)
            return _account(
                await self._identities.write(
                    lambda tx: accounts.change(tx, unique, lambda one: msgspec.structs.replace(one, **changed))
                )
            )
        found = self._identities.read(lambda tx: accounts.require(tx, unique))
        if method == "DELETE":
            await self._identities.write(lambda tx: accounts.remove(tx, accounts.require(tx, unique)))
        return _account(found)

    async def _create(self, given: Parameters) -> dict[str, Any]:
        name, email = given.get("name", "").strip(), given.get("email", "").strip()
        if not name or len(name) > _MOST_NAME or not name.isprintable():
            raise AwsError("InvalidArgument", f"An account has a name of 1 to {_MOST_NAME} characters.")
        if email and ("@" not in email or len(email) > 254):
            raise AwsError("InvalidArgument", f"{email[:254]} is no email address.")
        if self._identities.users.by_email(email) is not None:
            raise AwsError("EntityAlreadyExists", f"Account with email address {email} already exists.")
        new = Account(
            names.new_account(),
            secrets.token_hex(32),
            name,
            email,
            self._identities.now_us(),
            max_buckets=_max_buckets(given.get("max_buckets", "")),
        )
        await self._identities.write(lambda tx: accounts.add(tx, new))
        return _account(new)

    def _named(self, name: str) -> dict[str, Any]:
        found = self._identities.read(lambda tx: accounts.by_name(tx, name))
        if found is None:
            raise AwsError("NoSuchEntity", f"The account with name {name[:_MOST_NAME]} cannot be found.")
        return _account(found)

    def _list(self, after: str | None) -> dict[str, Any]:
        found = self._identities.read(lambda tx: accounts.page(tx, after, PAGE))
        return {"accounts": [_account(one) for one in found.items], "next": found.next}


def _changed(given: Parameters) -> dict[str, Any]:
    """The members of an account that a request gives anew."""
    changed: dict[str, Any] = {}
    if "max_buckets" in given:
        changed["max_buckets"] = _max_buckets(given["max_buckets"])
    if "suspended" in given or not changed:
        changed["suspended"] = flag(given, "suspended")
    return changed


def _max_buckets(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= _MOST_BUCKETS):
        raise AwsError(
            "InvalidArgument",
            f"max_buckets is a number from 0 to {_MOST_BUCKETS}, or empty for no limit.",
            ArgumentName="max_buckets",
            ArgumentValue=text[:32],
        )
    return int(text)


def _account(one: Account) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "email": one.email,
        "canonical_id": one.canonical,
        "created": one.created_us // 1_000_000,
        "suspended": one.suspended,
        "max_buckets": one.max_buckets,
    }


class UserPages:
    """What the admin API does to users."""

    def __init__(self, node: Node) -> None:
        self._identities = node.identities

    async def __call__(self, method: str, given: Parameters) -> Any:
        account, name = given.get("account", names.DEPLOYMENT), given.get("name")
        if name is None:
            raise missing("name")
        if method == "PUT":
            suspended = flag(given, "suspended")
            return await self._identities.write(lambda tx: _suspend(tx, account, name, suspended))
        return _shown(self._identities.read(lambda tx: entities.require(tx, User, account, name)))


def _suspend(tx: Transaction, account: str, name: str, suspended: bool) -> dict[str, Any]:
    user = msgspec.structs.replace(entities.require(tx, User, account, name), suspended=suspended)
    entities.replace(tx, user)
    return _shown(user)


def _shown(user: User) -> dict[str, Any]:
    return {"account": user.account, "name": user.name, "arn": names.arn(user), "suspended": user.suspended}


def flag(given: Parameters, name: str) -> bool:
    """A parameter that is true or false. Raises InvalidArgument."""
    text = given.get(name)
    if text not in ("true", "false"):
        raise AwsError("InvalidArgument", f"{name} is true or false.", ArgumentName=name, ArgumentValue=text or "")
    return text == "true"


def missing(name: str) -> AwsError:
    """InvalidArgument for a parameter that must be there."""
    return AwsError("InvalidArgument", f"The parameter {name} is missing.", ArgumentName=name)
