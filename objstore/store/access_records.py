"""Lines of access logs that wait to be delivered: a table, written in batches and emptied by the jobs process.

A row has what one worker gathered within half a second for one target, packed. `target` says where lines go: rows
of the same target become one log object.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.store.types import Owner


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
    """The oldest lines of a target, about `most` bytes of them at least, and the rows they are in."""
    idents: list[int] = []
    pieces: list[bytes] = []
    size = 0
    for ident, lines in tx.all("SELECT id, lines FROM access_records WHERE target = ? ORDER BY id LIMIT 10000", key):
        idents.append(ident)
        pieces.append(zlib.decompress(lines))
        size += len(pieces[-1])
        if size >= most:
            break
    return idents, b"".join(pieces)


def drop(tx: Transaction, idents: Iterable[int]) -> None:
    """Forget rows: what is in them is delivered, or cannot be."""
    for ident in idents:
        tx.run("DELETE FROM access_records WHERE id = ?", ident)


def drop_target(tx: Transaction, key: bytes) -> None:
    """Forget all that waits for a target."""
    tx.run("DELETE FROM access_records WHERE target = ?", key)
