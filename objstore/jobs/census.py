"""Census: a drive that comes back is looked through before anybody relies on what it is said to hold.

It may be an old copy, or have lost files while it was away; the rows of its shards do not know. What an old copy has
that was given back since is given back again. Which drives are to be
looked through, and how far that has come, are rows; until all are at their end, the health of the store's redundancy is
red. A row stays for ever, for it counts how often the drive was begun: by that one return is told from the next.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable

import msgspec

from objstore.blobs import Blobs
from objstore.blobs.packing import LIMIT
from objstore.blobs.rebuild import Pace, at_once
from objstore.catalog import notes
from objstore.catalog.catalog import Catalog
from objstore.catalog.transaction import Transaction
from objstore.drives.errors import DriveError
from objstore.drives.state import DriveState
from objstore.jobs.shard_checks import look_at
from objstore.store import repair, settling
from objstore.store.extents import mark_missing

_PREFIX = "census:"
_log = logging.getLogger(__name__)


class Stand(msgspec.Struct, frozen=True, array_like=True):
    """Behind which blob the walk over a drive stands, or at its end, and how many times it was begun."""

    turn: int
    after: bytes = b""
    ended: bool = False


def begin(tx: Transaction, drive: str, known: int | None = None) -> None:
    """Have a drive looked through from its beginning, however far that has come; not one on which nothing should be,
    and not one that was begun more often than the `known` times."""
    turn = begun(tx).get(drive, 0)
    if repair.holding(tx, [drive]) and (known is None or turn <= known):
        notes.put(tx, _PREFIX + drive, Stand(turn + 1))


def fresh(tx: Transaction, drive: str) -> None:
    """A drive was made just now: whoever first sees it later than something is on it need not look through it."""
    notes.put(tx, _PREFIX + drive, Stand(begun(tx).get(drive, 0) + 1, ended=True))


def begin_all(tx: Transaction, drives: Iterable[str]) -> None:
    """Have drives looked through from their beginning."""
    for drive in drives:
        begin(tx, drive)


def begun(tx: Transaction) -> dict[str, int]:
    """How often each drive was begun; 0 times where it is not named."""
    return {drive: stand.turn for drive, stand in _stands(tx).items()}


def waiting(tx: Transaction) -> dict[str, Stand]:
    """The drives that are being looked through, and how far that has come."""
    return {drive: stand for drive, stand in _stands(tx).items() if not stand.ended}


def _stands(tx: Transaction) -> dict[str, Stand]:
    return notes.below(tx, _PREFIX, Stand)


async def look_through(catalog: Catalog, blobs: Blobs, pace: Pace = at_once) -> None:
    """Look through drives that came back. Drives that are not there wait; one that no slot holds is begun anew when it
    comes."""
    for drive, begun_so in catalog.read(waiting).items():
        here = blobs.pool.by_id(drive)
        if here is None:
            await catalog.write(lambda tx, drive=drive, begun_so=begun_so: _ended(tx, drive, begun_so))  # type: ignore[misc]
            continue
        while here.state is DriveState.ONLINE and (stand := catalog.read(waiting).get(drive)) is not None:
            page = catalog.read(lambda tx, drive=drive, stand=stand: repair.shards_on(tx, drive, stand.after, 1))  # type: ignore[misc]
            if not page:
                if await catalog.write(lambda tx, drive=drive, stand=stand: _ended(tx, drive, stand)):  # type: ignore[misc]
                    _log.info("drive %s was looked through", here.path)
            elif not await _look(catalog, blobs, drive, stand, page[0], pace):
                break


async def _look(catalog: Catalog, blobs: Blobs, drive: str, stand: Stand, shard: tuple[bytes, int], pace: Pace) -> bool:
    """Look at the next shard of a drive; False where the drive is not there any more, and the shard waits for it."""
    blob, index = shard
    info = catalog.read(lambda tx: repair.blob(tx, blob))
    appends = catalog.read(lambda tx: repair.appends(tx, blob))
    found = await look_at(catalog.read, blobs, info, index, appends, pace) if info is not None else []
    damaged = bool(found and found[0].kind == "shard")
    if damaged:
        _log.warning("shard %d of blob %s is damaged: %s", index, blob.hex(), found[0].reason)
    if found and found[0].kind == "drive":
        return False
    here = blobs.pool.by_id(drive)
    here, dead = blobs.pool.by_id(drive), catalog.read(lambda tx: settling.given_up(tx, blob, LIMIT))
    if here is not None and dead:
        with contextlib.suppress(DriveError):  # it may have gone again, or lack the file
            await here.punch(blob, index, dead)

    def enter(tx: Transaction) -> None:
        if damaged:
            mark_missing(tx, blob, index)
        if waiting(tx).get(drive) == stand:  # it may have come back once more meanwhile
            notes.put(tx, _PREFIX + drive, Stand(stand.turn, blob))

    await catalog.write(enter)
    return True


def _ended(tx: Transaction, drive: str, stand: Stand) -> bool:
    """Note that a drive was looked through, if it did not come back once more."""
    if waiting(tx).get(drive) != stand:
        return False
    notes.put(tx, _PREFIX + drive, Stand(stand.turn, ended=True))
    return True
