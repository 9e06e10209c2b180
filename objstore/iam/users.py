"""Who there is without a catalog: the deployment's root user, and a table of further users from the configuration file.

Each user of the table is the root user of an account of its own, whose id is the user's: it owns the buckets it makes,
and may have users, roles and policies of its own. With `account = ""` it has none, as Ceph's users outside accounts:
its ARN is `arn:aws:iam:::user/ID`, roles and policies of the account without a number concern it, and those of them
with `admin = true` make them. The id of root does not depend on its access key: whoever changes the key keeps the
buckets.
https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, Literal, Protocol

import msgspec

from objstore.aws.principal import Credential, Kind, Principal
from objstore.iam.identities.names import DEPLOYMENT, SHARED, root_arn
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
    account: Literal[""] | None = None
    admin: bool = False

    def __repr__(self) -> str:
        return f"UserEntry(id={self.id!r}, name={self.name!r}, access_key={self.access_key!r})"


class UsersError(Exception):
    """The table of users contradicts itself; the message names the user."""


class Directory(Protocol):
    """Where else owners are looked up: the accounts of the catalog."""

    def by_id(self, canonical_id: str) -> Owner | None: ...
    def by_email(self, email: str) -> Owner | None: ...


class Users:
    """Everybody the configuration names, by access key, by canonical id and by email address.

    Raises UsersError when two users share an id, an access key or an email address, or one of the first two is empty.
    """

    def __init__(self, root_access_key: str, root_secret: str, entries: Iterable[UserEntry] = ()) -> None:
        arn = root_arn(DEPLOYMENT)
        root = Principal(
            *(ROOT.id, ROOT.name, arn), access_key=root_access_key, is_root=True, account=DEPLOYMENT, user_id=DEPLOYMENT
        )
        self.root = root
        self.elsewhere: Directory | None = None
        self._credentials = {root_access_key: Credential(root_access_key, root_secret, root)}
        self._owners = {ROOT.id: ROOT}
        self._accounts = {ROOT.id: DEPLOYMENT}
        self._roots = {DEPLOYMENT: root}
        self._admins: set[str] = set()
        self._emails: dict[str, Owner] = {}
        for entry in entries:
            self._add(entry)

    def _add(self, entry: UserEntry) -> None:
        if not (entry.id and entry.access_key and entry.secret_key):
            raise UsersError(f"user {entry.name!r}: id, access_key and secret_key must not be empty")
        email = entry.email.lower()
        if entry.id in self._owners or entry.id == DEPLOYMENT:
            raise UsersError(f"user {entry.name!r}: the id {entry.id!r} is taken")
        if entry.access_key in self._credentials:
            raise UsersError(f"user {entry.name!r}: the access key {entry.access_key!r} is taken")
        if email and email in self._emails:
            raise UsersError(f"user {entry.name!r}: the email address {email!r} is taken")
        if entry.admin and entry.account is None:
            raise UsersError(f'user {entry.name!r}: admin = true goes with account = "": who has an account rules it')
        owner, principal = Owner(entry.id, entry.name), _principal(entry)
        self._credentials[entry.access_key] = Credential(entry.access_key, entry.secret_key, principal)
        self._owners[entry.id] = owner
        self._accounts[entry.id] = principal.account
        if entry.account is None:
            self._roots[entry.id] = principal
        elif entry.admin:
            self._admins.add(entry.id)
        if email:
            self._emails[email] = owner

    def credential(self, access_key: str) -> Credential | None:
        """The key, its secret and whom it speaks for; None when nobody has it."""
        return self._credentials.get(access_key)

    def by_id(self, canonical_id: str) -> Owner | None:
        """The user or account of a canonical id."""
        found = self._owners.get(canonical_id)
        return self.elsewhere.by_id(canonical_id) if found is None and self.elsewhere is not None else found

    def by_email(self, email: str) -> Owner | None:
        """The user or account of an email address, in any case."""
        found = self._emails.get(email.lower())
        return self.elsewhere.by_email(email) if found is None and self.elsewhere is not None else found

    def account_of(self, canonical_id: str) -> str | None:
        """The id of the account of a canonical id; None for one that the configuration does not name."""
        return self._accounts.get(canonical_id)

    def everybody(self) -> Iterator[Principal]:
        """The root user and all users of the configuration."""
        return (credential.principal for credential in self._credentials.values())

    def account_root(self, account: str) -> Principal | None:
        """The root user of an account of the configuration."""
        return self._roots.get(account)

    def administers(self, principal: Principal) -> bool:
        """Whether a user without an account may make roles and policies in the account without a number."""
        return principal.account == SHARED and principal.id in self._admins


def _principal(entry: UserEntry) -> Principal:
    if entry.account is None:
        return Principal(
            entry.id,
            entry.name,
            root_arn(entry.id),
            access_key=entry.access_key,
            account=entry.id,
            user_id=entry.id,
        )
    return Principal(
        entry.id,
        entry.name,
        f"arn:aws:iam::{SHARED}:user/{entry.id}",
        access_key=entry.access_key,
        kind=Kind.UNAFFILIATED,
        account=SHARED,
        user_id=entry.id,
        username=entry.id,
    )


def creator_of(principal: Principal) -> str:
    """The unique id under which what the principal writes counts: of the user or role, whatever its session."""
    return principal.user_id.partition(":")[0]


def owner_of(principal: Principal) -> Owner:
    """The principal as it owns what it makes: its account."""
    return Owner(principal.id, principal.name)
