"""What is to become of drives: which ones join the pool, are emptied, or leave it. What was asked for, as rows.

Who is in the pool is what the ballot says. A drive that is in it to stay needs no row; a row says what is still to be
done for one, or that it is gone for good. The jobs process carries it out, and every process looks at the rows.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import NamedTuple

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.counting import number_of
from objstore.store import balancing


class Stage(enum.StrEnum):
    """Where a drive is on its way."""

    JOINING = "joining"  # to be formatted, and let in
    DRAINING = "draining"  # what it holds is moved to others; it is in the pool still
    LEAVING = "leaving"  # to lose its vote
    REMOVED = "removed"  # in the pool no more, and never again by this identity


class Course(msgspec.Struct, frozen=True, array_like=True):
    """A drive on its way: where it is, since when (microseconds since 1970), and what comes then.

    `replaces` is the drive that is drained as soon as this one has joined; `leave`: go on to LEAVING when it is empty;
    `held` are the bytes that it had in the beginning. `problem` says why there is no progress, for people."""

    path: str
    stage: Stage
    since_us: int
    replaces: str = ""
    leave: bool = False
    held: int = 0
    problem: str = ""


class Held(NamedTuple):
    """What a drive holds of blobs in which something is alive: shards, and the bytes of their files."""

    shards: int
    bytes: int


class Refused(Exception):
    """It would contradict what is under way, or not be safe; the message says what to do."""


def courses(tx: Transaction) -> dict[str, Course]:
    """All drives on their way, and those that are gone, by id."""
    return {row[0]: unpack(row[1], Course) for row in tx.all("SELECT id, record FROM drives ORDER BY id")}


def find(tx: Transaction, drive: str) -> Course | None:
    """The course of one drive."""
    row = tx.one("SELECT record FROM drives WHERE id = ?", drive)
    return None if row is None else unpack(row[0], Course)


def staying(tx: Transaction, voters: Collection[str]) -> set[str]:
    """Those of the drives that vote which are not about to leave, or to be emptied."""
    found = courses(tx)
    going = {drive for drive, course in found.items() if course.stage in (Stage.DRAINING, Stage.LEAVING)}
    # who has its vote is in the pool beside the one that it replaces, which is about to be drained
    going |= {course.replaces for drive, course in found.items() if drive in voters}
    return {*voters} - going


def put(tx: Transaction, drive: str, course: Course) -> None:
    """Set a drive's course."""
    tx.run(
        "INSERT INTO drives (id, record) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
        drive,
        pack(course),
    )


def join(tx: Transaction, drive: str, path: str, now_us: int, replaces: str = "") -> None:
    """Let a new drive at `path` in, by the name `drive`. Raises Refused."""
    for course in courses(tx).values():
        if course.path == path and course.stage is Stage.JOINING:
            raise Refused(f"{path} is being added already")
        if replaces and course.replaces == replaces and course.stage is Stage.JOINING:
            raise Refused(f"{course.path} is about to replace it already")
    if replaces and find(tx, replaces) is not None:
        raise Refused("the drive to replace is being drained or removed already")
    put(tx, drive, Course(path, Stage.JOINING, now_us, replaces))


def joined(tx: Transaction, drive: str, now_us: int, replaced: str = "") -> None:
    """The drive has its vote. The one that it replaces is to be emptied, and leave; it is at `replaced`. Where that is
    in the pool no more, or it replaces none, bytes are to be spread anew."""
    course = find(tx, drive)
    if course is None or course.stage is not Stage.JOINING:
        return
    tx.run("DELETE FROM drives WHERE id = ?", drive)
    if replaced:
        old = find(tx, course.replaces)
        if old is None or old.stage is Stage.DRAINING:
            drain(tx, course.replaces, replaced, now_us, leave=True)
    else:
        balancing.start(tx, now_us)


def drain(tx: Transaction, drive: str, path: str, now_us: int, *, leave: bool = False) -> None:
    """Have a drive emptied, and then removed if it is to `leave`. Raises Refused."""
    course = find(tx, drive)
    if course is not None and course.stage is Stage.DRAINING:
        put(tx, drive, msgspec.structs.replace(course, leave=course.leave or leave))
        return
    if course is not None:
        raise Refused(f"{path} is {course.stage}")
    put(tx, drive, Course(path, Stage.DRAINING, now_us, leave=leave, held=held(tx, drive).bytes))


def keep(tx: Transaction, drive: str, path: str) -> None:
    """Let a drive that is being emptied stay, and be filled again. Raises Refused."""
    course = find(tx, drive)
    if course is None or course.stage is not Stage.DRAINING:
        raise Refused(f"{path} is {course.stage if course else 'not being drained'}")
    tx.run("DELETE FROM drives WHERE id = ?", drive)
    balancing.start(tx, course.since_us)


def leave(tx: Transaction, drive: str, path: str, now_us: int, *, empty: bool = True) -> None:
    """Let a drive lose its vote; it must hold nothing that is alive if it is to be `empty`. Raises Refused."""
    course = find(tx, drive)
    if course is not None and course.stage not in (Stage.DRAINING, Stage.JOINING):
        raise Refused(f"{path} is {course.stage}")
    if empty and (left := held(tx, drive)).shards:
        holds = f"{path} holds {number_of(left.shards, 'shard')}"
        raise Refused(f"{holds}: drain it first, or, if it is lost, accept the loss of what it holds")
    put(tx, drive, Course(path, Stage.LEAVING, now_us))


def removed(tx: Transaction, drive: str, now_us: int) -> None:
    """The drive has no vote any more."""
    course = find(tx, drive)
    if course is not None and course.stage is Stage.LEAVING:
        put(tx, drive, Course(course.path, Stage.REMOVED, now_us))


def note_problem(tx: Transaction, drive: str, problem: str) -> None:
    """Say why a drive makes no progress; an empty text says that it does."""
    course = find(tx, drive)
    if course is not None and course.problem != problem:
        put(tx, drive, msgspec.structs.replace(course, problem=problem))


_ALIVE_ON = (
    " FROM shards JOIN blobs ON blobs.id = shards.blob WHERE shards.drive = ?"
    " AND (blobs.sealed = 0 OR EXISTS (SELECT 1 FROM extents WHERE extents.blob = blobs.id))"
)


def held(tx: Transaction, drive: str) -> Held:
    """What a drive holds, or should, of blobs that are alive. Linear in them."""
    row = tx.one(f"SELECT count(*), coalesce(sum(blobs.length), 0){_ALIVE_ON}", drive.encode())
    return Held(*row) if row is not None else Held(0, 0)


def emptying(tx: Transaction) -> bool:
    """Whether any drive that is drained holds something still. One that stays then, or was lost, holds nothing up."""
    draining = [drive for drive, course in courses(tx).items() if course.stage is Stage.DRAINING]
    return any(tx.one(f"SELECT 1{_ALIVE_ON} LIMIT 1", drive.encode()) is not None for drive in draining)
