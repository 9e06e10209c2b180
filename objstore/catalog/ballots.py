"""Ballots: the vote of all drives on who holds the catalog's mirrors.

A change of members is a ballot of the next epoch, durable on at least W = max(n - parity, n // 2 + 1) drives before it
takes effect. Any n - W + 1 drives meet every W, so whoever can read that many knows the latest ballot; and while fewer
than W drives answer, nothing can be decided and the store is read-only.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Sequence

from objstore.catalog.errors import ReadOnly
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.format import Ballot, write_ballot
from objstore.drives.pool import Pool

DEADLINE = 10.0


def require_quorum(pool: Pool) -> None:
    """Raise ReadOnly while fewer drives are online than a ballot needs."""
    if len(pool.online()) < pool.write_quorum:
        raise no_quorum(pool)


def no_quorum(pool: Pool) -> ReadOnly:
    """The error that names what is away."""
    online = pool.online()
    away = [str(drive.path) for drive in pool.drives if drive not in online]
    return ReadOnly(f"{len(online)} of {len(pool.drives)} drives online, {pool.write_quorum} are needed to write", away)


def cast(pool: Pool, ballot: Ballot) -> None:
    """Write `ballot` to every online drive; returns when at least W took it. Raises ReadOnly when fewer did."""
    drives = pool.online()
    taken = 0
    executor = concurrent.futures.ThreadPoolExecutor(max(1, len(drives)), "ballot")
    try:
        votes = [executor.submit(_write, drive, ballot) for drive in drives]
        for vote in concurrent.futures.wait(votes, DEADLINE).done:
            taken += vote.result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    if taken < pool.write_quorum:
        raise no_quorum(pool)


def _write(drive: Drive, ballot: Ballot) -> bool:
    try:
        write_ballot(drive.path, ballot)
    except (OSError, DriveError):
        return False
    return True


def latest(ballots: Sequence[Ballot | None]) -> Ballot | None:
    """The one of the highest epoch."""
    return max((one for one in ballots if one is not None), key=lambda one: one.epoch, default=None)
