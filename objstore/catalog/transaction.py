"""The protocol between what the store means and where rows live.

A *transaction function* is plain synchronous code over a `Transaction`: it looks first, decides, and writes after. It
sees one consistent snapshot and its own writes; either all that it wrote is published or nothing is. It may run more
than once (a commit that failed is tried again), so it touches nothing but the transaction. Statements that write go
through `run` and must be deterministic (no `random()`, no current time, no `LIMIT` without a full `ORDER BY`): they are
recorded and applied to the other mirrors word for word.
"""

from __future__ import annotations

from typing import Any, Protocol

Value = int | float | str | bytes | None
Row = tuple[Any, ...]


class Transaction(Protocol):
    """What a transaction function may do. SQL has positional `?` parameters."""

    def one(self, sql: str, *params: Value) -> Row | None:
        """The first row of a query, or None."""
        ...

    def steady(self, sql: str, *params: Value) -> Row | None:
        """As `one`, asked of buckets or of the generation of identities, or whether there are quotas: readers need not
        ask for it again while these do not change (see `catalog/steady.py`). That there is no row is not kept."""
        ...

    def all(self, sql: str, *params: Value) -> list[Row]:
        """All rows of a query."""
        ...

    def run(self, sql: str, *params: Value) -> int:
        """Execute one statement that writes; the number of rows it changed."""
        ...
