"""The jobs process beside running requests: what one is about to use the other does not take away."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from objstore.drives.state import DriveState
from objstore.server.janitor import Janitor
from objstore.server.node import Node, open_node
from objstore.server.runtime import hold_instance
from objstore.server.settings import Settings
from objstore.server.supervisor import _prepare
from objstore.store import repair
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


def test_a_shard_that_a_heal_has_placed_and_not_yet_recorded_is_no_orphan(tmp_path: Path) -> None:
    async def scene(worker: Node, janitor: Janitor) -> None:
        data = os.urandom(5 * MIB)
        await put(worker, "object", data)
        blob = worker.store.current(BUCKET, "object").extents[0].blob
        jobs = janitor._node
        janitor._lives = lambda instance: instance == jobs.instance  # type: ignore[method-assign]
        await janitor.sweep()
        shutil.rmtree(jobs.pool.drives[0].path)
        jobs.pool.drives[0].path.mkdir()
        await jobs.pool.probe()
        assert jobs.pool.drives[0].state is DriveState.NEW
        rebuild: Any = jobs.blobs.rebuild
        sweeps: list[asyncio.Task[None]] = []

        async def rebuild_beside_a_sweep(*arguments: Any) -> Any:
            done = await rebuild(*arguments)
            sweeps.append(asyncio.create_task(janitor.sweep()))
            await asyncio.wait(sweeps, timeout=0.5)  # all the time it needs to do harm
            return done

        jobs.blobs.rebuild = rebuild_beside_a_sweep  # type: ignore[method-assign]
        while not sweeps:
            await janitor.watch()
        await asyncio.gather(*sweeps)
        info = jobs.catalog.read(lambda tx: repair.blob(tx, blob))
        assert info is not None and not info.missing
        assert sorted(path.name for path in shards(tmp_path)) == [f"{blob.hex()}.{shard}" for shard in range(4)]

    play(tmp_path, scene)
