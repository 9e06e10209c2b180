"""Service accounts for administrators: `/-/admin/v1/service-accounts`.

A service account is an access key of a user, or of an account's root user, with a `name`, and perhaps a `policy` that
narrows what the user may do, a `description`, and an end (`expires`, Unix seconds). GET lists those of a user, or of
the root user where no `user` is given; POST makes one and answers its secret, this once; PUT changes `active`; DELETE
removes one. Those two name it by `key`.
"""

from __future__ import annotations

from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.catalog.transaction import Transaction
from objstore.iam import policy
from objstore.iam.api.access_keys import owner
from objstore.iam.identities import keys, names
from objstore.iam.identities.records import AccessKey, Narrowed
from objstore.server.accounts import flag, missing
from objstore.server.admin_api import Parameters
from objstore.server.node import Node

_MOST_NAME: Final = 64
_MOST_DESCRIPTION: Final = 256


class ServiceAccountPages:
    """What the admin API answers of service accounts."""

    def __init__(self, node: Node) -> None:
        self._identities = node.identities

    async def __call__(self, method: str, given: Parameters) -> Any:
        account, user = given.get("account", names.DEPLOYMENT), given.get("user")
        if not self._identities.is_account(account):
            raise AwsError("NoSuchEntity", f"There is no account {account}.")
        if method == "GET":
            found = self._identities.read(lambda tx: keys.of_owner(tx, account, owner(tx, account, user)))
            return {"service_accounts": [shown(key) for key in found if key.service is not None]}
        if method == "POST":
            return await self._create(account, user, given)
        unique = given.get("key")
        if unique is None:
            raise missing("key")

        def change(tx: Transaction) -> AccessKey:
            key = keys.find(tx, unique)
            if key is None or key.account != account or key.service is None:
                raise AwsError("NoSuchEntity", f"There is no service account {unique}.")
            if method == "DELETE":
                keys.remove(tx, key)
            else:
                keys.activate(tx, key, flag(given, "active"))
            return keys.find(tx, unique) or key

        return shown(await self._identities.write(change))

    async def _create(self, account: str, user: str | None, given: Parameters) -> dict[str, Any]:
        service = _described(given, self._identities.clock())
        unique, secret = names.new_id(names.KEY_PREFIX), names.new_secret()
        sealed, now = keys.seal(self._identities.master, unique, secret), self._identities.now_us()

        def create(tx: Transaction) -> AccessKey:
            new = AccessKey(unique, account, owner(tx, account, user), sealed, now, service=service)
            keys.add(tx, new)
            return new

        return {**shown(await self._identities.write(create)), "secret_key": secret}


def _described(given: Parameters, now: float) -> Narrowed:
    name, description, document = given.get("name", ""), given.get("description", ""), given.get("policy")
    if not name or len(name) > _MOST_NAME or not name.isprintable():
        raise AwsError("InvalidArgument", f"A service account has a name of 1 to {_MOST_NAME} characters.")
    if len(description) > _MOST_DESCRIPTION:
        raise AwsError("InvalidArgument", f"A description has at most {_MOST_DESCRIPTION} characters.")
    if document is not None:
        if policy.size(document) > policy.SESSION_LIMIT:
            raise AwsError("LimitExceeded", f"The policy has at most {policy.SESSION_LIMIT} characters.")
        policy.parse(document, policy.Kind.SESSION)
    return Narrowed(name, description, document, _end(given.get("expires"), now))


def _end(text: str | None, now: float) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12) or int(text) <= now:
        raise AwsError("InvalidArgument", "expires is a time to come, in Unix seconds.", ArgumentName="expires")
    return int(text) * 1_000_000


def shown(key: AccessKey) -> dict[str, Any]:
    """A service account without its secret."""
    assert key.service is not None, "only service accounts are shown"
    service = key.service
    return {
        "access_key": key.id,
        "name": service.name,
        "description": service.description,
        "active": key.active,
        "created": key.created_us // 1_000_000,
        "expires": service.expires_us // 1_000_000 if service.expires_us is not None else None,
        "policy": service.policy,
    }
