"""Census: a drive that comes back is looked through before anybody relies on what it is said to hold.

It may be an old copy, or have lost files while it was away; the rows of its shards do not know. Which drives are to be
looked through, and how far that has come, are rows; until there is none, the health of the store's redundancy is red.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from objstore.blobs import Blobs
from objstore.blobs.rebuild import Pace, at_once
from objstore.catalog.catalog import Catalog
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.drives.state import DriveState
from objstore.jobs.shard_checks import look_at
from objstore.store import repair
from objstore.store.extents import mark_missing

_PREFIX = "census:"
_log = logging.getLogger(__name__)


def begin(tx: Transaction, drive: str) -> None:
    """Have a drive looked through from its beginning."""
    _put(tx, drive, b"")


def begin_all(tx: Transaction, drives: Iterable[str]) -> None:
    """Have drives looked through from their beginning."""
    for drive in drives:
        begin(tx, drive)


def waiting(tx: Transaction) -> dict[str, bytes]:
    """The drives that are being looked through, and behind which blob each is."""
    rows = tx.all("SELECT name, value FROM settings WHERE name >= ? AND name < ?", _PREFIX, _PREFIX[:-1] + ";")
    return {name.removeprefix(_PREFIX): unpack(value, bytes) for name, value in rows}


async def look_through(catalog: Catalog, blobs: Blobs, pace: Pace = at_once) -> None:
    """Look through drives that came back. Drives that are not there wait."""
    for drive, after in catalog.read(waiting).items():
        here = blobs.pool.by_id(drive)
        if here is None:
            await catalog.write(lambda tx, drive=drive: _forget(tx, drive))  # type: ignore[misc]
            continue
        while here.state is DriveState.ONLINE:
            page = catalog.read(lambda tx, drive=drive, after=after: repair.shards_on(tx, drive, after, 1))  # type: ignore[misc]
            if not page:
                await catalog.write(lambda tx, drive=drive: _forget(tx, drive))  # type: ignore[misc]
                _log.info("drive %s was looked through", here.path)
                break
            ((blob, shard),) = page
            await _look(catalog, blobs, drive, blob, shard, pace)
            after = blob


async def _look(catalog: Catalog, blobs: Blobs, drive: str, blob: bytes, shard: int, pace: Pace) -> None:
    info = catalog.read(lambda tx: repair.blob(tx, blob))
    appends = catalog.read(lambda tx: repair.appends(tx, blob))
    found = await look_at(catalog.read, blobs, info, shard, appends, pace) if info is not None else []
    damaged = bool(found and found[0].kind == "shard")
    if damaged:
        _log.warning("shard %d of blob %s is damaged: %s", shard, blob.hex(), found[0].reason)
    if found and found[0].kind == "drive":
        return  # it went again: its return begins anew

    def enter(tx: Transaction) -> None:
        if damaged:
            mark_missing(tx, blob, shard)
        _put(tx, drive, blob)

    await catalog.write(enter)


def _put(tx: Transaction, drive: str, after: bytes) -> None:
    tx.run(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        _PREFIX + drive,
        pack(after),
    )


def _forget(tx: Transaction, drive: str) -> None:
    tx.run("DELETE FROM settings WHERE name = ?", _PREFIX + drive)
