"""Ballots: the vote of all drives on who holds the catalog's mirrors.

A change of members is a ballot of a new epoch, durable on at least W = max(n - parity, n // 2 + 1) drives before it
takes effect. Any n - W + 1 drives meet every W, so whoever can read that many knows the latest ballot; and while fewer
than W drives answer, nothing can be decided and the store is read-only.

Epochs must never be given twice: an election that a crash cut short leaves its ballot on a few drives, and the next one
may not see them. So every election first has W drives note the epoch it will use (the file `promise`), and takes one
above all that it finds noted: two elections share at least one drive, and the later one is the higher one.

Who votes changes in two steps (Raft calls it joint consensus; Ongaro and Ousterhout, USENIX ATC 2014). The first ballot
names the new electorate and the one *before*, and takes effect by the quorums of both; a start under it needs the word
of both. Only when it is in force the second one names the new electorate alone. So at no moment two sets of drives that
do not meet could both believe to be right, however the change is cut short and whichever drives come back.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from xxhash import xxh3_64_digest

from objstore.counting import are, number_of
from objstore.drives.drive import Drive
from objstore.drives.errors import BallotSuperseded, DriveError, FormatCorrupt, FormatTooNew
from objstore.drives.format import Ballot, Electorate, locked, read_ballot, read_small, write_durably
from objstore.drives.pool import Pool, write_quorum
from objstore.drives.pool import start_quorum as start_quorum_of
from objstore.drives.system import SYSTEM, System

PROMISE_FILE = "promise"
_ERA = 1 << 32
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


def next_era(epoch: int) -> int:
    """An epoch above all that drives which are given up may know, however many elections they have seen.

    For whoever goes on without asking a quorum: should they turn up again, what they know is not the latest."""
    return (epoch // _ERA + 1) * _ERA


def voices(votes: Mapping[Drive, Vote], electorate: Electorate) -> set[str]:
    """The drives that count for a start: those of the electorate whose word can be read.

    A voter without a ballot never took one, and says so; a drive that was put in an old one's place is no voter yet."""
    return {
        drive.id for drive, vote in votes.items() if drive.id in electorate.drives and not vote.damaged and drive.id
    }


def start_quorum(electorate: Electorate) -> int:
    """How many voices a start needs."""
    return start_quorum_of(len(electorate.drives), electorate.parity)


def may_start(ballot: Ballot, there: Collection[str]) -> bool:
    """Whether the drives `there` can be sure that `ballot`, the latest that they know, is the latest of all."""
    return all(len({*there} & {*one.drives}) >= start_quorum(one) for one in ballot.electorates)


def enough(ballot: Ballot, took: Collection[str]) -> bool:
    """Whether a ballot is in force, `took` having taken it: W of each electorate that has to agree."""
    return all(len({*took} & {*one.drives}) >= write_quorum(len(one.drives), one.parity) for one in ballot.electorates)


def replacements(pool: Pool, ballot: Ballot, *, leads: bool = True) -> dict[str, str]:
    """Voters whose place in the pool another drive has taken, with that drive: it votes in their place.

    A voter that is merely away is not replaced: its slot knows it, or does not know yet whose it is. Of a
    pool that does not lead (`leads`) only places tell: a drive may have joined since it looked, and another left."""
    here = {drive.id: str(drive.path) for drive in pool.drives if drive.id}
    unknown = [str(drive.path) for drive in pool.drives if not drive.id]
    gone = [one for one in ballot.drives if one not in here and one not in pool.removed]
    waiting = {ballot.places.get(one) for one in gone} & set(unknown)
    gone = [one for one in gone if ballot.places.get(one) not in waiting][len(unknown) - len(waiting) :]
    known = {voter for one in ballot.electorates for voter in one.drives}
    fresh = [one for one in here if one not in known and one not in pool.removed]
    pairs = {old: new for old in gone for new in fresh if ballot.places.get(old) == here[new]}
    if not leads:
        return pairs
    rest = [one for one in fresh if one not in pairs.values()]
    return pairs | dict(zip((old for old in gone if old not in pairs), rest, strict=False))


def residents(pool: Pool, ballot: Ballot) -> dict[Drive, str]:
    """Whose each slot is, by its drive's word; where that was not heard since before the start, by the ballot's."""
    found = {drive: drive.id for drive in pool.drives if drive.id}
    were = {place: voter for voter, place in ballot.places.items() if voter not in {*found.values(), *pool.removed}}
    return found | {one: were[str(one.path)] for one in pool.drives if not one.id and str(one.path) in were}


def succeeding(
    pool: Pool,
    ballot: Ballot,
    members: Collection[str],
    wanted: Electorate | None = None,
    *,
    epoch: int = 0,
    leads: bool = True,
) -> Ballot:
    """The ballot of `epoch` to cast after `ballot`, which may not be in force yet. The electorate stays, but for drives
    that were replaced, unless another one is `wanted`; one change has to come to its end before the next begins. What
    a pool that does not lead (`leads`) knows of drives may be a second old."""
    if not ballot.drives:
        here = tuple(drive.id for drive in pool.drives if drive.id)
        return Ballot(epoch, tuple(members), here, pool.parity, _places(pool, here, {}))
    pairs = replacements(pool, ballot, leads=leads)
    own, *old = [
        Electorate(tuple(pairs.get(voter, voter) for voter in one.drives), one.parity) for one in ballot.electorates
    ]
    new = own if wanted is None or old else wanted
    changed = (set(new.drives), new.parity) != (set(own.drives), own.parity)
    before = old[0] if old else own if changed else None
    voters = dict.fromkeys((*new.drives, *(before.drives if before else ())))
    return Ballot(epoch, tuple(members), new.drives, new.parity, _places(pool, voters, ballot.places), before=before)


def next_electorate(pool: Pool, ballot: Ballot) -> Electorate:
    """Who should vote: as `ballot` says, one step nearer to what the pool is now. For the one process that leads the
    pool: what others know of it may be a second old. A drive keeps its vote as long as it holds a mirror: once it has
    none, nobody looks for it any more."""
    pairs = replacements(pool, ballot)
    voters = [pairs.get(one, one) for one in ballot.drives]
    leaving = [one for one in voters if one in pool.removed and one not in ballot.members][:1]
    joining = [drive.id for drive in pool.online() if drive.id and drive.id not in {*voters, *pool.removed}][:1]
    drives = (*(one for one in voters if one not in leaving), *(() if leaving else joining))
    return Electorate(drives, pool.parity)


def _places(pool: Pool, voters: Iterable[str], before: Mapping[str, str]) -> dict[str, str]:
    """Where each of the drives is, or was seen last."""
    found = {one: pool.by_id(one) for one in voters}
    paths = {one: str(drive.path) if drive is not None else before.get(one) for one, drive in found.items()}
    return {one: path for one, path in paths.items() if path is not None}


def cast(pool: Pool, ballot: Ballot) -> bool:
    """Write a ballot to all voters that are online, having announced its epoch; whether it is in force. Blocks."""
    promised = everywhere(pool.online(), lambda drive: drive.run(_promise, drive.path, ballot.epoch, drive.system))
    if not enough(ballot, _ids(promised)):
        return False
    voters = {voter for one in ballot.electorates for voter in one.drives}
    # should one that leaves be the only one to know that, a start would not look for it, and yet need its vote
    voting = [drive for drive in promised if drive.id in voters]
    return enough(ballot, _ids(everywhere(voting, lambda drive: drive.write_ballot(ballot))))


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
    there = f"{online} of {number_of(len(pool.drives), 'drive')} {are(online)} online"
    return f"{there}, {needed} {are(needed)} needed to write"


def away(pool: Pool) -> tuple[str, ...]:
    """The drives that are not online, for people."""
    online = pool.online()
    return tuple(f"{drive.path} ({drive.problem or drive.state})" for drive in pool.drives if drive not in online)


def _ids(drives: Collection[Drive]) -> Sequence[str]:
    return [drive.id for drive in drives if drive.id]


def _vote(path: Path, system: System) -> Vote:
    try:
        ballot, damaged = read_ballot(path, system), False
    except FormatTooNew:
        raise
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
    number = _NUMBER.pack(epoch)
    with locked(path, system):
        if (known := _promised(path, system)) >= epoch:
            raise BallotSuperseded(str(path), f"epoch {epoch} comes after epoch {known} was announced")
        write_durably(path / PROMISE_FILE, number + xxh3_64_digest(number), system)
