"""One verification: mirrors, then rows, then shards, then files.

Mirrors and rows are looked at in one snapshot of the catalog. While that is open, no mirror's write-ahead log can begin
anew; so for the drives, which take long, a running store is asked as it is when the turn of a blob comes. What seems
wrong of a shard is then looked at once more, because a heal or a delete may have come between; and files that no row
knows are given the time in which whoever made them publishes them, or the jobs collect them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from objstore.blobs import Blobs
from objstore.blobs.errors import BlobError
from objstore.blobs.ids import instance_of
from objstore.blobs.types import Append, BlobInfo, Extent
from objstore.catalog import views
from objstore.catalog.errors import MirrorFailed
from objstore.catalog.transaction import Transaction
from objstore.catalog.views import View
from objstore.counting import number_of
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState
from objstore.jobs import mirror_checks
from objstore.jobs.shard_checks import Found, look_at
from objstore.jobs.verify.report import Progress, Report
from objstore.jobs.verify.whose import whose
from objstore.store import repair
from objstore.store.audit import Audit
from objstore.store.extents import append_alive

T = TypeVar("T")
Views = Callable[[], AbstractContextManager[tuple[list[View], list[MirrorFailed]]]]
Read = Callable[[Callable[[Transaction], Any]], Any]

_PAGE, _FILES = 100, 1_000
_PATIENCE, _PAUSE = 30, 1.0  # so many times, seconds apart, a file that nothing knows is looked for once more


class _Stopped(Exception):
    """Whoever asked has gone."""


class Verification:
    """One run over a store. Have `run` done; `progress` tells how far it is, from any thread."""

    def __init__(
        self,
        pool: Pool,
        open_views: Views,
        blobs: Callable[[Read], Blobs],
        *,
        live: Read | None = None,
        lives: Callable[[bytes], bool] = lambda _: False,
    ) -> None:
        """`blobs` makes the reader of shards over a way to read the catalog. `live` reads the catalog of a store that
        runs, as it is now; without it the store is at rest. `lives`: whether an instance may still publish."""
        self.progress = Progress("mirrors", 0, 0)
        self.report = Report()
        self._pool = pool
        self._open_views = open_views
        self._make_blobs = blobs
        self._live = live
        self._lives = lives
        self._stopped = False
        self._unread: set[tuple[bytes, int]] = set()

    async def run(self) -> Report:
        """Look at everything; the report. Raises nothing about what is found wrong."""
        for drive in self._pool.drives:
            if drive.state is not DriveState.ONLINE:
                self.report.problem("drive", str(drive.path), f"is {drive.state}: {drive.problem or 'not in use'}")
        with contextlib.ExitStack() as stack:
            found, failures = await self._on_thread(stack.enter_context, self._open_views())
            leader = await self._on_thread(self._look_at_mirrors, found, failures)
            if leader is None:
                self.report.problem("mirror", "catalog", "no mirror can be read")
                return self.report
            for view in found:
                if view is not leader:
                    view.close()
            await self._on_thread(self._audit, leader)
            newest, total = leader.read(_blobs)
            if self._live is not None:
                leader.close()
            read = self._live or leader.read
            await self._look_at_shards(read, newest, total)
            if self._unread:
                for name in await self._on_thread(lambda: list(whose(read, self._unread))):
                    self.report.problem("object", name, "some of its bytes cannot be read")
            await self._look_at_files(read)
        return self.report

    async def _on_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Have work done on a thread, which has ended when this does: nobody closes a mirror that it looks at."""
        task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._stopped = True
            await asyncio.wait([task])
            raise

    # the catalog

    def _look_at_mirrors(self, found: list[View], failures: list[MirrorFailed]) -> View | None:
        for failure in failures:
            self.report.problem("mirror", self._path(failure.drive), failure.reason)
        if not found:
            return None
        self.report.mirrors = len(found)
        self._begin("mirrors", _rows(found[0]) * len(found))
        first = found[0]
        level = [view for view in found if view.position[1:3] == first.position[1:3]]
        wrong = mirror_checks.look_at(level, self._advance)
        for view in found:
            if view not in level:
                self._tell_lag(first, view)
                wrong |= mirror_checks.look_at([view], self._advance)
        for drive, problems in wrong.items():
            for problem in problems:
                self.report.problem("mirror", self._path(drive), problem)
        return next((view for view in level if view.drive not in wrong), first)

    def _tell_lag(self, first: View, view: View) -> None:
        if self._live is None and views.continues(first, view):
            behind = first.position.seq - view.position.seq
            told = f"is {number_of(behind, 'transaction')} behind: a start levels it"
            self.report.notice("mirror", self._path(view.drive), told)
        else:
            seqs = f"{view.position.seq}, the others at {first.position.seq}"
            self.report.problem("mirror", self._path(view.drive), f"stands at transaction {seqs}, or has other ones")

    def _audit(self, leader: View) -> None:
        self._begin("catalog", _rows(leader))
        audit = Audit(leader, self._advance)
        for fault in audit.faults():
            self.report.problem(fault.kind, fault.where, fault.reason)
        report = self.report
        report.objects, report.versions, report.parts = audit.objects, audit.versions, audit.parts
        report.extents, report.blobs = audit.extents, audit.blobs

    # the drives

    async def _look_at_shards(self, read: Read, newest: bytes, total: int) -> None:
        """Look at every blob up to the `newest`, as it is now."""
        self._begin("shards", total)
        blobs = self._make_blobs(read)
        try:
            after = b""
            while ids := await self._on_thread(read, lambda tx, after=after: repair.blob_ids(tx, after, _PAGE)):
                for after in ids:
                    if after > newest:
                        return
                    found = await self._on_thread(read, lambda tx, blob=after: _blob(tx, blob))
                    if found is not None:
                        await self._look_at_blob(read, blobs, *found)
        finally:
            await blobs.close()

    async def _look_at_blob(self, read: Read, blobs: Blobs, info: BlobInfo, appends: list[Append]) -> None:
        self.report.bytes += sum(append.span(info.layout) for append in appends) * info.layout.width
        lacking: dict[int, list[Found]] = {}
        for shard, name in enumerate(info.drives):
            self.report.shards += 1
            found = await look_at(read, blobs, info, shard, appends)
            if not found:
                continue
            lacking[shard] = found
            where = f"shard {shard} of blob {info.id.hex()} on {self._path(name)}"
            self.report.problem(found[0].kind, where, found[0].reason)
        bad = sum(found[0].kind != "drive" for found in lacking.values())
        if len(lacking) > info.layout.parity:
            for append in appends:
                await self._prove(blobs, info, append, "lost" if bad > info.layout.parity else "away")
        self._advance(info.length)

    async def _prove(self, blobs: Blobs, info: BlobInfo, append: Append, kind: str) -> None:
        """Read an append of a blob of which too many shards have something wrong: it may be whole all the same. If not,
        it is of this `kind`."""
        extent = Extent(info.id, append.offset, append.head, append.size, 0, append.size)
        try:
            async for _ in blobs.read([extent], 0, append.size):
                pass
        except BlobError as error:
            if self._live is None or self._live(lambda tx: append_alive(tx, extent.blob, extent.offset)):
                self._unread.add((info.id, append.offset))
                self.report.problem(
                    kind, f"{number_of(append.size, 'byte')} at {append.offset} of blob {info.id.hex()}", str(error)
                )

    async def _look_at_files(self, read: Read) -> None:
        drives = self._pool.online()
        self._begin("files", len(drives))
        for drive in drives:
            unknown: list[tuple[bytes, int]] = []
            try:
                files = [(blob, shard) for blob, shard, _, _ in await drive.shards()]
            except DriveError as error:
                self.report.problem("drive", str(drive.path), str(error))
                continue
            for first in range(0, len(files), _FILES):
                some = files[first : first + _FILES]
                unknown += await self._on_thread(read, lambda tx, some=some, drive=drive: _unknown(tx, drive, some))
            await self._tell_unknown(drive, unknown)
            self._advance(1)

    async def _tell_unknown(self, drive: Drive, unknown: list[tuple[bytes, int]]) -> None:
        if self._live is None:
            for blob, shard in unknown:
                self.report.notice("file", _file(drive, blob, shard), "nothing knows it: the next start collects it")
            return
        for _ in range(_PATIENCE):
            unknown = [one for one in unknown if self._is_orphan(drive, *one)]
            there = {(blob, shard) for blob, shard, _, _ in await drive.shards()} if unknown else set()
            unknown = [one for one in unknown if one in there]
            if not unknown:
                return
            await asyncio.sleep(_PAUSE)
        for blob, shard in unknown:
            self.report.problem("file", _file(drive, blob, shard), "nothing knows it, and nobody collects it")

    def _is_orphan(self, drive: Drive, blob: bytes, shard: int) -> bool:
        assert self._live is not None
        return not self._lives(instance_of(blob)) and not self._live(lambda tx: _known(tx, drive, blob, shard))

    # progress

    def _begin(self, step: str, total: int) -> None:
        self.progress = Progress(step, 0, total)

    def _advance(self, more: int) -> None:
        if self._stopped:
            raise _Stopped
        now = self.progress
        self.progress = Progress(now.step, min(now.done + more, max(now.total, now.done)), now.total)

    def _path(self, drive: str) -> str:
        found = self._pool.by_id(drive)
        return str(found.path) if found is not None else f"drive {drive}"


def _blobs(tx: Transaction) -> tuple[bytes, int]:
    """The newest blob, and the bytes that there are of all."""
    row = tx.one("SELECT max(id), sum(length) FROM blobs")
    return (row[0] or b"", int(row[1] or 0)) if row is not None else (b"", 0)


def _blob(tx: Transaction, blob: bytes) -> tuple[BlobInfo, list[Append]] | None:
    """A blob with all appends that are alive, in one look; None when it is gone."""
    info = repair.blob(tx, blob)
    return None if info is None else (info, repair.appends(tx, blob))


def _unknown(tx: Transaction, drive: Drive, files: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    """Those of the files, blob and shard, that the catalog does not know."""
    return [(blob, shard) for blob, shard in files if not _known(tx, drive, blob, shard)]


def _known(tx: Transaction, drive: Drive, blob: bytes, shard: int) -> bool:
    """Whether the catalog knows the file: as the shard's place, or as something that is yet to be given back."""
    name = (drive.id or "").encode()
    for table in ("shards", "leftovers"):
        sql = f"SELECT 1 FROM {table} WHERE drive = ? AND blob = ? AND idx = ?"
        if tx.one(sql, name, blob, shard) is not None:
            return True
    return False


def _rows(view: View) -> int:
    """About how many rows there are to look at."""
    return _sum(view, "SELECT sum(objects + versions) FROM usage")


def _sum(view: View, sql: str) -> int:
    row = view.one(sql)
    return int(row[0] or 0) if row is not None else 0


def _file(drive: Drive, blob: bytes, shard: int) -> str:
    return f"shard {shard} of blob {blob.hex()} on {drive.path}"
