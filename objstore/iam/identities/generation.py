"""How often identities have changed: a counter that every change raises, in its own transaction.

Each process keeps what it has read of identities for as long as the counter stays. A change that was acknowledged is
seen by whoever looks after it, in every process.
"""

from __future__ import annotations

from objstore.catalog.transaction import Transaction


def current(tx: Transaction) -> int:
    """The counter; 0 before the first change."""
    row = tx.steady("SELECT max(number) FROM iam_generation")
    return row[0] or 0 if row is not None else 0


def advance(tx: Transaction) -> None:
    """Raise the counter."""
    tx.run("INSERT INTO iam_generation (one, number) VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET number = number + 1")
