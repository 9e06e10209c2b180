"""The parity that is wanted for new objects, until a ballot says so: a row, so that a crash forgets nothing."""

from __future__ import annotations

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction

_ROW = "parity"


def wanted(tx: Transaction) -> int | None:
    """The parity that is to be; None when it is as wanted."""
    row = tx.one("SELECT value FROM settings WHERE name = ?", _ROW)
    return None if row is None else unpack(row[0], int)


def want(tx: Transaction, parity: int) -> None:
    """Have the next ballot say this parity."""
    tx.run(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        _ROW,
        pack(parity),
    )


def settled(tx: Transaction, parity: int) -> None:
    """This parity is in force, or cannot be: unless another one is wanted by now, none is."""
    if wanted(tx) == parity:
        tx.run("DELETE FROM settings WHERE name = ?", _ROW)
