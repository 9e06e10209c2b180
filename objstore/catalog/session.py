"""Transactions over one SQLite connection: one that only reads, and one that records what it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import apsw

from objstore.catalog.errors import CatalogError
from objstore.catalog.redo import Statement
from objstore.catalog.steady import changed_by
from objstore.catalog.transaction import Row, Transaction, Value

T = TypeVar("T")


class Reading:
    """A `Transaction` that only reads."""

    __slots__ = ("_execute",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._execute = connection.execute

    def one(self, sql: str, *params: Value) -> Row | None:
        row: Row | None = self._execute(sql, params).fetchone()
        return row

    def steady(self, sql: str, *params: Value) -> Row | None:
        return self.one(sql, *params)

    def all(self, sql: str, *params: Value) -> list[Row]:
        rows: list[Row] = self._execute(sql, params).fetchall()
        return rows

    def rows(self, sql: str, *params: Value) -> Iterator[Row]:
        """The rows one by one, however many there are."""
        yield from self._execute(sql, params)

    def run(self, sql: str, *params: Value) -> int:
        raise CatalogError("a function given to Catalog.read must not write")


class Writing(Reading):
    """A `Transaction` over a database that is nobody else's yet: nothing is recorded, and its maker commits."""

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self._connection = connection

    def run(self, sql: str, *params: Value) -> int:
        before = self._connection.total_changes()
        self._execute(sql, params)
        changed: int = self._connection.total_changes() - before
        return changed


class Recorder(Reading):
    """A `Transaction` that records. Many functions share it, one after another, each undone alone when it raises.

    `statements` are those that changed anything, `changed` how many rows they did, `unsteady` whether one of them
    changed what seldom changes: until then all functions are given the same rows of it."""

    __slots__ = ("_connection", "_kept", "_nested", "_total", "changed", "statements", "unsteady")

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self._connection = connection
        self._kept: dict[tuple[str, tuple[Value, ...]], Row | None] = {}
        self._nested = False
        self._total = connection.total_changes()
        self.unsteady = False
        self.statements: list[Statement] = []
        self.changed = 0

    def steady(self, sql: str, *params: Value) -> Row | None:
        if self.unsteady:
            return self.one(sql, *params)
        asked = sql, params
        if asked not in self._kept:
            self._kept[asked] = self.one(sql, *params)
        return self._kept[asked]

    def run(self, sql: str, *params: Value) -> int:
        if not self._nested:  # only what writes needs a savepoint
            self._execute("SAVEPOINT call")
            self._nested = True
        self._execute(sql, params)
        total = self._connection.total_changes()
        changed: int = total - self._total
        self._total = total
        if changed:
            self.statements.append((sql, params))
            self.changed += changed
            if not self.unsteady and changed_by(self._connection, sql):
                self.unsteady = True
        return changed

    def call(self, function: Callable[[Transaction], T]) -> T:
        """Run one function; when it raises, nothing of it remains."""
        mark, before = len(self.statements), self.changed
        try:
            result = function(self)
            if self._connection.total_changes() != self._total:
                raise CatalogError("a statement that writes must go through Transaction.run")
        except BaseException:
            del self.statements[mark:]
            self.changed = before
            self._end("ROLLBACK TO call")
            raise
        self._end()
        return result

    def define(self, sql: str) -> None:
        """Execute and record a statement that changes the schema."""
        before = self._connection.total_changes()
        self._execute(sql)
        self._total = self._connection.total_changes()
        self.unsteady = True
        self.statements.append((sql, ()))
        self.changed += self._total - before

    def _end(self, first: str | None = None) -> None:
        if self._nested:
            self._nested = False
            if self._connection.in_transaction:  # SQLite undoes all by itself on some I/O errors
                if first:
                    self._execute(first)
                self._execute("RELEASE call")
        self._total = self._connection.total_changes()
