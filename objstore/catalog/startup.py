"""Starting the catalog: which mirror leads, and that all others become equal to it. The supervisor alone runs this.

The highest ballot among n - W + 1 of its voters is the latest that ever took effect; among the members it names, the
one with the highest `seq` leads (what only some of them have was never acknowledged, and becomes whole now). The others
replay its redo log or are copied afresh, and a ballot of a new epoch is cast.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec

from objstore.catalog import ballots, copying
from objstore.catalog.ballots import Vote
from objstore.catalog.engine import define
from objstore.catalog.errors import MirrorFailed, ReadOnly, StartRefused
from objstore.catalog.hands import opened
from objstore.catalog.members import Members
from objstore.catalog.mirror import FILE, Mirror
from objstore.catalog.redo import Position
from objstore.catalog.schema import MIGRATIONS
from objstore.catalog.shared import File, Shared, State
from objstore.catalog.upkeep import has_file, recruit, wanted
from objstore.counting import are, number_of
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.format import SHARDS, Ballot
from objstore.drives.pool import Pool

_LEAST_FREE = 1 << 20
_log = logging.getLogger(__name__)


def start(pool: Pool, runtime: Path, *, strict: bool = True, accept_loss: bool = False) -> None:
    """Make the catalog ready for `attach`. Blocks. Raises StartRefused (names the drives), SchemaTooNew.

    Below the write quorum it starts read-only. `accept_loss`: lead by the best mirror there is, whatever is missing."""
    shared = Shared(runtime)
    members = Members(pool, shared, strict=strict, leads=True)
    try:
        _make_room(pool)
        votes = ballots.ask(pool)
        ballot = ballots.latest(votes)
        mirrors = _standing(pool, strict=strict)
        if accept_loss:
            ballot = _whatever_is_left(pool, ballot, mirrors)
        elif ballot is None:
            _require_new(pool, mirrors)
        else:
            _require_voices(pool, votes, ballot)
        with shared.locked():
            if ballot is None:
                ballot = _create(pool)
            else:
                ballot = _led(pool, ballot, mirrors)
            tried = max([ballot.epoch, *(vote.epoch for vote in votes.values())])
            shared.save(State(ballot, tried, _files(pool, ballot), read_only="starting"))
            _open(members)
        if members.state.settled:
            _complete(members)
    finally:
        members.close(fold=True)
        shared.close()


def _make_room(pool: Pool) -> None:
    """Opening a mirror makes files beside it: on a drive that somebody filled up, the ballast gives way to them."""
    for drive in pool.online():
        with contextlib.suppress(DriveError):
            if drive.measured.free < _LEAST_FREE:
                drive.run(drive.give_up_ballast)


def _open(members: Members) -> None:
    """The first election, and the schema; without a quorum the store is read-only until there is one."""
    try:
        members.ready()
    except ReadOnly as error:
        if _schema_version(members) < len(MIGRATIONS):
            reason = "this release has to change the catalog first, and the write quorum is gone"
            raise StartRefused(reason, error.missing) from error
        _log.warning("%s", error)
        return
    for number in range(_schema_version(members), len(MIGRATIONS)):
        define(members, [*MIGRATIONS[number], f"PRAGMA user_version = {number + 1}"])


def _schema_version(members: Members) -> int:
    if not members.mirrors:
        raise StartRefused("the mirrors of the catalog failed while it was started", ballots.away(members.pool))
    return min(int(mirror.connection.pragma("user_version")) for mirror in members.mirrors)


def _complete(members: Members) -> None:
    """Mirrors for members that were too far behind, damaged or lost; what cannot be made now, upkeep makes."""
    try:
        while len(members.mirrors) < wanted(members.pool) and recruit(members, frozenset()):
            pass
    except ReadOnly as error:
        _log.warning("%s", error)


# --- what is there


def _standing(pool: Pool, *, strict: bool) -> dict[str, Position]:
    """Where each mirror that can be opened stands, by drive id."""
    found: dict[str, Position] = {}
    for drive in pool.online():
        if not drive.id or not has_file(drive):
            continue
        try:
            opening = partial(Mirror, drive.id, drive.path / FILE, drive, strict=strict)
            mirror = opened(drive.id, drive.deadline, opening)
            found[drive.id] = mirror.position()
            mirror.close()
        except MirrorFailed as error:
            _log.warning("%s", error)
    return found


def _require_new(pool: Pool, mirrors: Mapping[str, Position]) -> None:
    """No drive has a ballot: is it a new deployment, or one whose ballots are lost?"""
    if len(pool.online()) < len(pool.drives):
        raise StartRefused("a new deployment needs all its drives at its first start", ballots.away(pool))
    if holding := [member for member, position in mirrors.items() if position.seq > 0]:
        paths = [str(drive.path) for drive in pool.drives if drive.id in holding]
        raise StartRefused(
            f"there are catalogs on {', '.join(paths)} and no drive has a ballot that says which one is the latest; "
            "if you accept that the latest changes may be lost, start once with --accept-loss"
        )
    if used := [str(drive.path) for drive in pool.online() if _holds_shards(drive)]:
        raise StartRefused(
            f"no drive has a catalog or a ballot, and yet there are objects' bytes on {', '.join(used)}: make the "
            "catalog again by `objstore admin catalog restore`, or name empty folders"
        )


def _holds_shards(drive: Drive) -> bool:
    """Whether there is any shard file; a start with an empty catalog would collect it as an orphan."""
    with contextlib.suppress(FileNotFoundError):
        return any(folder.is_dir() and any(folder.iterdir()) for folder in (drive.path / SHARDS).iterdir())
    return False


def _require_voices(pool: Pool, votes: Mapping[Drive, Vote], ballot: Ballot) -> None:
    missing = [*ballots.away(pool), *_unknown(pool, ballot)]
    if len(pool.drives) < len(ballot.drives):
        named = len(pool.drives)
        told = f"{number_of(named, 'drive')} {are(named)} named, the deployment has {len(ballot.drives)}"
        raise StartRefused(told, missing)
    for electorate in ballot.electorates:
        needed, voices = ballots.start_quorum(electorate), ballots.voices(votes, electorate)
        if len(voices) < needed:
            raise StartRefused(
                f"{len(voices)} of {number_of(len(electorate.drives), 'drive')} {are(len(voices))} there, {needed} "
                f"{are(needed)} needed to be sure which catalog is the latest; bring them back, or, if they are lost"
                " for good and you accept that the latest changes may be lost with them, start once with --accept-loss",
                missing,
            )


def _unknown(pool: Pool, ballot: Ballot) -> list[str]:
    """Voters that no slot of the pool holds now, and where they were."""
    here = {*ballots.residents(pool, ballot).values()}
    gone = [member for member in ballot.drives if member not in here]
    return [" ".join(filter(None, ("drive", member, ballot.places.get(member)))) for member in gone]


def _led(pool: Pool, ballot: Ballot, mirrors: Mapping[str, Position]) -> Ballot:
    """The ballot with those of its members that can be opened, the one furthest ahead first."""
    present = [member for member in ballot.members if member in mirrors]
    if not present:
        missing = [*ballots.away(pool), *(one for one in _unknown(pool, ballot) if one.split()[1] in ballot.members)]
        named = ", ".join(_place(pool, member) for member in ballot.members)
        raise StartRefused(
            f"no mirror of the catalog can be opened; the latest are on {named}. If all are lost: `objstore admin "
            "catalog restore`",
            missing,
        )
    present.sort(key=lambda member: mirrors[member].seq, reverse=True)
    return msgspec.structs.replace(ballot, members=tuple(present))


def _files(pool: Pool, ballot: Ballot) -> dict[str, File]:
    drives = [(member, pool.by_id(member)) for member in ballot.members]
    return {member: File.at(drive.path / FILE) for member, drive in drives if drive is not None}


def _place(pool: Pool, member: str) -> str:
    drive = pool.by_id(member)
    return str(drive.path) if drive else f"drive {member}"


def _whatever_is_left(pool: Pool, ballot: Ballot | None, mirrors: Mapping[str, Position]) -> Ballot | None:
    """What to lead by when the operator accepts a loss: the best mirror; only drives that are there vote from now on.

    A member of the latest ballot goes before a mirror that was left out of it."""
    if not mirrors:
        if ballot is not None:
            raise StartRefused(
                "no mirror of the catalog is left on any drive: make it again by `objstore admin catalog restore`",
                ballots.away(pool),
            )
        _require_new(pool, mirrors)
        return None
    members = set(ballot.members) & set(mirrors) if ballot else set()
    best = max(members or mirrors, key=lambda member: (mirrors[member].epoch, mirrors[member].seq))
    epoch = ballots.next_era(ballot.epoch if ballot else mirrors[best].epoch)
    return Ballot(epoch, (best,), (), pool.parity)


def _create(pool: Pool) -> Ballot:
    """Mirrors of a new deployment. What an interrupted first start left is replaced."""
    made = []
    for drive in pool.online()[: wanted(pool)]:
        copying.create(drive)
        assert drive.id is not None
        made.append(drive.id)
    return Ballot(0, tuple(made), (), pool.parity)
