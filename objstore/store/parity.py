"""The parity that is wanted for new objects, until a ballot says so: a row, so that a crash forgets nothing."""

from __future__ import annotations

from objstore.catalog import notes
from objstore.catalog.transaction import Transaction

_ROW = "parity"


def wanted(tx: Transaction) -> int | None:
    """The parity that is to be; None when it is as wanted."""
    return notes.read(tx, _ROW, int)


def want(tx: Transaction, parity: int) -> None:
    """Have the next ballot say this parity."""
    notes.put(tx, _ROW, parity)


def settled(tx: Transaction, parity: int) -> None:
    """This parity is in force, or cannot be: unless another one is wanted by now, none is."""
    if wanted(tx) == parity:
        notes.put(tx, _ROW, None)
