"""Mirrors seen at one transaction, each through a connection of its own: for whoever checks and compares them.

A view is one read snapshot, so it may be looked at for as long as it takes while others commit (write-ahead logs cannot
begin anew meanwhile). Views of a running catalog are taken under the commit lock and stand at one transaction. Views of
a catalog at rest may lag: what a crash left on some mirrors only is levelled by the next start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw
import msgspec
from xxhash import xxh3_64_digest, xxh3_128

from objstore.catalog import ballots, hands, redo
from objstore.catalog.errors import MirrorFailed
from objstore.catalog.mirror import FAULTS, FILE, connect
from objstore.catalog.redo import Position
from objstore.catalog.session import Reading
from objstore.catalog.shared import File
from objstore.catalog.transaction import Row, Value
from objstore.counting import are, number_of
from objstore.drives.format import Ballot
from objstore.drives.pool import Pool

T = TypeVar("T")

_CACHE_KIB = 16_384
_CHECKSUM = 8
_CHECKED = ("record", "data")  # columns that begin with the checksum of what follows
_WORST = 20  # damaged places of one mirror that are told
_encode = msgspec.msgpack.Encoder().encode


class View(Reading):
    """The mirror on `drive` at `position`. A `Transaction` that reads, for one thread at a time."""

    __slots__ = ("_connection", "drive", "path", "position")

    def __init__(self, drive: str, path: Path, file: File | None = None) -> None:
        """Raises MirrorFailed where the file is not there, is not `file`, or cannot be read."""
        self.drive = drive
        self.path = path
        try:
            if file is not None and File.at(path) != file:
                raise MirrorFailed(drive, f"{path} was replaced")
            self._connection = connect(path, strict=True, cache_kib=_CACHE_KIB)
        except (*FAULTS, OSError) as error:
            raise _failed(drive, error) from error
        super().__init__(self._connection)
        try:
            self._connection.pragma("query_only", True)
            self._connection.execute("BEGIN")
            row = self.one("SELECT epoch, seq, chain, logged, members FROM mirror")
            if row is None:
                raise MirrorFailed(drive, "says nowhere where it stands")
        except (*FAULTS, OSError) as error:
            self.close()
            raise _failed(drive, error) from error
        except BaseException:
            self.close()
            raise
        epoch, seq, chain, logged, members = row
        self.position = Position(epoch, seq, chain, logged, tuple(members.split()))

    def rows(self, sql: str, *params: Value) -> Iterator[Row]:
        """The rows of a query one by one, however many there are."""
        yield from self._connection.execute(sql, params)

    def read(self, function: Callable[[View], T]) -> T:
        """As `Catalog.read`, from this snapshot."""
        return function(self)

    def close(self) -> None:
        with contextlib.suppress(apsw.Error):
            self._connection.close()


class Look(msgspec.Struct, frozen=True):
    """What a mirror holds, as a digest for each table, and what is wrong with it, for people."""

    digests: dict[str, bytes]
    problems: list[str]


def look(view: View, progress: Callable[[int], None] = lambda _: None) -> Look:
    """Read all of a mirror: SQLite's own check, the checksum of every record, the redo log's chain, and the digests.

    Blocks, for about a microsecond a row; `progress` is told of the rows as they come."""
    digests: dict[str, bytes] = {}
    problems: list[str] = []
    try:
        found = [row[0] for row in view.all("PRAGMA integrity_check(10)")]
        problems += [] if found == ["ok"] else found
        tables = view.all("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for (table,) in tables:
            digests[table] = _digest(view, table, problems, progress)
        problems += _broken_log(view)
    except (*FAULTS, apsw.SQLError) as error:
        problems.append(f"cannot be read: {type(error).__name__}: {error}")
    return Look(digests, problems)


def _digest(view: View, table: str, problems: list[str], progress: Callable[[int], None]) -> bytes:
    """A hash over the rows of a table, in the order of its key; notes rows whose checksum does not match."""
    columns = [row[1] for row in view.all(f"PRAGMA table_info({table})")]
    checked = [number for number, name in enumerate(columns) if name in _CHECKED]
    digest = xxh3_128()
    bad = count = 0
    for row in view.rows(f"SELECT * FROM {table}"):
        digest.update(_encode(row))
        count += 1
        for number in checked:
            value = row[number]
            if not isinstance(value, bytes) or xxh3_64_digest(value[_CHECKSUM:]) != value[:_CHECKSUM]:
                bad += 1
        if not count % 1000:
            progress(1000)
    progress(count % 1000)
    if bad:
        problems.append(f"{number_of(bad, 'row')} of {table} {are(bad)} not what the checksum says")
    return digest.digest()


def _broken_log(view: View) -> list[str]:
    """Whether each transaction of the redo log continues the one before it, up to where the mirror stands."""
    chain: bytes | None = None
    last = None
    for seq, epoch, link, packed in view.rows("SELECT seq, epoch, chain, statements FROM redo ORDER BY seq"):
        if last is not None and seq != last + 1:
            return [f"the redo log has nothing between transactions {last} and {seq}"]
        if chain is not None and redo.extend(chain, seq, epoch, packed) != link:
            return [f"transaction {seq} of the redo log does not match its checksum"]
        chain, last = link, seq
    position = view.position
    if last is not None and (last, chain) != (position.seq, position.chain):
        return [f"the redo log ends with transaction {last}, the mirror says it stands at {position.seq}"]
    return []


def continues(leader: View, other: View) -> bool:
    """Whether `other`, which stands behind `leader`, has the same history so far: then it can be caught up."""
    here = other.position
    if here.seq == leader.position.seq:
        return here.chain == leader.position.chain
    row = leader.one("SELECT chain FROM redo WHERE seq = ?", here.seq)
    return row is not None and row[0] == here.chain


def odd_ones(
    looks: dict[str, Look], better: Callable[[list[str]], str] = lambda drives: drives[0]
) -> dict[str, list[str]]:
    """Of mirrors at one position (leader first), those that hold something else than most, with the tables concerned.

    Only mirrors in which nothing is wrong by itself are compared: however many are damaged, they are never believed
    against one that is whole. Where as many say the one as the other, `better` chooses from one drive of each."""
    whole = {drive: one.digests for drive, one in looks.items() if not one.problems}
    groups: list[list[str]] = []
    for drive, digests in whole.items():
        same = next((group for group in groups if whole[group[0]] == digests), None)
        if same is None:
            groups.append([drive])
        else:
            same.append(drive)
    groups.sort(key=lambda group: -len(group))
    tied = [group for group in groups if len(group) == len(groups[0])]
    if len(tied) > 1:
        chosen = better([group[0] for group in tied])
        groups.sort(key=lambda group: group[0] != chosen)
    right = whole[groups[0][0]] if groups else {}
    return {
        drive: sorted(table for table in {*right, *whole[drive]} if right.get(table) != whole[drive].get(table))
        for group in groups[1:]
        for drive in group
    }


@contextlib.contextmanager
def opened(
    places: Sequence[tuple[str, Path, File | None]], deadline: float | None = None
) -> Iterator[tuple[list[View], list[MirrorFailed]]]:
    """Views of mirrors, given by drive, path and what file that should be; and why the others have none, such as that
    they were not opened within `deadline` seconds."""
    with contextlib.ExitStack() as stack:
        views: list[View] = []
        failures: list[MirrorFailed] = []
        for drive, path, file in places:
            try:
                opening = partial(View, drive, path, file)
                view = opening() if deadline is None else hands.opened(drive, deadline, opening)
            except MirrorFailed as error:
                failures.append(error)
                continue
            stack.callback(view.close)
            views.append(view)
        yield views, failures


@contextlib.contextmanager
def at_rest(pool: Pool, ballot: Ballot) -> Iterator[tuple[list[View], list[MirrorFailed]]]:
    """Views of the mirrors that `ballot` names, of a catalog that nobody has open; the one furthest ahead first."""
    drives = [(member, pool.by_id(member)) for member in ballot.members]
    missing = [MirrorFailed(member, "its drive is not among those named") for member, drive in drives if drive is None]
    places = [(member, drive.path / FILE, None) for member, drive in drives if drive is not None]
    with opened(places) as (views, failures):
        views.sort(key=lambda view: -view.position.seq)
        yield views, [*missing, *failures]


def ballots_at_rest(pool: Pool) -> tuple[Ballot | None, list[tuple[str, str]]]:
    """The latest ballot of the drives, and what is wrong with those of single ones, by path."""
    votes = ballots.ask(pool)
    wrong = [(str(drive.path), "its ballot is damaged") for drive, vote in votes.items() if vote.damaged]
    return ballots.latest(votes), wrong


def _failed(drive: str, error: Exception) -> MirrorFailed:
    return MirrorFailed(drive, f"{type(error).__name__}: {error}")
