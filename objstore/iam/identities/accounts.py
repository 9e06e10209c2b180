"""Accounts: each has its own users, groups, roles and policies, and owns the buckets that these make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from objstore.aws.errors import AwsError
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.iam.identities.entities import Listing
from objstore.iam.identities.records import Account

_COLUMNS: Final = "id, canonical, name, email, record"


def find(tx: Transaction, account: str) -> Account | None:
    """The account of that id."""
    return _one(tx, "id", account)


def require(tx: Transaction, account: str) -> Account:
    """The account of that id; raises NoSuchEntity."""
    found = find(tx, account)
    if found is None:
        raise AwsError("NoSuchEntity", f"The account with id {account} cannot be found.")
    return found


def by_canonical(tx: Transaction, canonical: str) -> Account | None:
    """The account whose canonical user id that is."""
    return _one(tx, "canonical", canonical)


def by_email(tx: Transaction, email: str) -> Account | None:
    """The account of an email address, in any case."""
    return _one(tx, "email", email.lower()) if email else None


def by_name(tx: Transaction, name: str) -> Account | None:
    """The account of that name, in any case."""
    return _one(tx, "name", name.lower())


def max_buckets(tx: Transaction, canonical: str) -> int | None:
    """How many buckets the account of a canonical user id may own; None for no limit, as the configuration's have."""
    found = by_canonical(tx, canonical)
    return found.max_buckets if found is not None else None


def add(tx: Transaction, account: Account) -> None:
    """Enter a new account. Raises EntityAlreadyExists when id, name or email address is taken."""
    if by_name(tx, account.name) or find(tx, account.id) or by_canonical(tx, account.canonical):
        raise AwsError("EntityAlreadyExists", f"Account with name {account.name} already exists.")
    if by_email(tx, account.email):
        raise AwsError("EntityAlreadyExists", f"Account with email address {account.email} already exists.")
    tx.run(
        f"INSERT INTO iam_accounts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",
        account.id,
        account.canonical,
        account.name.lower(),
        account.email.lower(),
        pack(account),
    )


def change(tx: Transaction, account: str, to: Callable[[Account], Account]) -> Account:
    """Write an account anew; id, canonical id, name and email address stay. Raises NoSuchEntity."""
    changed = to(require(tx, account))
    tx.run("UPDATE iam_accounts SET record = ? WHERE id = ?", pack(changed), account)
    return changed


def remove(tx: Transaction, account: Account) -> None:
    """Delete an account that has nothing left in it. Raises DeleteConflict."""
    for table, column, value, what in (
        ("iam_entities", "account", account.id, "users, groups, roles, policies and providers"),
        ("iam_keys", "account", account.id, "access keys"),
        ("buckets", "owner", account.canonical.encode(), "buckets"),
    ):
        if tx.one(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", value) is not None:
            raise AwsError("DeleteConflict", f"Cannot delete account {account.id}, must delete its {what} first.")
    tx.run("DELETE FROM iam_accounts WHERE id = ?", account.id)


def page(tx: Transaction, after: str | None, limit: int) -> Listing[Account]:
    """Accounts in order of id."""
    rows = tx.all("SELECT record FROM iam_accounts WHERE id > ? ORDER BY id LIMIT ?", after or "", limit + 1)
    items = [unpack(record, Account) for (record,) in rows[:limit]]
    return Listing(items, items[-1].id if len(rows) > limit and items else None)


def _one(tx: Transaction, column: str, value: str) -> Account | None:
    row = tx.one(f"SELECT record FROM iam_accounts WHERE {column} = ?", value)
    return unpack(row[0], Account) if row is not None else None
