"""Scrub: look through all that is stored, whether anybody reads it or not: damage is found while it can be healed.

A round compares the catalog's mirrors, then goes over all blobs by age, one at a time. Each shard file on a drive that
is there is read and verified, header, records and frames; one with anything wrong is queued for healing. Where a round
stands is a row of the catalog, so it goes on after a restart. At its end what it found is mended, and what could not be
is told. The next one begins a period after its beginning, or when somebody asks for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from objstore.blobs import Blobs
from objstore.catalog import notes
from objstore.catalog.catalog import Catalog
from objstore.catalog.transaction import Transaction
from objstore.counting import number_of
from objstore.drives.drive import Drive
from objstore.drives.state import DriveState
from objstore.jobs import mirror_checks
from objstore.jobs.shard_checks import look_at
from objstore.store import repair
from objstore.store.extents import mark_missing

PERIOD_SECONDS = 30 * 86_400.0
_ROW, _WANTED = "scrub", "scrub-now"
_MOST = 1_000  # findings that a round remembers; more are queued all the same
_QUEUED = "missing IS NOT NULL AND EXISTS (SELECT 1 FROM extents WHERE extents.blob = shards.blob)"
_log = logging.getLogger(__name__)


class Round(msgspec.Struct, frozen=True, array_like=True):
    """Where a round stands: behind the blob `after`, or at its end; `began_us` is when it began, and later than for
    any round before. `paced_us` is when it began by a clock that has not been set back since.

    `done` of `total` bytes of blobs are looked through. `found`: shards to be mended, the first of `damaged` ones that
    there are; `mirrors`: drives whose mirrors were damaged; `away`: shards that were not looked at, their drives not
    being there; `left`: at the end, what could not be mended, for people."""

    began_us: int
    after: bytes = b""
    ended: bool = False
    done: int = 0
    total: int = 0
    found: tuple[tuple[bytes, int], ...] = ()
    mirrors: tuple[str, ...] = ()
    away: int = 0
    left: tuple[str, ...] = ()
    damaged: int = 0
    paced_us: int = 0

    def ahead(self, now_us: int, period: float) -> float:
        """Seconds by which it is further than it has to be, to take just a period."""
        if now_us < self.paced_us:
            return 0.0
        return (self.paced_us - now_us) / 1_000_000 + self.part(period)

    def part(self, period: float) -> float:
        """The part of a period that what is done stands for."""
        return period * self.done / max(self.total, 1)

    def at(self, now_us: int, period: float) -> Round:
        """As it is; where the clock was set back, as if it were neither ahead nor late."""
        if now_us >= self.paced_us:
            return self
        return msgspec.structs.replace(self, paced_us=now_us - int(self.part(period) * 1_000_000))


async def _no_mending() -> None:
    return None


async def scrub(
    catalog: Catalog,
    blobs: Blobs,
    now_us: int,
    period: float = PERIOD_SECONDS,
    mend: Callable[[], Awaitable[None]] = _no_mending,
) -> bytes | None:
    """Look through the next blob: its id, or None where there is nothing to do now. `mend` is called at the end of a
    round that found something."""
    standing = catalog.read(_next)
    if standing is None or (standing.ended and not 0 <= now_us - standing.paced_us < int(period * 1_000_000)):
        standing = await _begin(catalog, now_us)
    elif standing.ended:
        return None
    begun = standing.at(now_us, period)
    found = catalog.read(lambda tx: repair.blob_ids(tx, begun.after, 1))
    if not found:
        await _end(catalog, begun, mend)
        return None
    (blob,) = found
    length, bad, away = await _look(catalog, blobs, blob)

    def enter(tx: Transaction) -> None:
        for shard in bad:
            mark_missing(tx, blob, shard)
        worse = (*begun.found, *((blob, shard) for shard in bad))[:_MOST]
        there = msgspec.structs.replace(
            begun,
            after=blob,
            done=min(begun.done + length, begun.total),
            found=worse,
            away=begun.away + away,
            damaged=begun.damaged + len(bad),
        )
        notes.put(tx, _ROW, there)

    await catalog.write(enter)
    return blob


async def order(catalog: Catalog, now_us: int) -> int:
    """Ask for a round now: when it begins, microseconds since 1970; a later order takes an earlier one's place."""
    last = catalog.read(standing)
    begin = max(now_us, last.began_us + 1 if last is not None else 0)
    await catalog.write(lambda tx: notes.put(tx, _WANTED, begin))
    return begin


def standing(tx: Transaction) -> Round | None:
    """Where the latest round stands; None before the first."""
    return notes.read(tx, _ROW, Round)


def wanted(tx: Transaction) -> int:
    """When the last round that was asked for begins, or began; 0 where none ever was."""
    return notes.read(tx, _WANTED, int) or 0


def _next(tx: Transaction) -> Round | None:
    """The round to go on with; None where one is to be begun at once."""
    last = standing(tx)
    return None if last is None or wanted(tx) > last.began_us else last


async def _begin(catalog: Catalog, now_us: int) -> Round:
    want = catalog.read(wanted)  # one that is ordered from here on may be about what is not seen below
    wrong = await mirror_checks.compare(catalog, now_us)

    def enter(tx: Transaction) -> Round:
        row = tx.one("SELECT sum(length) FROM blobs")
        last = standing(tx)
        before = last.began_us if last is not None else 0
        at = want if want > before else max(now_us, before + 1)
        total = int(row[0] or 0) if row is not None else 0
        began = Round(at, total=total, mirrors=tuple(wrong), paced_us=now_us)
        notes.put(tx, _ROW, began)
        return began

    return await catalog.write(enter)


async def _end(catalog: Catalog, begun: Round, mend: Callable[[], Awaitable[None]]) -> None:
    if begun.found or begun.mirrors:
        await mend()
    left = [f"shard {shard} of blob {blob.hex()}" for blob, shard in unmended(catalog, begun)]
    if begun.damaged > len(begun.found) and (more := catalog.read(_lacking) - len(left)) > 0:
        left.append(number_of(more, "more shard"))
    status = catalog.status()
    if begun.mirrors and (short := status.wanted - len(set(status.members) - await _still_wrong(catalog))) > 0:
        left.append(f"{number_of(short, 'mirror')} of the catalog")
    if begun.away:
        left.append(f"{number_of(begun.away, 'shard')} not looked at: the drive is not there")
    ended = msgspec.structs.replace(begun, ended=True, done=begun.total, left=tuple(left))
    await catalog.write(lambda tx: notes.put(tx, _ROW, ended))


async def _still_wrong(catalog: Catalog) -> set[str]:
    return set(await asyncio.to_thread(mirror_checks.wrong_now, catalog))


def unmended(catalog: Catalog, at: Round) -> list[tuple[bytes, int]]:
    """The shards that a round found and remembers of which something is alive and that are still queued for healing."""
    sql = f"SELECT 1 FROM shards WHERE blob = ? AND idx = ? AND {_QUEUED}"
    return [one for one in at.found if catalog.read(lambda tx, one=one: tx.one(sql, *one)) is not None]  # type: ignore[misc]


def _lacking(tx: Transaction) -> int:
    row = tx.one(f"SELECT count(*) FROM shards WHERE {_QUEUED}")
    return 0 if row is None else int(row[0])


async def _look(catalog: Catalog, blobs: Blobs, blob: bytes) -> tuple[int, list[int], int]:
    """The length of a blob, its shards in which something is wrong, queued already or not, and how many could not be
    looked at."""
    info = catalog.read(lambda tx: repair.blob(tx, blob))
    if info is None:
        return 0, [], 0
    bad, away = [], 0
    for shard in range(len(info.drives)):
        appends = catalog.read(lambda tx: repair.appends(tx, blob))
        found = await look_at(catalog.read, blobs, info, shard, appends)
        if found and found[0].kind == "shard":
            _log.warning("shard %d of blob %s is damaged: %s", shard, blob.hex(), found[0].reason)
            bad.append(shard)
        elif found and appends:
            waits = found[0].kind == "drive" or _waits(blobs.pool.by_id(info.drives[shard]))
            bad += [] if waits else [shard]
            away += waits
    return info.length, bad, away


def _waits(drive: Drive | None) -> bool:
    """Whether a shard waits for its drive to come back; one whose drive has left the pool is made elsewhere."""
    return drive is not None and drive.state is not DriveState.ONLINE
