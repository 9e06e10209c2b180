"""Snapshots of the catalog itself: which there are, when the next is due, and which are no longer kept.

A snapshot is a dump of the catalog (`catalog/dumping.py`) in a blob of its own, erasure-coded like any other; a row
refers to its bytes, so heal and scrub see to them. It is found without any catalog too: the record in front of it names
no bucket and the key `catalog`, as no object can. https://www.sqlite.org/howtocorrupt.html says why one is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
from xxhash import xxh3_64_digest

from objstore.blobs.records import Record
from objstore.blobs.types import Extent, Written
from objstore.catalog import notes
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.store import extents

KEY: Final = b"catalog"
_ASKED: Final = "catalog_snapshot_asked"
_HOUR, _DAY = 3_600_000_000, 86_400_000_000


class Schedule(NamedTuple):
    """One every `interval` seconds; of those, the newest of the latest `hourly` hours and `daily` days are kept."""

    interval: float
    hourly: int
    daily: int


class CatalogSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """One snapshot: the catalog after transaction `seq`, at `taken_us`, in `size` bytes.

    `keys` is a digest of the store's keys then: a key that no snapshot has would be lost with the catalog, and with it
    all that it seals. `taken_us` grows from one to the next; `clock_us` is what the clock said, which may have been put
    back since, and 0 where that is not known."""

    taken_us: int
    seq: int
    size: int
    extents: tuple[Extent, ...]
    keys: bytes = b""
    clock_us: int = 0


def record_of(taken_us: int, size: int) -> Record:
    """The record in front of a snapshot's bytes."""
    return Record("", KEY, f"{taken_us:016x}", size, "", stored=size)


def is_snapshot(record: Record) -> bool:
    """Whether an append is a snapshot of the catalog."""
    return not record.bucket and record.key == KEY


def taken_us(record: Record) -> int:
    """When a snapshot was taken, of which an append's record tells."""
    return int(record.version, 16)


def listed(tx: Transaction) -> list[CatalogSnapshot]:
    """All snapshots, newest first."""
    rows = tx.all("SELECT record FROM catalog_snapshots ORDER BY taken DESC")
    return [unpack(record, CatalogSnapshot) for (record,) in rows]


def next_us(tx: Transaction, now_us: int) -> int:
    """The time that the next one is known by: now, or, where the clock was put back, behind all others and not before
    what was asked for."""
    row = tx.one("SELECT max(taken) FROM catalog_snapshots")
    return max(now_us, notes.read(tx, _ASKED, int) or 0, row[0] + 1 if row is not None and row[0] is not None else 0)


def ask(tx: Transaction, now_us: int) -> int:
    """Have one taken soon, whatever the schedule says. The time that it is known by at the earliest: one that is being
    taken now is an earlier one."""
    when = max(now_us, next_us(tx, 0) + 1)
    notes.put(tx, _ASKED, when)
    return when


def asked(tx: Transaction) -> bool:
    """Whether somebody asked for one that was not taken yet."""
    when = notes.read(tx, _ASKED, int)
    newest = tx.one("SELECT max(taken) FROM catalog_snapshots")
    latest = newest[0] if newest is not None else None
    return when is not None and (latest is None or when > latest)


def keys_of(tx: Transaction) -> bytes:
    """A digest of the keys that the catalog keeps."""
    rows = tx.all("SELECT name, record FROM kms_keys ORDER BY name")
    return xxh3_64_digest(msgspec.msgpack.encode(rows))


def due(tx: Transaction, now_us: int, schedule: Schedule) -> bool:
    """Whether one is to be taken now: it is time, somebody asked, or a key is in no snapshot yet."""
    newest = next(iter(listed(tx)), None)
    if newest is None or not newest.clock_us <= now_us < newest.clock_us + int(schedule.interval * 1_000_000):
        return True  # also where the clock was ahead when it was taken
    return asked(tx) or keys_of(tx) != newest.keys


def enter(tx: Transaction, made: CatalogSnapshot, written: Written) -> None:
    """Enter a snapshot whose bytes are durable."""
    extents.record(tx, written)
    note(tx, made)


def note(tx: Transaction, made: CatalogSnapshot) -> None:
    """Enter a snapshot to whose bytes there are references already."""
    tx.run("INSERT INTO catalog_snapshots (taken, record) VALUES (?, ?)", made.taken_us, pack(made))


def drop_expired(tx: Transaction, now_us: int, schedule: Schedule) -> int:
    """Let go of snapshots that are no longer kept, after one was taken; how many. Their bytes become garbage.

    Those of a time that is still to come are from a clock that was ahead: nobody knows which they would stand for."""
    known = {one.clock_us or one.taken_us: one for one in listed(tx)}
    past = [clock for clock in known if clock <= now_us]
    gone = [*expired(past, schedule), *(clock for clock in known if clock > now_us)] if past else []
    for clock in gone:
        extents.release(tx, known[clock].extents)
        tx.run("DELETE FROM catalog_snapshots WHERE taken = ?", known[clock].taken_us)
    return len(gone)


def expired(taken: Iterable[int], schedule: Schedule) -> list[int]:
    """Of snapshots by the time at which they were taken, those that are not kept. The newest one always is."""
    times = sorted(taken, reverse=True)
    kept = set(times[:1])
    for period, number in ((_HOUR, schedule.hourly), (_DAY, schedule.daily)):
        newest: dict[int, int] = {}
        for one in times:
            newest.setdefault(one // period, one)
        kept.update(sorted(newest.values(), reverse=True)[:number])
    return [one for one in times if one not in kept]
