"""A store of several processes over real drives, all of it stepped: two workers and the jobs process, whose drives come
and go, and what must be true of it after every step."""

from __future__ import annotations

import contextlib
import gc
import shutil
from collections.abc import Awaitable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

import erasure
from erasure import SHARD_HEADER
from objstore.blobs.errors import BlobError, RecordCorrupt
from objstore.blobs.ids import instance_of
from objstore.blobs.records import unpack_record
from objstore.blobs.types import Append, BlobInfo, layout_of
from objstore.catalog.errors import CatalogError
from objstore.drives.errors import DriveError
from objstore.drives.format import FORMAT_FILE, Ballot, read_format
from objstore.drives.pool import format_new_drives
from objstore.drives.shardfiles import parse_name, shard_path
from objstore.drives.state import DriveState
from objstore.jobs import census
from objstore.jobs.scrub import order, standing
from objstore.store import audit, balancing, parity, redundancy, repair, restriping
from objstore.store.membership import Stage as CourseStage
from objstore.store.membership import courses
from objstore.store.types import INLINE
from tests.jobs.processes import GRACE, Keeper, Process
from tests.jobs.stepping import Disks, InlineCrew, Stage, inspect
from tests.store import soundness
from tests.store.fakes import MemoryCatalog

_TIMED = ("blobs.shards", "blobs.batches", "drives.shardfiles", "drives.health", "drives.pool", "drives.drive")
_DATED = ("compact", "membership", "reap", "relocate", "seal")
_BLOBS = 1000
_ROUNDS = 60  # more than anything here takes to come to its end


class Town:
    """Drives below `folder`, a catalog that never fails, and the processes of a server.

    `hurt` are the places whose drives may lack anything until all of it is known and healed: never more than the least
    parity that is promised. `spoilt` are the shard files in which a byte was flipped."""

    def __init__(self, folder: Path, drives: int, parity_: int, seed: int) -> None:
        self._patch = pytest.MonkeyPatch()
        self.stage = Stage()
        self.folder, self.chance = folder, Random(seed)
        gc.disable()  # what is left of who died would be cleaned up at any moment
        self._ids = self._asked = 0
        self._set_up()
        self._idents: dict[Path, tuple[Any, str]] = {}
        self.paths = [folder / f"drive{number}" for number in range(drives)]
        self.shared = RowsCatalog()
        self.system = Disks({str(path): self.chance.randrange(50 << 30, 100 << 30) for path in self.paths})
        formats = format_new_drives(inspect(self.paths))
        places = {one.drive: str(path) for one, path in zip(formats, self.paths, strict=True)}
        self.ballot = Ballot(1, (), tuple(places), parity_, places)
        self.hurt: set[Path] = set()
        self.renewed: set[Path] = set()  # where an empty drive took the place of one that was lost
        self.spoilt: set[tuple[Path, bytes, int]] = set()
        self.away: set[Path] = set()
        self.kept: dict[Path, Path] = {}
        self.replaced: set[Path] = set()
        self.changed: dict[Path, int] = {}
        self.probed: dict[Process, list[int]] = {}
        self.changes = 0
        self.instances = 0
        self.workers = [Process(self), Process(self)]
        self.keeper = Keeper(self)

    def _set_up(self) -> None:
        patch = self._patch.setattr
        clock = SimpleNamespace(monotonic=self.stage.loop.time)
        for module in _TIMED:
            patch(f"objstore.{module}.time", clock)
        for module in _DATED:
            patch(f"objstore.jobs.{module}.now_us", self.now_us)
        patch("objstore.store.reports.now_us", self.now_us)
        patch("objstore.drives.drive.Crew", InlineCrew)
        patch("objstore.drives.pool.inspect", inspect)
        for module in ("format", "pool"):
            patch(f"objstore.drives.{module}.new_id", lambda: f"{self.chance.getrandbits(128):032x}")
        patch("objstore.store.content.random", self.chance)
        patch("objstore.blobs.container.new_blob_id", self._new_id)
        patch("objstore.blobs.container._rng", self.chance)
        patch("objstore.blobs.batches.GATHERING", 0.0)
        patch("objstore.blobs.writer.PACK_MAX", 24 << 10)
        patch("objstore.blobs.packing.PREALLOCATE", 32 << 10)
        patch("objstore.store.completing.MIN_PART", INLINE + 1)
        patch("objstore.jobs.mirror_checks.compare", _no_mirrors)

    def close(self) -> None:
        for process in self.processes():
            process.close()
        self.stage.close()
        self._patch.undo()
        gc.enable()
        shutil.rmtree(self.folder)

    def now_us(self) -> int:
        self._asked += 1  # no two of them are the same
        return int(self.stage.loop.time() * 1_000_000) + self._asked

    def _new_id(self, instance: bytes) -> bytes:
        self._ids += 1
        assert self._ids < _BLOBS, "bytes are written again and again"
        return (self.now_us() // 1000).to_bytes(6, "big") + instance + self._ids.to_bytes(6, "big")

    def kill(self, process: Process) -> Process:
        """A process dies, and another one begins in its place."""
        process.catalog.dead = True
        self.stage.kill(process)
        process.pool._listeners.clear()
        process.close()
        self.probed.pop(process)
        if process is self.keeper:
            self.keeper = Keeper(self)
            return self.keeper
        number = self.workers.index(process)
        self.workers[number] = Process(self)
        return self.workers[number]

    def processes(self) -> list[Process]:
        return [*self.workers, self.keeper]

    def lives(self, instance: bytes) -> bool:
        return any(process.instance == instance for process in self.processes())

    # --- drives

    def ident(self, path: Path) -> str | None:
        """Which drive is there."""
        try:
            at = (path / FORMAT_FILE).stat()
            known = (at.st_ino, at.st_mtime_ns)
            if self._idents.get(path, ((), ""))[0] != known:
                self._idents[path] = known, read_format(path).drive
        except OSError:
            return None
        return self._idents[path][1]

    def place_of(self, drive: str) -> Path | None:
        return next((path for path in self.paths if self.ident(path) == drive), None)

    def there(self) -> list[str]:
        return [ident for path in self.paths if (ident := self.ident(path)) in self.ballot.drives]

    def read_only(self) -> bool:
        voters = len(self.ballot.drives)
        return len(self.there()) < max(voters - self.ballot.parity, voters // 2 + 1)

    def least(self) -> int:
        """The parity that everything has which was written, or is being written, and soon will be."""
        rows = [row[0] for row in self.shared.all("SELECT DISTINCT parity FROM blobs")]
        pools = [process.pool.parity for process in self.processes()]
        wanted = self.shared.read(parity.wanted)
        soon = [] if wanted is None else [wanted]
        least: int = min([*rows, *pools, *(one.parity for one in self.ballot.electorates), *soon])
        return least

    def may_hurt(self, path: Path) -> bool:
        """Whether one more failure is one that the parity bears. A place is hurt once, however often; but a new drive
        that took it may hold good shards already: it is not hurt before the lost one's are healed."""
        if path in self.hurt:
            return path not in self.renewed
        return len(self.hurt) < self.least()

    def note_change(self, path: Path) -> None:
        self.hurt.add(path)
        self.renewed.discard(path)
        self.changes += 1
        self.changed[path] = self.changes

    def take_away(self, path: Path) -> None:
        path.rename(path.with_suffix(".away"))
        self.away.add(path)
        self.note_change(path)

    def put_back(self, path: Path) -> None:
        path.with_suffix(".away").rename(path)
        self.away.discard(path)
        self.note_change(path)

    def put_back_empty(self, path: Path) -> None:
        shutil.rmtree(path.with_suffix(".away"))
        path.mkdir()
        self.away.discard(path)
        self.replaced.add(path)
        self.spoilt = {one for one in self.spoilt if one[0] != path}
        self.note_change(path)
        self.renewed.add(path)

    def keep_copy(self, path: Path) -> None:
        copy = path.with_suffix(".old")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(path, copy)
        self.kept[path] = copy

    def put_back_old(self, path: Path) -> None:
        shutil.rmtree(path.with_suffix(".away"))
        shutil.copytree(self.kept[path], path)
        self.away.discard(path)
        self.replaced.add(path)
        self.note_change(path)

    def spoil(self, path: Path, number: int) -> None:
        """Flip a byte in each page of a shard file."""
        files = sorted(path.glob("shards/*/*"))
        if not files:
            return
        file = files[number % len(files)]
        key = parse_name(file.name)
        if key is None or key[2] or self.shared.read(lambda tx: repair.blob(tx, key[0])) is None:
            return
        content = bytearray(file.read_bytes())
        for page in range(0, len(content), 4096):
            content[page + 100] ^= 1
        file.write_bytes(content)
        self.spoilt.add((path, key[0], key[1]))
        self.hurt.add(path)
        self.renewed.discard(path)

    def recover(self) -> None:
        """See which places are whole again: every process has seen what is there, and nothing waits to be made good."""
        waiting = self.shared.read(census.waiting)
        doubted = {drive for process in self.processes() for drive in process.returns._waiting}
        rows = self.shared.all("SELECT drive, max(missing IS NOT NULL) FROM shards GROUP BY drive")
        lacking = {row[0].decode() for row in rows if row[1]}
        homeless_ = {row[0].decode() for row in rows} - set(self.there())
        gone = {drive for drive, one in courses(self.shared).items() if one.stage is CourseStage.REMOVED}
        for path in list(self.hurt):
            ident = self.ident(path)
            if ident in gone:
                self.hurt.discard(path)
            if ident is None or ident not in self.ballot.drives or {ident} & (set(waiting) | doubted | lacking):
                continue
            if homeless_ or any(one[0] == path and not self._mended(one) for one in self.spoilt):
                continue
            since = self.changed.get(path, 0)
            if all(self._settled_on(process, path, ident, since) for process in self.processes()):
                self.hurt.discard(path)
                self.spoilt = {one for one in self.spoilt if one[0] != path}

    def _settled_on(self, process: Process, path: Path, ident: str, since: int) -> bool:
        drive = process.pool.by_id(ident)
        here = drive is not None and drive.state is DriveState.ONLINE and drive.path == path
        return here and sum(probe >= since for probe in self.probed[process]) >= 2

    def _mended(self, one: tuple[Path, bytes, int]) -> bool:
        path, blob, shard = one
        info = self.shared.read(lambda tx: repair.blob(tx, blob))
        if info is None or info.drives[shard] != self.ident(path):
            return True
        if self.shared.one("SELECT 1 FROM blobs WHERE id = ? AND (sealed = 0 OR settling IS NOT NULL)", blob):
            return False  # what is in it may be published yet
        appends = self.shared.read(lambda tx: repair.appends(tx, blob))
        return all(self.holds(info, shard, append) for append in appends)

    # --- what is on the drives, looked at without any of the code that keeps it

    def holds(self, info: BlobInfo, shard: int, append: Append) -> bool:
        """Whether the file of a shard has an append, whole."""
        path = self.place_of(info.drives[shard])
        if path is None:
            return False
        layout = layout_of(info.geometry)
        try:
            with Path(shard_path(str(path), info.id, shard)).open("rb", buffering=0) as file:
                header = file.read(SHARD_HEADER)
                file.seek(append.offset)
                raw = file.read(append.span(layout))
            found = erasure.unpack_header(header)
            assert (found.blob_id, found.index, found.layout) == (info.id, shard, layout)
            unpack_record(raw[: append.head], info.id, append.offset)
            stripes = layout.stripes(append.size)
            at = append.offset + append.head
            erasure.verify(layout, info.id, shard, at, raw[append.head :], append.size, 0, stripes)
        except (OSError, erasure.HeaderCorrupt, erasure.ShardCorrupt, RecordCorrupt):
            return False
        return True

    def infos(self) -> list[tuple[BlobInfo, list[Append]]]:
        found = []
        for blob in self.shared.read(lambda tx: repair.blob_ids(tx, limit=100_000)):
            info = self.shared.read(lambda tx, blob=blob: repair.blob(tx, blob))  # type: ignore[misc]
            assert info is not None
            found.append((info, self.shared.read(lambda tx, blob=blob: repair.appends(tx, blob))))  # type: ignore[misc]
        return found

    def check(self) -> None:
        """Tables agree; what is told of redundancy is true; and all would be there if every hurt drive were lost."""
        self.shared.read(soundness.rows)
        for fault in audit.Audit(self.shared).faults():  # type: ignore[arg-type]
            raise AssertionError(fault)
        self.recover()
        below: dict[bytes, int] = {}
        promises: dict[int, list[int]] = {}
        there = self.there()
        leaving = (CourseStage.LEAVING, CourseStage.REMOVED)
        gone = {drive for drive, one in courses(self.shared).items() if one.stage in leaving}
        for info, appends in self.infos():
            layout = layout_of(info.geometry)
            for append in appends:
                safe = 0
                for shard, drive in enumerate(info.drives):
                    place = self.place_of(drive)
                    if not info.has(shard, append.offset) or place is None or drive not in there:
                        continue
                    good = self.holds(info, shard, append)
                    assert good or place in self.hurt, f"shard {shard} of {info} lacks {append}, and nobody knows"
                    # what was laid out on a drive that is just leaving is one failure nearer to its end until healed
                    sound = place not in self.hurt or place in self.renewed
                    safe += good and (sound or not gone.isdisjoint(info.drives))
                assert safe >= layout.data, f"{append} of {info}: {safe} shards are safe, {self.hurt} are hurt"
            if not appends:
                continue
            last = appends[-1].offset
            lacks = sum(not info.has(shard, last) or drive not in there for shard, drive in enumerate(info.drives))
            below[info.id] = lacks
            promises.setdefault(layout.parity, []).append(layout.parity - lacks)
        told = self.shared.read(lambda tx: redundancy.below(tx, there))
        lacking = [count for count in below.values() if count]
        assert told[:2] == (len(lacking), sum(lacking))
        assert self.shared.read(lambda tx: redundancy.promises(tx, there)) == [
            (of, len(left), min(left)) for of, left in sorted(promises.items())
        ]

    # --- coming to rest

    def finish(self) -> None:
        """Bring everything to its end, drives too; then nothing is missing, and nothing is left over."""
        for path in sorted(self.away):
            self.put_back(path)
        while waiting := self.stage.waiting():
            self.stage.pass_gate(waiting[0])
        self.stage.open = True
        for _ in range(10):
            self.stage.pass_time(1.0)
        assert not self.stage.actors, f"{self.stage.actors} are stuck"
        for _ in range(_ROUNDS):
            self._round()
            if self._at_rest():
                break
        else:
            raise AssertionError(f"it comes to no rest: {self._unrest()}")
        self.run(self._seal_all())
        self._scrub_all()
        for _ in range(4):
            self._round()
        self.check()
        assert not self.hurt, self.hurt
        self._nothing_left(self.replaced)
        for process in self.workers:
            self.kill(process)
        for _ in range(3):
            self._round()
        self._nothing_left(set())

    def _scrub_all(self) -> None:
        began = self.run(order(self.keeper.catalog, self.now_us()))
        while self.run(self.keeper.scrub()):
            pass
        last = self.shared.read(standing)
        assert last is not None
        assert (last.began_us, last.ended, last.left) == (began, True, ()), last

    async def _seal_all(self) -> None:
        for process in self.processes():
            await process.seal()
            await process.reports.flush()

    def _round(self) -> None:
        self.stage.pass_time(GRACE + 1)
        for job in [*(one.watch for one in self.workers), *self.keeper.jobs().values()]:
            with contextlib.suppress(CatalogError, DriveError, BlobError):  # it is tried again
                self.run(job())

    def run(self, work: Awaitable[Any], process: object = None) -> Any:
        """Do work to its end at once; what it has to wait for goes on meanwhile."""

        async def scene() -> Any:
            return await work

        actor = self.stage.begin(process, "at once", scene())
        assert actor.task is not None
        for _ in range(100_000):
            if actor.task.done():
                return actor.task.result()
            if actor.pending or self.stage.waiting():
                self.stage.pass_gate(actor if actor.pending else self.stage.waiting()[0])
            else:
                self.stage.pass_time(0.1)
        raise AssertionError("it comes to no end")

    def _unrest(self) -> list[Any]:
        tx = self.shared
        ended = (CourseStage.REMOVED, CourseStage.DRAINING)
        left = [one for one in courses(tx).values() if one.stage not in ended or (one.leave and one.stage != ended[0])]
        emptying = any(one.stage is CourseStage.DRAINING for one in courses(tx).values())
        return [
            census.waiting(tx), None if emptying else balancing.standing(tx), restriping.standing(tx),
            parity.wanted(tx), left,
            tx.all("SELECT hex(blob), idx, missing FROM shards WHERE missing IS NOT NULL"),
            tx.all("SELECT * FROM garbage"), tx.all("SELECT * FROM leftovers"),
            tx.all("SELECT hex(id) FROM blobs WHERE settling IS NOT NULL"),
        ]  # fmt: skip

    def _at_rest(self) -> bool:
        return not any(self._unrest())

    def _nothing_left(self, replaced: set[Path]) -> None:
        """On the drives are the files of the rows and no others, and they take no more than what is alive in them. Who
        lives may have made files in a folder that had become another drive's, or of which an old copy came back."""
        expected: dict[tuple[str, bytes, int], int] = {}
        for info, appends in self.infos():
            layout = layout_of(info.geometry)
            alive = SHARD_HEADER + sum(append.span(layout) for append in appends)
            expected |= {(drive, info.id, shard): alive for shard, drive in enumerate(info.drives)}
        for path in self.paths:
            ident = self.ident(path)
            if ident not in self.ballot.drives:
                continue
            for file in path.glob("shards/*/*"):
                key = parse_name(file.name)
                assert key is not None
                if (ident, *key[:2]) not in expected:
                    assert path in replaced and self.lives(instance_of(key[0])), f"{file} belongs to nothing"
                    continue
                takes = file.stat().st_blocks * 512
                most = expected[ident, key[0], key[1]]
                assert takes <= most, f"{file} takes {takes} bytes for {most}"


async def _no_mirrors(*_: Any) -> list[str]:
    return []


class RowsCatalog(MemoryCatalog):
    """With what an audit asks for."""

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        return self.all(sql, *params)
