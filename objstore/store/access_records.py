"""Lines of access logs that wait to be delivered: a table, written in batches and emptied by the jobs process.

A row has what one worker gathered within half a second for one target, packed. `target` says where lines go: rows
of the same target become one log object.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.store.types import Owner

_ROWS: Final = 10_000


class Target(msgspec.Struct, frozen=True, array_like=True):
    """Where lines go: of which bucket they tell, whose it is, its logging (a JSON document), and perhaps their day."""

    source: str
    owner: Owner
    logging: str
    day: str = ""


class Group(NamedTuple):
    """What waits for one target: since when, and how many bytes of lines."""

    target: Target
    key: bytes
    oldest_us: int
    size: int


def enter(tx: Transaction, lines: Mapping[Target, bytes], now_us: int) -> None:
    """Let lines wait."""
    for target, data in lines.items():
        tx.run(
            "INSERT INTO access_records (target, at, size, lines) VALUES (?, ?, ?, ?)",
            pack(target),
            now_us,
            len(data),
            zlib.compress(data, 1),
        )


def groups(tx: Transaction) -> list[Group]:
    """What waits, by target."""
    found = tx.all("SELECT target, min(at), sum(size) FROM access_records GROUP BY target ORDER BY 2, 1")
    return [Group(unpack(key, Target), key, oldest_us, size) for key, oldest_us, size in found]


def take(tx: Transaction, key: bytes, most: int) -> tuple[list[int], bytes]:
    """The oldest lines of a target, `most` bytes of them or one row, and the rows they are in."""
    idents: list[int] = []
    total = 0
    for ident, size in tx.all("SELECT id, size FROM access_records WHERE target = ? ORDER BY id LIMIT ?", key, _ROWS):
        total += size
        if idents and total > most:
            break
        idents.append(ident)
    pieces = [tx.one("SELECT lines FROM access_records WHERE id = ?", ident) for ident in idents]
    return idents, b"".join(zlib.decompress(row[0]) for row in pieces if row is not None)


def drop(tx: Transaction, idents: Iterable[int]) -> None:
    """Forget rows: what is in them is delivered, or cannot be."""
    for ident in idents:
        tx.run("DELETE FROM access_records WHERE id = ?", ident)


def drop_target(tx: Transaction, key: bytes) -> None:
    """Forget all that waits for a target."""
    tx.run("DELETE FROM access_records WHERE target = ?", key)
