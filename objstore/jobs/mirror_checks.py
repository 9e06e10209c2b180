"""What is wrong with the catalog's mirrors: the question that a scrub and a verification share.

Of mirrors that hold something else, most are right. Where there is no most, as with two, the one is right whose rows
agree with each other: a page that is older than the others, or that belongs elsewhere, breaks counts and references.
Where that does not tell either, the leader is right.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Sequence

from objstore.catalog import notes, views
from objstore.catalog.catalog import Catalog
from objstore.catalog.errors import CatalogError
from objstore.catalog.transaction import Transaction
from objstore.catalog.views import View
from objstore.store.audit import Audit

PERIOD_US = 86_400 * 1_000_000
_REST = 100
ROW = "mirrors-compared"
_MOST_FAULTS = 1_000  # of one mirror, that are counted
_log = logging.getLogger(__name__)


def look_at(found: Sequence[View], progress: Callable[[int], None] = lambda _: None) -> dict[str, list[str]]:
    """What is wrong with mirrors at one position, leader first, by drive: also holding something else than most.

    Blocks, for about a microsecond a row."""
    looks = {view.drive: views.look(view, progress) for view in found}
    wrong = {drive: list(one.problems) for drive, one in looks.items()}
    by_drive = {view.drive: view for view in found}

    def better(drives: list[str]) -> str:
        return min(drives, key=lambda drive: _faults(by_drive[drive]))

    for drive, tables in views.odd_ones(looks, better).items():
        wrong[drive].append(f"holds something else in {', '.join(tables)}")
    return {drive: problems for drive, problems in wrong.items() if problems}


def _faults(view: View) -> int:
    """How many rows of a mirror do not agree with the others."""
    return sum(1 for _ in itertools.islice(Audit(view).faults(), _MOST_FAULTS))


def wrong_now(catalog: Catalog) -> dict[str, list[str]]:
    """What is wrong with the mirrors of a running catalog, by drive. Blocks."""
    with catalog.views() as (found, failures):
        wrong = {failure.drive: [failure.reason] for failure in failures}
        return wrong | look_at(found)


def due(tx: Transaction, now_us: int) -> bool:
    """Whether the mirrors are to be compared again: every day, where that is less than a hundredth of the time."""
    last = notes.read(tx, ROW, tuple[int, int])
    if last is None:
        return True
    at, took = last
    return not 0 <= now_us - at < max(PERIOD_US, _REST * took)  # a time to come is from a clock that was ahead


async def compare(catalog: Catalog, now_us: int) -> dict[str, list[str]]:
    """As `wrong_now`; and what is wrong is made again from what is right, by `maintain`, soon."""
    began = time.monotonic()
    wrong = await asyncio.to_thread(wrong_now, catalog)
    took = int((time.monotonic() - began) * 1_000_000)
    for drive, problems in wrong.items():
        _log.error("the catalog mirror on drive %s is damaged: %s", drive, "; ".join(problems))
    whole = set(catalog.status().members) - set(wrong)
    catalog.settle(wrong if whole else ())  # else each may hold what the others have lost: none is given up
    with contextlib.suppress(CatalogError):  # then it is compared again
        await catalog.write(lambda tx: notes.put(tx, ROW, (now_us, took)))
    return wrong
