"""Inline policies: documents that belong to one user, group or role, by name.

All inline policies of one identity share a budget of characters, white space left out.
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-vs-inline.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.errors import AwsError
from objstore.catalog.transaction import Transaction
from objstore.iam.identities.records import Group, Role, User
from objstore.iam.policy import GROUP_INLINE_LIMIT, ROLE_INLINE_LIMIT, USER_INLINE_LIMIT, size

Holder = User | Group | Role

BUDGET: Final[dict[type, int]] = {User: USER_INLINE_LIMIT, Group: GROUP_INLINE_LIMIT, Role: ROLE_INLINE_LIMIT}


def put(tx: Transaction, holder: Holder, name: str, document: str) -> None:
    """Enter or replace a policy. Raises LimitExceeded."""
    others = sum(size(text) for other, text in all_of(tx, holder.id) if other != name)
    budget = BUDGET[type(holder)]
    if others + size(document) > budget:
        word = type(holder).__name__.lower()
        raise AwsError("LimitExceeded", f"Maximum policy size of {budget} bytes exceeded for {word} {holder.name}")
    tx.run(
        "INSERT INTO iam_inline (holder, name, document) VALUES (?, ?, ?)"
        " ON CONFLICT (holder, name) DO UPDATE SET document = excluded.document",
        holder.id,
        name.encode(),
        document,
    )


def get(tx: Transaction, holder: Holder, name: str) -> str:
    """A policy's document; raises NoSuchEntity."""
    row = tx.one("SELECT document FROM iam_inline WHERE holder = ? AND name = ?", holder.id, name.encode())
    if row is None:
        raise _missing(holder, name)
    return str(row[0])


def delete(tx: Transaction, holder: Holder, name: str) -> None:
    """Delete a policy; raises NoSuchEntity."""
    if not tx.run("DELETE FROM iam_inline WHERE holder = ? AND name = ?", holder.id, name.encode()):
        raise _missing(holder, name)


def all_of(tx: Transaction, holder: str) -> list[tuple[str, str]]:
    """Names and documents of the holder of that id, in order of name."""
    rows = tx.all("SELECT name, document FROM iam_inline WHERE holder = ? ORDER BY name", holder)
    return [(bytes(name).decode(), document) for name, document in rows]


def _missing(holder: Holder, name: str) -> AwsError:
    word = type(holder).__name__.lower()
    return AwsError("NoSuchEntity", f"The {word} policy with name {name} cannot be found.")
