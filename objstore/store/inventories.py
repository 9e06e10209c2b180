"""Inventories: which lists of a bucket are wanted, when each is due, and the pages of rows that they are made of.

A configuration is a row of `inventories`, with the time at which its next list is due and how its last one went. The
jobs process looks at what is due by an index; a list that is wanted at once is merely due now.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.store import buckets
from objstore.store.errors import NoSuchConfiguration, TooManyConfigurations
from objstore.store.types import Bucket, Page, Version
from objstore.store.walking import behind

if TYPE_CHECKING:
    from objstore.catalog.catalog import Catalog

MOST: Final = 1000
"""Configurations of one bucket."""

DAILY: Final = "Daily"
WEEKLY: Final = "Weekly"
ALL: Final = "All"
CURRENT: Final = "Current"

_SUNDAY: Final = 6
_LONGEST_US: Final = 8 * 86_400_000_000  # from one list to the next, and a day


class Inventory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is listed (keys that begin with `only`; all versions or the current ones), how often, and where it goes.

    `scheme` and `key_id` say how lists are encrypted, where that is not left to their bucket.
    """

    id: str
    enabled: bool
    bucket: str
    format: str
    frequency: str
    versions: str
    prefix: str = ""
    account: str | None = None
    only: str | None = None
    fields: tuple[str, ...] = ()
    scheme: str = ""
    key_id: str | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a list went: when it was begun and done, its manifest and how many rows it has, or why there is none."""

    began_us: int
    done_us: int
    manifest: str | None = None
    rows: int = 0
    problem: str | None = None


class Entry(NamedTuple):
    """A version in a list."""

    key: str
    version: Version
    is_latest: bool


class Place(NamedTuple):
    """Behind which row a page begins: a key, and the ord of a version of it (None: behind all of the key)."""

    key: bytes = b""
    ord: int | None = None


def put(tx: Transaction, name: str, wanted: Inventory, now_us: int) -> None:
    """Enter or replace a configuration; a new one is due at once. Raises NoSuchBucket, TooManyConfigurations."""
    bucket = buckets.require(tx, name)
    row = tx.one("SELECT due FROM inventories WHERE bucket = ? AND id = ?", bucket.id, wanted.id)
    if row is None:
        count = tx.one("SELECT count(*) FROM inventories WHERE bucket = ?", bucket.id)
        if count is not None and count[0] >= MOST:
            raise TooManyConfigurations
    due = (row[0] if row and row[0] is not None else now_us) if wanted.enabled else None
    tx.run(
        "INSERT INTO inventories (bucket, id, record, due) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (bucket, id) DO UPDATE SET record = excluded.record, due = excluded.due",
        bucket.id,
        wanted.id,
        pack(wanted),
        due,
    )


def find(tx: Transaction, name: str, ident: str) -> tuple[Inventory, Outcome | None]:
    """A configuration, and how its last list went. Raises NoSuchBucket, NoSuchConfiguration."""
    bucket = buckets.require(tx, name)
    row = tx.one("SELECT record, last FROM inventories WHERE bucket = ? AND id = ?", bucket.id, ident)
    if row is None:
        raise NoSuchConfiguration
    return unpack(row[0], Inventory), unpack(row[1], Outcome) if row[1] is not None else None


def page(tx: Transaction, name: str, after: str, limit: int) -> Page[Inventory]:
    """Configurations by id, behind `after`."""
    bucket = buckets.require(tx, name)
    rows = tx.all(
        "SELECT record FROM inventories WHERE bucket = ? AND id > ? ORDER BY id LIMIT ?", bucket.id, after, limit + 1
    )
    items = [unpack(record, Inventory) for (record,) in rows[:limit]]
    return Page(items, next=items[-1].id if len(rows) > limit else None)


def remove(tx: Transaction, name: str, ident: str) -> None:
    """Forget a configuration. Raises NoSuchBucket, NoSuchConfiguration."""
    bucket = buckets.require(tx, name)
    if not tx.run("DELETE FROM inventories WHERE bucket = ? AND id = ?", bucket.id, ident):
        raise NoSuchConfiguration


def ask(tx: Transaction, name: str, ident: str, now_us: int) -> None:
    """Let a list be due now, also where its configuration is disabled. Raises NoSuchBucket, NoSuchConfiguration."""
    bucket = buckets.require(tx, name)
    if not tx.run("UPDATE inventories SET due = ? WHERE bucket = ? AND id = ?", now_us, bucket.id, ident):
        raise NoSuchConfiguration


def due(tx: Transaction, now_us: int) -> tuple[Bucket, Inventory] | None:
    """The list that is due longest. A time that is further off than the longest wait is of a clock that was ahead."""
    row = tx.one(
        "SELECT buckets.record, inventories.record FROM inventories JOIN buckets ON buckets.id = inventories.bucket"
        " WHERE due <= ? OR due > ? ORDER BY due, bucket, inventories.id LIMIT 1",
        now_us,
        now_us + _LONGEST_US,
    )
    return None if row is None else (unpack(row[0], Bucket), unpack(row[1], Inventory))


def done(tx: Transaction, bucket: int, wanted: Inventory, outcome: Outcome, next_us: int) -> None:
    """Note how a list went, and when the next one is due. One that was asked for meanwhile stays due."""
    tx.run(
        "UPDATE inventories SET last = ?, due = CASE WHEN due > ? AND due <= ? THEN due ELSE ? END"
        " WHERE bucket = ? AND id = ?",
        pack(outcome),
        outcome.began_us,
        outcome.began_us + _LONGEST_US,
        next_us if wanted.enabled else None,
        bucket,
        wanted.id,
    )


def next_due(frequency: str, now_us: int) -> int:
    """When the next list is due: at the next midnight of UTC, or that of the next Sunday."""
    day = datetime.fromtimestamp(now_us // 1_000_000, UTC).replace(hour=0, minute=0, second=0)
    days = 1 if frequency == DAILY else (_SUNDAY - day.weekday()) % 7 or 7
    return int((day + timedelta(days=days)).timestamp()) * 1_000_000


def rows(tx: Transaction, bucket: int, wanted: Inventory, after: Place, limit: int) -> list[Entry]:
    """The next `limit` rows of a list behind a place, by key and newest first. Not all at one moment: page by page."""
    prefix = (wanted.only or "").encode()
    start, end = max(prefix, after.key), behind(prefix)
    if wanted.versions == CURRENT:
        found = tx.all(
            "SELECT key, ord, record FROM objects WHERE bucket = ? AND key >= ? AND key > ? AND key < ?"
            " ORDER BY key LIMIT ?",
            bucket,
            start,
            after.key,
            end,
            limit,
        )
    else:
        found = []
        if after.ord is not None:
            found = tx.all(_REST_OF_KEY, bucket, after.key, after.ord, bucket, after.key, after.ord, limit)
        if len(found) < limit:
            found += tx.all(_VERSIONS, bucket, start, after.key, end, bucket, start, after.key, end, limit - len(found))
    entries = []
    before = after.key if after.ord is not None else None
    for key, _, record in found:
        entries.append(Entry(key.decode(), unpack(record, Version), key != before))
        before = key
    return entries


_REST_OF_KEY = (
    "SELECT key, ord, record FROM objects WHERE bucket = ? AND key = ? AND ord < ? UNION ALL"
    " SELECT key, ord, record FROM versions WHERE bucket = ? AND key = ? AND ord < ? ORDER BY 1, 2 DESC LIMIT ?"
)
_VERSIONS = (
    "SELECT key, ord, record FROM objects WHERE bucket = ? AND key >= ? AND key > ? AND key < ? UNION ALL"
    " SELECT key, ord, record FROM versions WHERE bucket = ? AND key >= ? AND key > ? AND key < ?"
    " ORDER BY 1, 2 DESC LIMIT ?"
)


class Inventories:
    """The same over a catalog, for handlers and the jobs process."""

    def __init__(self, catalog: Catalog, clock: Callable[[], int]) -> None:
        self._catalog = catalog
        self.clock = clock

    async def put(self, bucket: str, wanted: Inventory) -> None:
        """Enter or replace a configuration. Raises as `put`."""
        now_us = self.clock()
        await self._catalog.write(lambda tx: put(tx, bucket, wanted, now_us))

    def find(self, bucket: str, ident: str) -> tuple[Inventory, Outcome | None]:
        """A configuration, and how its last list went. Raises as `find`."""
        return self._catalog.read(lambda tx: find(tx, bucket, ident))

    def page(self, bucket: str, after: str, limit: int) -> Page[Inventory]:
        """Configurations by id, behind `after`."""
        return self._catalog.read(lambda tx: page(tx, bucket, after, limit))

    async def remove(self, bucket: str, ident: str) -> None:
        """Forget a configuration. Raises as `remove`."""
        await self._catalog.write(lambda tx: remove(tx, bucket, ident))

    async def ask(self, bucket: str, ident: str) -> int:
        """Let a list be due now; the moment from which on its outcome counts. Raises as `ask`."""
        now_us = self.clock()
        await self._catalog.write(lambda tx: ask(tx, bucket, ident, now_us))
        return now_us

    def due(self) -> tuple[Bucket, Inventory] | None:
        """The list that is due longest, with its bucket."""
        now_us = self.clock()
        return self._catalog.read(lambda tx: due(tx, now_us))

    async def done(self, bucket: int, wanted: Inventory, outcome: Outcome, next_us: int) -> None:
        """Note how a list went, and when the next one is due."""
        await self._catalog.write(lambda tx: done(tx, bucket, wanted, outcome, next_us))

    def rows(self, bucket: int, wanted: Inventory, after: Place, limit: int) -> list[Entry]:
        """The next rows of a list. Blocks for some milliseconds: for a thread."""
        return self._catalog.read(lambda tx: rows(tx, bucket, wanted, after, limit))
