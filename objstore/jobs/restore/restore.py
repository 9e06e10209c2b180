"""The restore itself, on drives that no server uses: a catalog made beside, whole, and only then put in its place.

Nothing of what is on the drives changes before the last step: one rename puts the mirror on the drive with most room, a
ballot of an epoch that no drive ever heard of makes it the only one, and the others are copied from it. Cut short
before, nothing has happened; cut short after, the next start (or another restore) goes on from there.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw
import msgspec

from objstore.catalog import ballots, copying, redo
from objstore.catalog.errors import CatalogError, MirrorFailed
from objstore.catalog.mirror import FILE, Mirror
from objstore.catalog.schema import MIGRATIONS, VERSION
from objstore.catalog.session import Writing
from objstore.catalog.startup import start
from objstore.catalog.transaction import Transaction
from objstore.counting import are, number_of
from objstore.drives.drive import DEADLINE, Drive
from objstore.drives.format import Ballot
from objstore.drives.inspection import inspect
from objstore.drives.lock import lock_drive
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.jobs.restore import sources
from objstore.jobs.restore.appends import Found, walk
from objstore.jobs.restore.dropping import drop_gone
from objstore.jobs.restore.reconciling import reconcile
from objstore.jobs.restore.recovering import Recovery, is_new
from objstore.jobs.restore.report import Report, Taken
from objstore.jobs.restore.shelves import BlobFiles, survey
from objstore.jobs.restore.sources import Candidate, DumpBroken, SchemaTooNew

Step = Callable[[str, int], None]
"""Told what is being done, and how many of it are done since."""


class RestoreRefused(Exception):
    """Nothing was changed; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """`accept_loss`: go on without drives that are away, and without a snapshot. `replace`: though a catalog is there.
    `assemble`: make objects of uploads that got parts after the snapshot. `dry_run`: change nothing."""

    accept_loss: bool = False
    replace: bool = False
    assemble: bool = False
    dry_run: bool = False


def restore(
    paths: Sequence[Path],
    wishes: Wishes,
    *,
    parity: int | None = None,
    deadline: float = DEADLINE,
    step: Step = lambda *_: None,
) -> Report:
    """Make the catalog of the drives at `paths` again. Blocks, for as long as it takes to read what is new on them.

    Raises RestoreRefused, DriveError (a server uses them), CatalogError."""
    with _locked([path for path in paths if path.is_dir()]):
        for one in inspect(paths, deadline=deadline):
            if one.state in (DriveState.FOREIGN, DriveState.DUPLICATE):
                raise RestoreRefused(f"drive {one.path} {one.problem}")
        pool = Pool.open(paths, parity=parity, deadline=deadline)
        try:
            return _restore(pool, wishes, step)
        finally:
            pool.close()


@contextlib.contextmanager
def _locked(paths: Sequence[Path]) -> Iterator[None]:
    locks: list[int] = []
    try:
        locks += [lock_drive(path) for path in paths]
        yield
    finally:
        for fd in locks:
            os.close(fd)


def _restore(pool: Pool, wishes: Wishes, step: Step) -> Report:
    votes = ballots.ask(pool)
    latest = ballots.latest(votes)
    _check(pool, latest, wishes)
    online = pool.online()
    blobs = survey(online, lambda count: step("shard files listed", count))
    candidates: list[Candidate | None] = [*sources.candidates(blobs)]
    if wishes.accept_loss:
        candidates.append(None)
    target = max(online, key=lambda drive: drive.free)
    epoch = ballots.next_era(max([vote.epoch for vote in votes.values()], default=0))
    passed_over: list[str] = []
    for candidate in candidates:
        making = _Making(pool, blobs, candidate, wishes, epoch, target, step)
        try:
            copying.build(target, making.fill)
        except (DumpBroken, SchemaTooNew) as error:
            assert candidate is not None, "an empty catalog is whole"
            passed_over.append(f"{_when(candidate.taken_us)}: {error}")
            continue
        making.report.snapshot.passed_over = passed_over
        if not wishes.dry_run:
            _install(pool, latest, epoch, target, wishes)
        return making.report
    raise RestoreRefused(
        "no whole snapshot of the catalog is on these drives"
        + (f" ({'; '.join(passed_over)})" if passed_over else "")
        + "; to recover what the drives tell without one (users, policies and keys are lost then), say --accept-loss"
    )


def _check(pool: Pool, latest: Ballot | None, wishes: Wishes) -> None:
    """Raise RestoreRefused where a restore is not what is called for, or would lose more than it must."""
    away = [drive for drive in pool.drives if drive.state not in (DriveState.ONLINE, DriveState.NEW)]
    if not pool.online():
        raise RestoreRefused(f"none of the drives is there: {', '.join(ballots.away(pool))}")
    if away and not wishes.accept_loss:
        told = ", ".join(f"{drive.path} ({drive.problem or drive.state})" for drive in away)
        raise RestoreRefused(
            f"drives are away, and what they hold might be recovered: {told}; bring them back, or, if they are lost "
            "for good, say --accept-loss"
        )
    known = len(latest.drives) if latest is not None else 0
    if len(pool.drives) < known and not wishes.accept_loss:
        named = len(pool.drives)
        told = f"{number_of(named, 'drive')} {are(named)} named, the deployment has {known}: name them all"
        raise RestoreRefused(told)
    mirrors = [drive for drive in pool.online() if _has_catalog(drive, latest)]
    if mirrors and not wishes.replace:
        raise RestoreRefused(
            f"a catalog is there, on {', '.join(str(drive.path) for drive in mirrors)}: start the server, which "
            "repairs the other mirrors from it; to give it up all the same, say --replace"
        )


def _has_catalog(drive: Drive, latest: Ballot | None) -> bool:
    """Whether a drive has a sound mirror that the store would lead with."""
    assert drive.id is not None, "a drive that is online has an identity"
    path = drive.path / FILE
    if not path.exists() or (latest is not None and drive.id not in latest.members):
        return False
    try:
        mirror = Mirror(drive.id, path, drive, strict=True)
    except MirrorFailed:
        return False
    try:
        with mirror.failures():
            return bool(mirror.connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except (MirrorFailed, apsw.Error):
        return False
    finally:
        mirror.close()


class _Making:
    """One attempt, with one snapshot or none."""

    def __init__(
        self,
        pool: Pool,
        blobs: Mapping[bytes, BlobFiles],
        candidate: Candidate | None,
        wishes: Wishes,
        epoch: int,
        target: Drive,
        step: Step,
    ) -> None:
        self._pool, self._blobs, self._candidate = pool, blobs, candidate
        self._wishes, self._epoch, self._target, self._step = wishes, epoch, target, step
        self.report = Report(Taken(candidate.taken_us if candidate is not None else 0, 0, 0))

    def fill(self, connection: apsw.Connection) -> bool:
        """Make the catalog; whether it is to be put in its place."""
        report, here = self.report, {drive.id for drive in self._pool.online() if drive.id}
        report.drives_away = list(ballots.away(self._pool))
        self._load(connection)
        now_us = time.time_ns() // 1000
        connection.execute("BEGIN")
        tx = Writing(connection)
        row = tx.one("SELECT count(*) FROM objects")
        report.objects = row[0] if row is not None else 0
        self._step("blobs of the snapshot", 0)
        standing = reconcile(tx, self._blobs, here, report)
        found = list(self._new(tx))
        Recovery(tx, standing, report, now_us, assemble=self._wishes.assemble).run(found)
        drop_gone(tx, standing, report, now_us)
        tx.run(
            "INSERT INTO mirror VALUES (1, ?, ?, ?, 0, ?)",
            self._epoch,
            report.snapshot.seq + 1,
            os.urandom(len(redo.ORIGIN)),  # no mirror that turns up again continues this history
            self._target.id or "",
        )
        connection.execute("COMMIT")
        return not self._wishes.dry_run

    def _load(self, connection: apsw.Connection) -> None:
        taken = self.report.snapshot
        if self._candidate is None:
            for migration in MIGRATIONS:
                for sql in migration:
                    connection.execute(sql)
            connection.pragma("user_version", VERSION)
            return
        self._step("snapshot of the catalog read", 0)
        head = sources.read(self._candidate, self._pool.deployment or "", connection)
        taken.taken_us = head.taken_us  # by the clock, as what was written later
        taken.seq, taken.size = head.seq, self._candidate.record.stored

    def _new(self, tx: Transaction) -> Iterator[Found]:
        """The appends that were published after the snapshot, as far as can be told."""
        self._step("blobs looked through", 0)
        for blob, files in self._blobs.items():
            known = tx.all(
                "SELECT offset, span FROM extents WHERE blob = ? UNION ALL SELECT offset, span FROM garbage"
                " WHERE blob = ? ORDER BY 1",
                *(blob, blob),
            )
            for found in walk(files, [(offset, span) for offset, span in known]):
                if is_new(tx, found, self.report.snapshot.taken_us):
                    yield found
            self._step("blobs looked through", 1)


def _install(pool: Pool, latest: Ballot | None, epoch: int, target: Drive, wishes: Wishes) -> None:
    """Make the new mirror the one that leads, and give it company. Raises RestoreRefused, CatalogError."""
    nobody = Ballot(0, (), (), 0)
    here = tuple(drive.id for drive in pool.online() if drive.id)
    assert target.id is not None, "a drive that is online has an identity"
    after = ballots.succeeding(pool, latest or nobody, (target.id,), epoch=epoch)
    voters = here if wishes.accept_loss else after.drives
    # who voted before is asked no more: the catalog that they voted on is lost
    after = msgspec.structs.replace(after, drives=voters, parity=min(pool.parity, len(voters) // 2), before=None)
    if not ballots.cast(pool, after):
        raise RestoreRefused(
            f"the catalog was made on {target.path}, but too few drives took the ballot that names it; away: "
            f"{', '.join(ballots.away(pool)) or 'none'}. Bring them back and restore again"
        )
    with tempfile.TemporaryDirectory(prefix="objstore-restore-") as folder, contextlib.suppress(CatalogError):
        start(pool, Path(folder))  # mirrors on other drives; what is not made now, the server makes


def _when(us: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(us / 1_000_000))
