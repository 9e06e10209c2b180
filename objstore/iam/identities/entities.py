"""What users, groups, roles, managed policies and OIDC providers have in common: a name that is unique in the account
whatever its case, a path, a unique id, and lists in order of name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from objstore.aws.errors import AwsError
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.iam.identities.names import folded
from objstore.iam.identities.records import Entity, Group, ManagedPolicy, Provider, Role, User

T = TypeVar("T", User, Group, Role, ManagedPolicy, Provider)
Item = TypeVar("Item")

_KINDS: Final[dict[type, str]] = {
    User: "user",
    Group: "group",
    Role: "role",
    ManagedPolicy: "policy",
    Provider: "oidc-provider",
}
# How many an account may have. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MOST: Final[dict[type, int]] = {User: 5000, Group: 300, Role: 1000, ManagedPolicy: 1500, Provider: 100}
MOST_TAGS: Final = 50


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """A page of a list; `next` continues it, None at the end."""

    items: list[Item]
    next: str | None = None


def kind_of(kind: type) -> str:
    """The word for a kind: `user`, `group`, `role`, `policy`, `oidc-provider`."""
    return _KINDS[kind]


def find(tx: Transaction, kind: type[T], account: str, name: str) -> T | None:
    """The entity of that name, in any case."""
    row = tx.one(
        "SELECT record FROM iam_entities WHERE account = ? AND kind = ? AND name = ?",
        account,
        _KINDS[kind],
        folded(name),
    )
    return unpack(row[0], kind) if row is not None else None


def require(tx: Transaction, kind: type[T], account: str, name: str) -> T:
    """The entity of that name; raises NoSuchEntity."""
    found = find(tx, kind, account, name)
    if found is None:
        raise missing(kind, name)
    return found


def by_id(tx: Transaction, kind: type[T], unique: str) -> T | None:
    """The entity of a unique id."""
    row = tx.one("SELECT record FROM iam_entities WHERE id = ? AND kind = ?", unique, _KINDS[kind])
    return unpack(row[0], kind) if row is not None else None


def missing(kind: type, name: str) -> AwsError:
    """NoSuchEntity in AWS's words."""
    return AwsError("NoSuchEntity", f"The {_KINDS[kind]} with name {name} cannot be found.")


def add(tx: Transaction, entity: Entity) -> None:
    """Enter a new one. Raises EntityAlreadyExists, LimitExceeded."""
    kind = type(entity)
    _require_free(tx, kind, entity.account, entity.name)
    most = MOST[kind]
    if count(tx, kind, entity.account) >= most:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for {_plural(kind)}PerAccount: {most}")
    tx.run(
        "INSERT INTO iam_entities (account, kind, name, id, path, record) VALUES (?, ?, ?, ?, ?, ?)",
        entity.account,
        _KINDS[kind],
        folded(entity.name),
        entity.id,
        entity.path,
        pack(entity),
    )


def replace(tx: Transaction, entity: Entity) -> None:
    """Write an entity anew, by its id; its name may be another. Raises EntityAlreadyExists."""
    kind = type(entity)
    row = tx.one("SELECT name FROM iam_entities WHERE id = ?", entity.id)
    assert row is not None, "what is replaced was read in the same transaction"
    if row[0] != folded(entity.name):
        _require_free(tx, kind, entity.account, entity.name)
    tx.run(
        "UPDATE iam_entities SET name = ?, path = ?, record = ? WHERE id = ?",
        folded(entity.name),
        entity.path,
        pack(entity),
        entity.id,
    )


def remove(tx: Transaction, entity: Entity) -> None:
    """Delete an entity. What must be gone before it has been looked at by the caller."""
    tx.run("DELETE FROM iam_entities WHERE id = ?", entity.id)


def count(tx: Transaction, kind: type, account: str) -> int:
    """How many of a kind an account has."""
    row = tx.one("SELECT COUNT(*) FROM iam_entities WHERE account = ? AND kind = ?", account, _KINDS[kind])
    return int(row[0]) if row else 0


def page(tx: Transaction, kind: type[T], account: str, prefix: str, after: str | None, limit: int) -> Listing[T]:
    """Entities in order of name, whose path begins with `prefix`, behind the name `after`."""
    rows = tx.all(
        "SELECT record FROM iam_entities WHERE account = ? AND kind = ? AND name > ? AND substr(path, 1, ?) = ?"
        " ORDER BY name LIMIT ?",
        account,
        _KINDS[kind],
        folded(after or ""),
        len(prefix),
        prefix,
        limit + 1,
    )
    items = [unpack(record, kind) for (record,) in rows[:limit]]
    return Listing(items, items[-1].name if len(rows) > limit and items else None)


def every(tx: Transaction, kind: type[T], account: str) -> list[T]:
    """All of a kind in an account, in order of name."""
    return page(tx, kind, account, "", None, MOST[kind]).items


def _require_free(tx: Transaction, kind: type, account: str, name: str) -> None:
    taken = tx.one(
        "SELECT 1 FROM iam_entities WHERE account = ? AND kind = ? AND name = ?", account, _KINDS[kind], folded(name)
    )
    if taken is not None:
        raise AwsError("EntityAlreadyExists", f"{_title(kind)} with name {name} already exists.")


def _title(kind: type) -> str:
    word = _KINDS[kind]
    return "OIDC provider" if kind is Provider else word.capitalize()


def _plural(kind: type) -> str:
    return "Policies" if kind is ManagedPolicy else f"{kind.__name__}s"
