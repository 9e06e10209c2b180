"""At which paths a start looks for drives: those that were named, and those where the deployment knows its drives.

Which drives are in the pool is decided by the ballots, not by the list. The list says where to look first: it finds the
ballots, and an empty folder on it may take the place of a drive that is lost. Drives that were added since are found
where they were seen last. A folder that is none of this is a contradiction, and refused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from objstore.drives.format import Ballot
from objstore.drives.inspection import Inspection, inspect
from objstore.drives.state import DriveState
from objstore.server.settings import SettingsError

_EMPTY = (DriveState.NEW, DriveState.MISSING, DriveState.FAULTY)


class Slots(NamedTuple):
    """The paths at which drives are looked for, and what the operator should know about the list."""

    paths: list[Path]
    notes: list[str]


def find_slots(named: Sequence[Path], deadline: float) -> Slots:
    """The slots of a start with these paths. Blocks. Raises SettingsError where they contradict the deployment."""
    found = inspect(named, deadline=deadline)
    ballot = _latest(found)
    if ballot is None:
        return Slots(list(named), [])
    # ballots on drives that are not named may know of more drives
    while more := [path for path in map(Path, ballot.places.values()) if path not in {one.path for one in found}]:
        ours = next(one.format.deployment for one in found if one.ballot and one.format)
        found = [*found, *inspect(more, deployment=ours, deadline=deadline)]
        ballot = _latest(found) or ballot
    return _arranged(named, found, ballot)


def _latest(found: Sequence[Inspection]) -> Ballot | None:
    ballots = [one.ballot for one in found if one.ballot and one.state is DriveState.ONLINE]
    return max(ballots, key=lambda ballot: ballot.epoch, default=None)


def _arranged(named: Sequence[Path], found: Sequence[Inspection], ballot: Ballot) -> Slots:
    voters = dict.fromkeys(voter for one in ballot.electorates for voter in one.drives)
    holding = {one.format.drive: one.path for one in found if one.state is DriveState.ONLINE and one.format}
    notes: list[str] = []
    slots: list[Path] = []
    empty: list[Path] = []
    for one in found[: len(named)]:
        drive = one.format.drive if one.format else None
        if one.state in _EMPTY or _never_voted(one, voters):
            empty.append(one.path)
        elif one.state is DriveState.REMOVED:
            notes.append(f"{one.path} {one.problem}")
        elif one.state is DriveState.ONLINE and drive not in voters:
            notes.append(f"{one.path} is no drive of this deployment any more: take it off the list")
        else:
            slots.append(one.path)
    for there in (holding[voter] for voter in voters if voter in holding):
        if there not in slots:
            slots.append(there)
            notes.append(f"{there} is a drive of this deployment: name it in the list too")
    lost = [ballot.places.get(voter) for voter in voters if voter not in holding]
    places = [path for path in empty if str(path) in lost]
    spare = [path for path in empty if path not in places]
    for place in lost:
        path = Path(place) if place is not None else None
        if path is not None and (path in places or not spare):
            slots.append(path)
        elif spare:
            slots.append(spare.pop(0))  # a new disk at another path
    states = {one.path: one.state for one in found}
    new = [path for path in spare if states[path] is DriveState.NEW]
    notes += [f"{path} is no drive of this deployment: take it off the list" for path in spare if path not in new]
    if new:
        raise SettingsError(
            f"{', '.join(map(str, new))}: not among the {len(ballot.drives)} drives of this deployment. Take it off"
            " the list, start, and add it with: objstore admin drive add PATH"
        )
    order = {path: number for number, path in enumerate(named)}
    return Slots(sorted(dict.fromkeys(slots), key=lambda path: order.get(path, len(order))), notes)


def _never_voted(one: Inspection, voters: Collection[str]) -> bool:
    """Whether it was made a drive in the place of one that is lost, and the host stopped before it got its vote."""
    new = one.format is not None and one.format.drive not in voters and one.ballot is None
    return one.state is DriveState.ONLINE and new and one.problem is None
