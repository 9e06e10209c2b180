"""After a key was rotated: the wrapping keys of encrypted objects, sealed under its newest version. No byte moves.

The records of all versions, uploads and what snapshots of buckets keep are walked in pages, each looked at and changed
on its own, so the walk can be left and taken up again at any row. A record that changed meanwhile is left as it is: it
was written under the newest version, or is met by the next walk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.sealing import Encryption
from objstore.store.types import Upload, Version

if TYPE_CHECKING:
    from objstore.store.events.cause import Caused

# What is walked, in this order: the table, the column beside bucket and key, its order, and what a record is.
_TABLES: tuple[tuple[str, str, str, type[Version] | type[Upload]], ...] = (
    ("objects", "ord", "ASC", Version),
    ("versions", "ord", "DESC", Version),
    ("uploads", "id", "ASC", Upload),
    ("retained", "from_era", "ASC", Version),
)
TABLES: Final = len(_TABLES)
"""How many tables are walked: the `table` of a cursor is below it."""


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The last row that was walked: its table by number, bucket, key, and what tells it from others of its key."""

    table: int = 0
    bucket: int = 0
    key: bytes = b""
    last: int | bytes | None = None


class Row(NamedTuple):
    """A record whose wrapping key may be an older one."""

    place: Cursor
    wrapping_key: bytes


class Progress(NamedTuple):
    """What a page came to; `next` continues the walk, None at its end."""

    looked: int
    rewrapped: int
    next: Cursor | None


async def rewrap(
    catalog: Caused,
    engine: str,
    key_id: str,
    rewrapped: Callable[[bytes], Awaitable[bytes]],
    after: Cursor,
    limit: int,
) -> Progress:
    """Walk `limit` rows behind `after`; `rewrapped` seals a wrapping key anew, or gives it back as it is."""
    looked, rows, following = catalog.read(lambda tx: _page(tx, engine, key_id, after, limit))
    changed: dict[bytes, bytes] = {}
    for old in {row.wrapping_key for row in rows}:
        new = await rewrapped(old)
        if new != old:
            changed[old] = new
    old_ones = [row for row in rows if row.wrapping_key in changed]
    done = await catalog.write(lambda tx: _exchange(tx, old_ones, changed)) if old_ones else 0
    return Progress(looked, done, following)


def _page(tx: Transaction, engine: str, key_id: str, after: Cursor, limit: int) -> tuple[int, list[Row], Cursor | None]:
    """How many rows were looked at, those under the key, and where to go on."""
    table, column, order, kind = _TABLES[after.table]
    beyond = ">" if order == "ASC" else "<"
    found = tx.all(
        f"SELECT bucket, key, {column}, record FROM {table}"
        f" WHERE bucket > ? OR (bucket = ? AND key > ?) OR (bucket = ? AND key = ? AND {column} {beyond} ?)"
        f" ORDER BY bucket, key, {column} {order} LIMIT ?",
        *(after.bucket, after.bucket, after.key, after.bucket, after.key, after.last, limit),
    )
    rows = []
    for bucket, key, last, record in found:
        encryption = unpack(record, kind).encryption
        if encryption is not None and (encryption.engine, encryption.key_id) == (engine, key_id):
            rows.append(Row(Cursor(after.table, bucket, key, last), encryption.wrapping_key))
    if len(found) == limit:
        bucket, key, last, _ = found[-1]
        return len(found), rows, Cursor(after.table, bucket, key, last)
    return len(found), rows, Cursor(after.table + 1) if after.table + 1 < len(_TABLES) else None


def _exchange(tx: Transaction, rows: list[Row], changed: dict[bytes, bytes]) -> int:
    """Give the records their new wrapping keys; how many still had the old one."""
    done = 0
    for (number, bucket, key, last), wrapping_key in ((msgspec.structs.astuple(row.place), row[1]) for row in rows):
        table, column, _, kind = _TABLES[number]
        where = f"{table} WHERE bucket = ? AND key = ? AND {column} = ?"
        row = tx.one(f"SELECT record FROM {where}", bucket, key, last)
        if row is None:
            continue
        known = unpack(row[0], kind)
        encryption: Encryption | None = known.encryption
        if encryption is None or encryption.wrapping_key != wrapping_key:
            continue
        encryption = msgspec.structs.replace(encryption, wrapping_key=changed[wrapping_key])
        record = pack(msgspec.structs.replace(known, encryption=encryption))
        tx.run(
            f"UPDATE {table} SET record = ? WHERE bucket = ? AND key = ? AND {column} = ?",
            *(record, bucket, key, last),
        )
        done += 1
    return done
