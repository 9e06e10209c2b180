"""Notes: what there is one of in the whole store, such as where a walk stands. Rows of `settings`, by name."""

from __future__ import annotations

from typing import Any, TypeVar

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction

T = TypeVar("T")


def read(tx: Transaction, name: str, kind: type[T]) -> T | None:
    """What is noted under a name; None where nothing is. Raises CorruptRecord."""
    row = tx.one("SELECT value FROM settings WHERE name = ?", name)
    return None if row is None else unpack(row[0], kind)


def below(tx: Transaction, prefix: str, kind: type[T]) -> dict[str, T]:
    """All notes whose names begin with `prefix`, in ASCII, by the rest of their names. Raises CorruptRecord."""
    rows = tx.all(
        "SELECT name, value FROM settings WHERE name >= ? AND name < ? ORDER BY name", prefix, prefix + "\x7f"
    )
    return {name.removeprefix(prefix): unpack(value, kind) for name, value in rows}


def put(tx: Transaction, name: str, value: Any) -> None:
    """Note a value, in the place of what was noted before; None forgets that."""
    if value is None:
        tx.run("DELETE FROM settings WHERE name = ?", name)
        return
    tx.run(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        name,
        pack(value),
    )
