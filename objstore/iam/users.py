"""Who there is: the root user, and a static table of further users from the configuration file.

A user has a canonical id (what owns buckets and objects and stands in access control lists), a name shown beside it,
one access key with its secret, and perhaps an email address by which a grant may name it. The id of root does not
depend on its access key: whoever changes the key keeps the buckets.
https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from objstore.aws.principal import Credential, Principal
from objstore.store.types import Owner

ROOT: Final = Owner(hashlib.sha256(b"objstore root user").hexdigest(), "root")
"""Root as an owner: the same on every deployment."""


class UserEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[[users]]` table of the configuration file."""

    id: str
    name: str
    access_key: str
    secret_key: str
    email: str = ""

    def __repr__(self) -> str:
        return f"UserEntry(id={self.id!r}, name={self.name!r}, access_key={self.access_key!r})"


class UsersError(Exception):
    """The table of users contradicts itself; the message names the user."""


class Users:
    """Everybody the server knows, by access key, by canonical id and by email address.

    Raises UsersError when two users share an id, an access key or an email address, or one of the first two is empty.
    """

    def __init__(self, root_access_key: str, root_secret: str, entries: Iterable[UserEntry] = ()) -> None:
        root = Principal(ROOT.id, ROOT.name, "arn:aws:iam::objstore:root", access_key=root_access_key, is_root=True)
        self._credentials = {root_access_key: Credential(root_access_key, root_secret, root)}
        self._owners = {ROOT.id: ROOT}
        self._emails: dict[str, Owner] = {}
        for entry in entries:
            self._add(entry)

    def _add(self, entry: UserEntry) -> None:
        if not (entry.id and entry.access_key and entry.secret_key):
            raise UsersError(f"user {entry.name!r}: id, access_key and secret_key must not be empty")
        email = entry.email.lower()
        if entry.id in self._owners:
            raise UsersError(f"user {entry.name!r}: the id {entry.id!r} is taken")
        if entry.access_key in self._credentials:
            raise UsersError(f"user {entry.name!r}: the access key {entry.access_key!r} is taken")
        if email and email in self._emails:
            raise UsersError(f"user {entry.name!r}: the email address {email!r} is taken")
        owner = Owner(entry.id, entry.name)
        arn = f"arn:aws:iam::objstore:user/{entry.name}"
        principal = Principal(entry.id, entry.name, arn, access_key=entry.access_key)
        self._credentials[entry.access_key] = Credential(entry.access_key, entry.secret_key, principal)
        self._owners[entry.id] = owner
        if email:
            self._emails[email] = owner

    def credential(self, access_key: str) -> Credential | None:
        """The key, its secret and whom it speaks for; None when nobody has it."""
        return self._credentials.get(access_key)

    def by_id(self, canonical_id: str) -> Owner | None:
        """The user of a canonical id."""
        return self._owners.get(canonical_id)

    def by_email(self, email: str) -> Owner | None:
        """The user of an email address, in any case."""
        return self._emails.get(email.lower())


def owner_of(principal: Principal) -> Owner:
    """The principal as it owns what it makes."""
    return Owner(principal.id, principal.name)
