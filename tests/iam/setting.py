"""Identities over a catalog in memory, with a clock that is set."""

from __future__ import annotations

from typing import Any

from objstore.iam.identities import keys, names
from objstore.iam.identities.records import AccessKey, Account, Narrowed, User
from objstore.iam.identities.resolver import Identities
from objstore.iam.users import UserEntry, Users
from objstore.kms.master import MasterKey
from tests.store.fakes import MemoryCatalog

MASTER = MasterKey(bytes(range(32)))
ENTRIES = (
    UserEntry(id="tenant", name="Tenant", access_key="AKTENANT", secret_key="very-secret", email="t@example.com"),
    UserEntry(id="lone", name="Lone", access_key="AKLONE", secret_key="very-secret", account=""),
    UserEntry(id="chief", name="Chief", access_key="AKCHIEF", secret_key="very-secret", account="", admin=True),
)


class Clock:
    """Unix seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def identities(clock: Clock | None = None, catalog: Any = None) -> Identities:
    """A resolver over an empty catalog, with root, a tenant, and two users without an account."""
    users = Users("rootkey", "root-secret", ENTRIES)
    return Identities(catalog or MemoryCatalog(), MASTER, users, clock=clock or Clock())


def account(number: int = 1) -> Account:
    return Account(f"{number:012d}", f"{number:064x}", f"Account {number}", f"a{number}@example.com", 0)


def user(of: Account, name: str = "alice") -> User:
    return User(of.id, names.new_id("AIDA"), name, "/", 0)


def key(of: User | Account, secret: str = "a-secret-of-forty-characters", service: Narrowed | None = None) -> AccessKey:
    unique = names.new_id(names.KEY_PREFIX)
    sealed = keys.seal(MASTER, unique, secret)
    owner, of_account = (of.id, of.account) if isinstance(of, User) else ("", of.id)
    return AccessKey(unique, of_account, owner, sealed, 0, service=service)
