"""Access keys that an administrator brings along, as from another store: POST `/-/admin/v1/keys`, in JSON.

IAM generates keys and takes none; applications that moved keep theirs by this.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.catalog.transaction import Transaction
from objstore.iam.api.access_keys import owner
from objstore.iam.identities import keys, names
from objstore.iam.identities.records import AccessKey
from objstore.server.node import Node

_ID: Final = re.compile(r"\w{16,128}", re.ASCII)  # AWS's model: other ids could not be named to IAM
_SECRET: Final = re.compile(r"[\x21-\x7e]{8,128}")


class GivenKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key for the user of that name, or for the account's root user where there is no name."""

    account: str
    access_key: str
    secret_key: str
    user: str | None = None

    def __repr__(self) -> str:
        return f"GivenKey({self.access_key!r})"


class GivenKeyPages:
    """Enters a key, or gives one of the same owner this secret."""

    def __init__(self, node: Node) -> None:
        self._identities = node.identities

    async def __call__(self, given: GivenKey) -> dict[str, Any]:
        if not _ID.fullmatch(given.access_key) or given.access_key.startswith(names.SESSION_PREFIX):
            raise AwsError(
                "InvalidArgument",
                f"An access key has 16 to 128 letters, digits and _, and does not begin with {names.SESSION_PREFIX}.",
            )
        if not _SECRET.fullmatch(given.secret_key):
            raise AwsError("InvalidArgument", "A secret key has 8 to 128 visible characters of ASCII.")
        if self._identities.users.credential(given.access_key) is not None:
            raise AwsError("EntityAlreadyExists", f"Access key {given.access_key} already exists.")
        identities = self._identities
        sealed, now = keys.seal(identities.master, given.access_key, given.secret_key), identities.now_us()

        def enter(tx: Transaction) -> AccessKey:
            whose = owner(tx, given.account, given.user)
            there = keys.find(tx, given.access_key)
            if there is None or (there.account, there.owner) != (given.account, whose) or there.service is not None:
                new = AccessKey(given.access_key, given.account, whose, sealed, now)
                keys.add(tx, new)
                return new
            if there.active and keys.unseal(identities.master, there) == given.secret_key:
                return there
            return keys.change(tx, there, lambda one: msgspec.structs.replace(one, sealed=sealed, active=True))

        found = await identities.write(enter)
        return {"access_key": found.id, "account": found.account, "active": found.active}
