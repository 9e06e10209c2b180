"""Ballots: the vote of all drives on who holds the catalog's mirrors.

A change of members is a ballot of a new epoch, durable on at least W = max(n - parity, n // 2 + 1) drives before it
takes effect. Any n - W + 1 drives meet every W, so whoever can read that many knows the latest ballot; and while fewer
than W drives answer, nothing can be decided and the store is read-only.

Epochs must never be given twice: an election that a crash cut short leaves its ballot on a few drives, and the next one
may not see them. So every election first has W drives note the epoch it will use (the file `promise`), and takes one
above all that it finds noted: two elections share at least one drive, and the later one is the higher one.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from xxhash import xxh3_64_digest

from objstore.drives.drive import Drive
from objstore.drives.errors import BallotSuperseded, DriveError, FormatCorrupt
from objstore.drives.format import Ballot, read_ballot, read_small, write_durably
from objstore.drives.pool import Pool, write_quorum
from objstore.drives.system import SYSTEM, System

PROMISE_FILE = "promise"
_NUMBER = struct.Struct(">Q")

T = TypeVar("T")


class Vote:
    """What one drive knows: its ballot (None where it never took one), the highest epoch it ever heard of."""

    __slots__ = ("ballot", "damaged", "epoch")

    def __init__(self, ballot: Ballot | None, promised: int, *, damaged: bool) -> None:
        self.ballot = ballot
        self.epoch = max(promised, ballot.epoch if ballot else 0)
        self.damaged = damaged


def everywhere(drives: Collection[Drive], work: Callable[[Drive], T]) -> dict[Drive, T]:
    """`work(drive)` for all drives at once, the results of those that did not fail with a DriveError. Blocks."""
    results: dict[Drive, T] = {}

    def one(drive: Drive) -> None:
        with contextlib.suppress(DriveError):  # the drive has said why in its own state
            results[drive] = work(drive)

    threads = [threading.Thread(target=one, args=(drive,), daemon=True) for drive in drives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()  # Drive.run has a deadline
    return results


def ask(pool: Pool) -> dict[Drive, Vote]:
    """What each online drive that answers knows."""
    return everywhere(pool.online(), lambda drive: drive.run(_vote, drive.path, drive.system))


def latest(votes: Mapping[Drive, Vote]) -> Ballot | None:
    """The ballot of the highest epoch."""
    return max((vote.ballot for vote in votes.values() if vote.ballot), key=lambda one: one.epoch, default=None)


def voices(votes: Mapping[Drive, Vote], ballot: Ballot) -> set[str]:
    """The drives that count for a start under `ballot`: its voters whose word can be read.

    A voter without a ballot never took one, and says so; a drive that was put in an old one's place is no voter yet."""
    return {drive.id for drive, vote in votes.items() if drive.id in ballot.drives and not vote.damaged and drive.id}


def start_quorum(ballot: Ballot) -> int:
    """How many voices a start needs."""
    return len(ballot.drives) - write_quorum(len(ballot.drives), ballot.parity) + 1


def electorate(pool: Pool, before: Ballot) -> tuple[str, ...]:
    """The voters of the next ballot: the pool's drives, by their last known ids where a slot does not answer."""
    here = [drive.id for drive in pool.drives if drive.id]
    unknown = [one for one in before.drives if one not in here]
    return (*here, *unknown[: max(0, len(pool.drives) - len(here))])


def enough(before: Ballot, after: Ballot, took: Collection[str]) -> bool:
    """Whether `after` is in force, `took` having taken it: W of its own voters did, and W of those of `before`.

    A drive that replaced another one votes in its place; one that was added does not vote for the past."""
    took = set(took) & set(after.drives)
    if len(took) < write_quorum(len(after.drives), after.parity):
        return False
    if not before.drives:
        return True
    added = max(0, len(after.drives) - len(before.drives))
    old = len(took & set(before.drives)) + max(0, len(took - set(before.drives)) - added)
    return old >= write_quorum(len(before.drives), before.parity)


def cast(pool: Pool, before: Ballot, after: Ballot) -> bool:
    """Write `after` to all online drives, having announced its epoch; whether it is in force. Blocks."""
    promised = everywhere(pool.online(), lambda drive: drive.run(_promise, drive.path, after.epoch, drive.system))
    if not enough(before, after, _ids(promised)):
        return False
    return enough(before, after, _ids(everywhere(list(promised), lambda drive: drive.write_ballot(after))))


def remind(drive: Drive, ballot: Ballot) -> None:
    """Give a drive that was away the ballot in force. Raises DriveError."""
    vote = drive.run(_vote, drive.path, drive.system)
    if vote.ballot is None or vote.ballot.epoch < ballot.epoch:
        if vote.epoch < ballot.epoch:
            drive.run(_promise, drive.path, ballot.epoch, drive.system)
        drive.write_ballot(ballot)


def shortfall(pool: Pool) -> str | None:
    """Why nothing can be decided: fewer drives online than a ballot needs; None when there are enough."""
    online, needed = len(pool.online()), pool.write_quorum
    if online >= needed:
        return None
    return f"{online} of {len(pool.drives)} drives are online, {needed} are needed to write"


def away(pool: Pool) -> tuple[str, ...]:
    """The drives that are not online, for people."""
    online = pool.online()
    return tuple(f"{drive.path} ({drive.problem or drive.state})" for drive in pool.drives if drive not in online)


def _ids(drives: Collection[Drive]) -> Sequence[str]:
    return [drive.id for drive in drives if drive.id]


def _vote(path: Path, system: System) -> Vote:
    try:
        ballot, damaged = read_ballot(path, system), False
    except FormatCorrupt:
        ballot, damaged = None, True
    return Vote(ballot, _promised(path, system), damaged=damaged)


def _promised(path: Path, system: System) -> int:
    try:
        content = read_small(path / PROMISE_FILE, system)
    except FileNotFoundError:
        return 0
    number, checksum = content[: _NUMBER.size], content[_NUMBER.size :]
    if len(number) < _NUMBER.size or xxh3_64_digest(number) != checksum:
        return 0  # replaced as a whole, so this is bitrot: the other drives have noted it too
    promised: int = _NUMBER.unpack(number)[0]
    return promised


def _promise(path: Path, epoch: int, system: System = SYSTEM) -> None:
    if (known := _promised(path, system)) >= epoch:
        raise BallotSuperseded(str(path), f"epoch {epoch} comes after epoch {known} was announced")
    number = _NUMBER.pack(epoch)
    write_durably(path / PROMISE_FILE, number + xxh3_64_digest(number), system)
