"""The jobs process beside running requests: what one is about to use the other does not take away."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import pytest

from objstore.blobs import Blobs
from objstore.blobs.types import Append, BlobInfo, Written
from objstore.catalog import upkeep
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveLocked
from objstore.drives.lock import lock_drive
from objstore.drives.state import DriveState
from objstore.jobs import restripe
from objstore.jobs.pace import Budget, Pace
from objstore.server.janitor import Janitor
from objstore.server.node import Node, open_node
from objstore.server.runtime import hold_instance
from objstore.server.settings import Settings
from objstore.server.supervisor import _prepare
from objstore.store import balancing, membership, repair, restriping
from objstore.store.store import now_us
from objstore.store.types import NewObject
from tests.store.fakes import OWNER, source

MIB = 1 << 20
BUCKET = "bucket"


def play(folder: Path, scene: Callable[[Node, Janitor], Awaitable[None]]) -> None:
    """A scene with the node of a worker, and the jobs over a node of their own."""
    drives = tuple(str(folder / f"drive{number}") for number in range(4))
    settings = Settings(drives=drives, durability="relaxed", root_user="user", root_password="password", reap_grace=0.0)
    runtime = folder / "runtime"
    for name in ("instances", "reads"):
        (runtime / name).mkdir(parents=True)
    _prepare(settings, runtime)

    async def main() -> None:
        worker, jobs = await open_node(settings, runtime), await open_node(settings, runtime)
        locks = [hold_instance(runtime, node.instance) for node in (worker, jobs)]
        try:
            await worker.store.create_bucket(BUCKET, OWNER)
            await scene(worker, Janitor(jobs, runtime, settings.reap_grace))
        finally:
            for node in (worker, jobs):
                await node.close()
            for lock in locks:
                os.close(lock)

    asyncio.run(main())


async def put(node: Node, key: str, data: bytes) -> None:
    await node.store.put(BUCKET, key, source(data, chunk=MIB), NewObject(owner=OWNER))


def shards(folder: Path) -> list[Path]:
    return [path for path in folder.glob("drive?/shards/*/*") if path.is_file()]


def test_what_a_worker_reads_stays_until_it_has_read_it(tmp_path: Path) -> None:
    async def scene(worker: Node, janitor: Janitor) -> None:
        data = os.urandom(30 * MIB)
        await put(worker, "large", data)
        reading = worker.store.read(worker.store.current(BUCKET, "large"))
        got = [bytes(await anext(reading))]
        await worker.store.delete(BUCKET, "large")
        await janitor.sweep()
        assert len(shards(tmp_path)) == 4
        got += [bytes(piece) async for piece in reading]
        assert b"".join(got) == data
        await janitor.sweep()
        assert shards(tmp_path) == []

    play(tmp_path, scene)


class Told(asyncio.Lock):
    """A lock that tells when somebody has to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = asyncio.Event()

    async def acquire(self) -> Literal[True]:
        if self.locked():
            self.awaited.set()
        return await super().acquire()


class Beside:
    """A sweep that begins behind each shard that is placed, and goes as far as it can before that is recorded.

    The worker is dead to it, and every drive is to be swept: what that wrote and is not recorded as it is goes."""

    def __init__(self, worker: Node, janitor: Janitor) -> None:
        self.janitor, self.node, self.lock = janitor, janitor._node, Told()
        self.sweeps: list[asyncio.Task[None]] = []
        self._rebuild = self.node.blobs.rebuild
        lives = janitor._lives
        janitor._lives = lambda instance: instance != worker.instance and lives(instance)  # type: ignore[method-assign]
        janitor._placing = self.lock
        self.node.blobs.rebuild = self._beside_a_sweep  # type: ignore[method-assign]

    async def _beside_a_sweep(
        self, info: BlobInfo, shard: int, target: Drive, appends: Sequence[Append], *pace: Any
    ) -> int:
        done = await self._rebuild(info, shard, target, appends, *pace)
        await self.sweep()
        return done

    async def sweep(self) -> None:
        """Until it is at its end, or has to wait."""
        self.lock.awaited.clear()
        self.janitor._unswept.update(self.node.pool.online())
        sweep, waits = asyncio.create_task(self.janitor.sweep()), asyncio.create_task(self.lock.awaited.wait())
        self.sweeps.append(sweep)
        await asyncio.wait((sweep, waits), return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()

    async def until(self, job: Callable[[], Awaitable[object]], done: Callable[[], bool]) -> None:
        """Do a job, and what it waits for, until it is done; and sweep once more."""
        while not done():
            await self.janitor.watch()
            await job()
        await asyncio.gather(*self.sweeps)
        await self.janitor.sweep()

    def info(self, blob: bytes) -> BlobInfo:
        found = self.node.catalog.read(lambda tx: repair.blob(tx, blob))
        assert found is not None
        return found

    def whole(self, folder: Path, blob: bytes) -> None:
        """Every shard is where its row says, and nowhere else."""
        info = self.info(blob)
        paths = {drive.id: drive.path.name for drive in self.node.pool.drives}
        expected = sorted((paths[drive], f"{blob.hex()}.{shard}") for shard, drive in enumerate(info.drives))
        there = [path for path in shards(folder) if path.name.startswith(blob.hex())]
        assert sorted((path.relative_to(folder).parts[0], path.name) for path in there) == expected
        assert not info.missing


async def join(beside: Beside, path: Path) -> None:
    """A drive joins the pool, and what a worker wrote before is sealed."""
    path.mkdir()
    catalog, pool = beside.node.catalog, beside.node.pool
    await catalog.write(lambda tx: membership.join(tx, uuid.uuid4().hex, str(path), now_us()))
    await beside.until(beside.janitor.sweep, lambda: any(one.path == path and one.writable for one in pool.drives))


def test_a_shard_that_a_heal_has_placed_and_not_yet_recorded_is_no_orphan(tmp_path: Path) -> None:
    async def scene(worker: Node, janitor: Janitor) -> None:
        await put(worker, "object", os.urandom(5 * MIB))
        blob = worker.store.current(BUCKET, "object").extents[0].blob
        beside = Beside(worker, janitor)
        await janitor.sweep()  # which seals it
        pool = janitor._node.pool
        shutil.rmtree(pool.drives[0].path)
        pool.drives[0].path.mkdir()
        await pool.probe()
        assert pool.drives[0].state is DriveState.NEW
        await beside.until(janitor.heal, lambda: bool(beside.sweeps))
        beside.whole(tmp_path, blob)

    play(tmp_path, scene)


def test_a_shard_that_a_move_has_placed_and_not_yet_recorded_is_no_orphan(tmp_path: Path) -> None:
    async def scene(worker: Node, janitor: Janitor) -> None:
        await put(worker, "object", os.urandom(5 * MIB))
        blob = worker.store.current(BUCKET, "object").extents[0].blob
        beside = Beside(worker, janitor)
        await join(beside, tmp_path / "drive4")
        catalog, leaving = janitor._node.catalog, beside.info(blob).drives[0]
        await catalog.write(lambda tx: membership.drain(tx, leaving, "drive", now_us()))
        await beside.until(janitor.move, lambda: bool(beside.sweeps))
        assert leaving not in beside.info(blob).drives
        beside.whole(tmp_path, blob)

    play(tmp_path, scene)


@pytest.mark.parametrize("known", [True, False])
def test_what_has_moved_to_a_drive_that_has_just_joined_is_read_by_who_has_not_met_it(
    tmp_path: Path, known: bool
) -> None:
    """Two other drives are away, `known` to the reader or not, so that it needs what is on the new one."""

    async def scene(worker: Node, janitor: Janitor) -> None:
        data = os.urandom(5 * MIB)
        await put(worker, "object", data)
        version = worker.store.current(BUCKET, "object")
        blob = version.extents[0].blob
        beside = Beside(worker, janitor)
        await janitor.sweep()
        await join(beside, tmp_path / "drive4")
        catalog, leaving = janitor._node.catalog, beside.info(blob).drives[0]
        await catalog.write(lambda tx: membership.drain(tx, leaving, "drive", now_us()))
        await beside.until(janitor.move, lambda: bool(beside.sweeps))
        beside.whole(tmp_path, blob)
        for drive in beside.info(blob).drives[1:3]:
            found = worker.pool.by_id(drive)
            assert found is not None
            shutil.rmtree(found.path)
        if known:
            await worker.pool.probe()
        for one in worker.pool.drives:
            one._files.forget_all()  # what is open could be read although it is gone
        assert b"".join([bytes(piece) async for piece in worker.store.read(version)]) == data

    play(tmp_path, scene)


def test_mending_goes_on_until_the_mirrors_are_there(tmp_path: Path) -> None:
    async def scene(_: Node, janitor: Janitor) -> None:
        catalog, recruit, calls = janitor._node.catalog, upkeep.recruit, []

        def first_in_vain(*given: Any, **how: Any) -> bool:
            calls.append(given)
            return len(calls) > 1 and recruit(*given, **how)

        catalog.settle([catalog.status().members[-1]])
        with mock.patch.object(upkeep, "recruit", first_in_vain), mock.patch("objstore.server.janitor._WATCH", 0.0):
            await janitor._mend()
        status = catalog.status()
        assert (len(status.members), len(calls)) == (status.wanted, 2)

    play(tmp_path, scene)


class Watched(Pace):
    """Tells how many bytes were written without a chance to rest, at most."""

    def __init__(self) -> None:
        super().__init__(Budget(1.0))
        self.most = self.written = 0

    async def __call__(self) -> None:
        self.written = 0
        await super().__call__()

    def between(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Look on at a call of a drive that writes at an offset."""

        def looked_on(drive: Drive, blob: bytes, shard: int, offset: int, buffers: Sequence[Any], **how: Any) -> Any:
            self.written += sum(len(memoryview(buffer)) for buffer in buffers)
            self.most = max(self.most, self.written)
            return call(drive, blob, shard, offset, buffers, **how)

        return looked_on


def test_whatever_moves_bytes_rests_between_steps(tmp_path: Path) -> None:
    async def scene(worker: Node, janitor: Janitor) -> None:
        for key in ("object", "another"):
            await put(worker, key, os.urandom(40 * MIB))
        beside, jobs = Beside(worker, janitor), janitor._node
        janitor._moving = janitor._restriping = watched

        def holders() -> list[tuple[str, ...]]:
            """The drives of each blob."""
            rows = jobs.catalog.read(lambda tx: tx.all("SELECT DISTINCT blob FROM extents"))
            return [beside.info(blob).drives for (blob,) in rows]

        async def until(job: Callable[[], Awaitable[object]], done: Callable[[], bool]) -> None:
            watched.most = watched.written = 0
            await beside.until(job, done)
            assert MIB < watched.most < 20 * MIB

        async def drain(drive: str) -> None:
            await jobs.catalog.write(lambda tx: membership.drain(tx, drive, "drive", now_us()))
            await until(janitor.move, lambda: all(drive not in drives for drives in holders()))

        await join(beside, tmp_path / "drive4")
        fifth = next(one.id for one in jobs.pool.drives if one.path == tmp_path / "drive4")
        await until(janitor.move, lambda: any(fifth in drives for drives in holders()))
        await jobs.catalog.write(lambda tx: balancing.note(tx, None))
        first, second, *_ = holders()[0]
        await drain(first)  # there is a drive that its shards can move to
        assert [len(drives) for drives in holders()] == [4, 4]
        await drain(second)  # there is none: all is written anew
        assert [len(drives) for drives in holders()] == [3, 3]
        await jobs.catalog.write(lambda tx: membership.keep(tx, first, "drive"))
        await jobs.catalog.write(lambda tx: membership.keep(tx, second, "drive"))
        await jobs.catalog.write(lambda tx: restriping.start(tx, now_us()))
        await until(janitor.restripe, lambda: jobs.catalog.read(restriping.standing) is None)
        assert [len(drives) for drives in holders()] == [5, 5]

    watched = Watched()
    calls = {name: watched.between(getattr(Drive, name)) for name in ("write", "append")}
    with mock.patch.multiple(Drive, **calls):
        play(tmp_path, scene)


def test_what_is_restriped_and_not_yet_recorded_is_no_orphan(tmp_path: Path) -> None:
    async def scene(worker: Node, janitor: Janitor) -> None:
        data = os.urandom(5 * MIB)
        await put(worker, "object", data)
        beside = Beside(worker, janitor)
        await join(beside, tmp_path / "drive4")
        jobs, copy = janitor._node, restripe.copy

        async def beside_a_sweep(blobs: Blobs, info: BlobInfo, append: Append, parity: int, pace: Pace) -> Written:
            written = await copy(blobs, info, append, parity, pace)
            await beside.sweep()
            return written

        await jobs.catalog.write(lambda tx: restriping.start(tx, now_us()))
        with mock.patch.object(restripe, "copy", beside_a_sweep):
            await beside.until(janitor.restripe, lambda: bool(beside.sweeps))
        moved = jobs.catalog.read(lambda tx: tx.all("SELECT DISTINCT to_blob FROM moved"))
        assert [len(beside.info(blob).drives) for (blob,) in moved] == [5]
        beside.whole(tmp_path, moved[0][0])
        reading = jobs.store.read(jobs.store.current(BUCKET, "object"))
        assert b"".join([bytes(piece) async for piece in reading]) == data

    play(tmp_path, scene)


def test_a_drive_that_came_later_is_kept_from_other_servers_by_whichever_process_lives(tmp_path: Path) -> None:
    async def scene(worker: Node, janitor: Janitor) -> None:
        path = worker.pool.drives[3].path
        shutil.rmtree(path)
        path.mkdir()
        await janitor.watch()
        await worker.returns.probe()
        await asyncio.sleep(0)
        for node in (janitor._node, worker):
            with pytest.raises(DriveLocked):
                lock_drive(path)
            node.holds.close()
        os.close(lock_drive(path))

    play(tmp_path, scene)
