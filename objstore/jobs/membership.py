"""Drives that join and leave: what the operator asked for, carried out step by step, and followed by every process.

Another parity is a ballot too: it takes effect by the quorums of the old and the new one, and then new objects get it.

Each step is durable before the next begins, and is done again where a crash came between: a drive is formatted by the
name it was promised, gets its vote by the quorums of the old and the new pool, and is then filled; one that leaves has
been emptied, loses its vote by both quorums, and is then marked as removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from objstore.catalog.catalog import Catalog
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.format import Ballot
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.jobs import census
from objstore.store import membership, parity
from objstore.store.membership import Course, Stage
from objstore.store.store import now_us

_log = logging.getLogger(__name__)


async def follow(pool: Pool, catalog: Catalog) -> bool:
    """Let the pool of this process be what ballot and rows say; whether a drive began to be emptied."""
    ballot = catalog.ballot()
    voters = _voters(ballot)
    if voters:
        pool.let_vote(voters)
    courses = catalog.read(membership.courses)
    leaving = {drive for drive, one in courses.items() if one.stage in (Stage.LEAVING, Stage.REMOVED)}
    pool.removed |= leaving
    if ballot.before is None and ballot.drives:
        pool.parity = ballot.parity
    for place in _places_to_join(pool, ballot, courses, leaving):
        await pool.join(Path(place))
    for drive in leaving - voters:
        slot = _slot(pool, drive, courses[drive], ballot)
        # one that was called off may be getting its vote at this moment: not before it is certain that it has none
        if slot is not None and (slot.state is not DriveState.ONLINE or courses[drive].stage is Stage.REMOVED):
            if slot.state is DriveState.ONLINE:
                with contextlib.suppress(DriveError):
                    await slot.retire()
            pool.leave(slot)
    joining = {drive for drive, one in courses.items() if one.stage is Stage.JOINING}
    for slot in pool.drives:
        if slot.id in joining - voters and slot.state is not DriveState.ONLINE:
            pool.forget(slot)  # it has no vote to be missed
    begun = False
    for slot in pool.drives:
        course = courses.get(slot.id or "")
        draining = course is not None and course.stage in (Stage.DRAINING, Stage.LEAVING)
        begun |= draining and not slot.draining
        slot.draining = draining
    return begun


def _places_to_join(pool: Pool, ballot: Ballot, courses: Mapping[str, Course], leaving: set[str]) -> list[str]:
    """Where voters are that no slot holds. A slot whose drive is new, and which nobody is adding, is there in the place
    of one of them that is lost: the start has put it there."""
    here = {str(one.path) for one in pool.drives}
    voters = dict.fromkeys(drive for one in ballot.electorates for drive in one.drives if drive not in leaving)
    gone = [ballot.places[drive] for drive in voters if pool.by_id(drive) is None and drive in ballot.places]
    gone = [place for place in gone if place not in here]
    known = {*voters, *courses}
    places = {*ballot.places.values(), *(one.path for one in courses.values())}
    new = [one for one in pool.drives if one.id is not None or one.state is DriveState.NEW]
    fresh = [one for one in new if one.id not in known and str(one.path) not in places]
    return gone[len(fresh) :]


def _slot(pool: Pool, drive: str, course: Course, ballot: Ballot) -> Drive | None:
    """Where a drive is looked for that has left: by its name, or by its place where nobody has seen it."""
    found = pool.by_id(drive)
    if found is not None or course.path in ballot.places.values():  # another one may have joined at that path since
        return found
    return next((one for one in pool.drives if one.id is None and str(one.path) == course.path), None)


async def carry_out(pool: Pool, catalog: Catalog, lock: Callable[[Drive], None], told: int | None = None) -> None:
    """Take every drive on its way, and another parity (`told` is what the settings say), one step further. In the jobs
    process alone, before `catalog.maintain`."""
    ballot = catalog.ballot()
    await _change_parity(pool, catalog, ballot, told)
    for drive, course in catalog.read(membership.courses).items():
        if course.stage is Stage.JOINING:
            await _join(pool, catalog, lock, drive, course, ballot)
        elif course.stage is Stage.DRAINING and course.leave:
            await _leave_when_empty(catalog, drive, course, ballot)
        elif drive in pool.removed and course.stage is Stage.LEAVING and drive not in _voters(ballot):
            await catalog.write(lambda tx, drive=drive: membership.removed(tx, drive, now_us()))  # type: ignore[misc]
            _log.info("drive %s (%s) was removed", course.path, drive)


def _voters(ballot: Ballot) -> set[str]:
    return {drive for one in ballot.electorates for drive in one.drives}


async def _change_parity(pool: Pool, catalog: Catalog, ballot: Ballot, told: int | None) -> None:
    """Let the pool of this process, which leads, have the parity that is wanted: the next ballot says so."""
    asked, stay = catalog.read(lambda tx: (parity.wanted(tx), len(membership.staying(tx, ballot.drives))))
    wanted = told if asked is None else asked
    if wanted is None:
        return
    if (ballot.parity == wanted and ballot.before is None) or wanted > stay // 2:
        if asked is not None:
            await catalog.write(lambda tx: parity.settled(tx, asked))
            _log.info("the parity is %d", ballot.parity)
    else:
        pool.parity = wanted


async def _join(
    pool: Pool, catalog: Catalog, lock: Callable[[Drive], None], drive: str, course: Course, ballot: Ballot
) -> None:
    if drive in ballot.drives and ballot.before is None:
        replaced = ballot.places.get(course.replaces, "")
        await catalog.write(lambda tx: membership.joined(tx, drive, now_us(), replaced))
        return
    problem = ""
    slot = await pool.join(Path(course.path))
    try:
        if slot.state is DriveState.NEW:
            slot = await pool.format_new(slot, drive)
            await catalog.write(lambda tx: census.fresh(tx, drive))
        if slot.state is DriveState.ONLINE and slot.id == drive:
            lock(slot)
        else:
            problem = slot.problem or f"the folder is {slot.state}"
    except DriveError as error:
        problem = error.reason
    if problem and not _voters(ballot) & {drive, slot.id}:
        pool.forget(slot)  # it would count among those that have to be there, and as one that nobody knows
    await _tell(catalog, drive, course, problem)


async def _leave_when_empty(catalog: Catalog, drive: str, course: Course, ballot: Ballot) -> None:
    held = await asyncio.to_thread(catalog.read, lambda tx: membership.held(tx, drive))
    if held.shards or drive in ballot.members:
        return
    with contextlib.suppress(membership.Refused):  # something was published meanwhile that is on it
        await catalog.write(lambda tx: membership.leave(tx, drive, course.path, now_us()))


async def _tell(catalog: Catalog, drive: str, course: Course, problem: str) -> None:
    if problem != course.problem:
        await catalog.write(lambda tx: membership.note_problem(tx, drive, problem))


async def tell_problem(catalog: Catalog, drive: str, problem: str) -> None:
    """Note why a drive makes no progress, or that it does."""
    course = catalog.read(lambda tx: membership.find(tx, drive))
    if course is not None:
        await _tell(catalog, drive, course, problem)


def joining(catalog: Catalog) -> set[str]:
    """Paths of drives that are about to join: they have a name already."""
    courses = catalog.read(membership.courses).values()
    return {course.path for course in courses if course.stage is Stage.JOINING}
