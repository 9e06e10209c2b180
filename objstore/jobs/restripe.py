"""Restripe: write what was stored in another geometry once more, as it would be stored today.

Parity may have been raised or lowered since, a class may promise another one, there may be more drives than there
were, or fewer, for some time. A walk goes over all that refers to bytes, snapshots of the catalog too; what is not as
its class promises is copied to new blobs, and one transaction for each append makes those its place, as in compaction.
It waits while a drive is away: everything would be laid out for too few.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

from objstore.blobs import Blobs
from objstore.blobs.errors import BlobError
from objstore.blobs.geometry import choose_layout
from objstore.blobs.rebuild import Pace
from objstore.blobs.types import Append, geometry_of
from objstore.catalog.catalog import Catalog
from objstore.drives.errors import DriveError
from objstore.drives.pool import Pool
from objstore.jobs.compact import copy, exchange
from objstore.store import repair, restriping
from objstore.store.restriping import Place, Walk

PAGE = 100
"""Rows that are looked at in one go."""
_TRIES = 10  # to meet the bytes of a row where they are: they may be compacted, or shared, meanwhile
_log = logging.getLogger(__name__)


async def restripe(
    pool: Pool,
    catalog: Catalog,
    blobs: Blobs,
    classes: Mapping[str, int],
    proceed: Callable[[], bool],
    *,
    pace: Pace,
) -> int:
    """Go on with the walk that runs, until `proceed` says that it is enough for now; how many appends were written."""
    walk = begun = catalog.read(restriping.standing)
    if walk is None or begun is None:
        return 0
    problem = _not_all_there(pool)
    try:
        while not problem and walk is not None and proceed():
            walk = await _step(pool, catalog, blobs, classes, walk, proceed, pace)
    except (BlobError, DriveError) as error:
        problem = str(error)
        _log.warning("restriping waits: %s", error)
    if walk is not None:
        walk = msgspec.structs.replace(walk, problem=problem)
    if walk != begun:
        await catalog.write(lambda tx: restriping.advance(tx, begun, walk))
    return walk.moved - begun.moved if walk is not None else 0


def _not_all_there(pool: Pool) -> str:
    """Why nothing can be laid out now as it should be; empty when all drives take part."""
    missing = [str(one.path) for one in pool.drives if not (one.draining or one.writable)]
    return f"waits for {', '.join(missing)}" if missing else ""


async def _step(
    pool: Pool,
    catalog: Catalog,
    blobs: Blobs,
    classes: Mapping[str, int],
    walk: Walk,
    proceed: Callable[[], bool],
    pace: Pace,
) -> Walk | None:
    """Past the next rows; None at the end."""
    page = catalog.read(lambda tx: restriping.following(tx, walk, PAGE))
    moved, most = 0, max({pool.parity, *classes.values()})
    for behind in page:
        if not proceed():
            return msgspec.structs.replace(walk, moved=walk.moved + moved)
        for _ in range(_TRIES):
            kept = catalog.read(lambda tx, behind=behind: restriping.kept(tx, behind))  # type: ignore[misc]
            parity = classes.get(kept.storage_class, pool.parity)
            done = [await _anew(pool, catalog, blobs, place, parity, most, pace) for place in kept.places]
            moved += done.count(True)
            if None not in done:
                break
        await pace()
        walk = msgspec.structs.replace(behind, moved=walk.moved)
    walk = msgspec.structs.replace(walk, moved=walk.moved + moved)
    if len(page) == PAGE:
        return walk
    return catalog.read(lambda tx: restriping.next_table(tx, walk, {pool.parity, *classes.values()}))


async def _anew(
    pool: Pool, catalog: Catalog, blobs: Blobs, place: Place, parity: int, most: int, pace: Pace
) -> bool | None:
    """Write an append again where its geometry is not that of today; others that refer to it, or come to meanwhile, may
    be promised up to `most`. Whether it was; None where it is elsewhere by now, or more refer to it. Raises BlobError,
    DriveError."""
    info = catalog.read(lambda tx: repair.blob(tx, place.blob))
    if info is None:
        return None
    others = min(info.layout.parity, most)  # who they are is in their records only
    wanted = parity if place.refs == 1 else max(parity, others)
    staying = sum(not one.draining for one in pool.drives)
    if info.geometry == geometry_of(choose_layout(staying, wanted)):
        return False
    written = await copy(blobs, info, Append(place.offset, place.head, place.size), wanted, pace)
    return await exchange(catalog, blobs, place.blob, place.offset, written, alone=wanted < others) or None
