"""A drive that comes back is looked through once for each time that it was away, whichever processes saw that."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from objstore.drives.drive import Drive
from objstore.drives.state import DriveState
from objstore.jobs import census
from objstore.server.janitor import Janitor
from objstore.server.node import Node, open_node
from tests.server.test_janitor import MIB, play, put


class Scene:
    """Two processes over one drive that goes and comes."""

    def __init__(self, folder: Path, worker: Node, janitor: Janitor) -> None:
        self.worker, self.janitor, self.jobs = worker, janitor, janitor._node
        self.path, self._aside = folder / "drive1", folder / "aside"
        self.id = self._drive(worker).id or ""

    def _drive(self, node: Node) -> Drive:
        return next(one for one in node.pool.drives if one.path == self.path)

    async def see(self, *nodes: Node) -> None:
        """Let processes look at their drives, and enter what they saw."""
        for node in nodes:
            await node.returns.probe()
            await asyncio.sleep(0)  # what listens is called
            await node.returns.enter()

    def go(self) -> None:
        self.path.rename(self._aside)

    def come(self) -> None:
        self._aside.rename(self.path)

    def fail(self, node: Node) -> None:
        self._drive(node).change(DriveState.FAULTY, "for a test")

    @property
    def begun(self) -> int:
        """How often the drive was begun to be looked through."""
        return self.jobs.catalog.read(census.begun).get(self.id, 0)

    @property
    def waits(self) -> bool:
        return self.id in self.jobs.catalog.read(census.waiting)

    async def look_through(self) -> None:
        await census.look_through(self.worker.catalog, self.worker.blobs)  # which has seen that it is back
        assert not self.waits


async def scene(folder: Path, worker: Node, janitor: Janitor) -> Scene:
    await put(worker, "large", os.urandom(5 * MIB))
    return Scene(folder, worker, janitor)


def test_each_return_is_looked_through_once(tmp_path: Path) -> None:
    async def one(worker: Node, janitor: Janitor) -> None:
        it = await scene(tmp_path, worker, janitor)
        for number in (1, 2):
            it.go()
            await it.see(it.worker, it.jobs)
            it.come()
            await it.see(it.worker)
            assert it.waits and it.begun == number
            await it.look_through()
            await it.see(it.jobs, it.worker)
            assert not it.waits and it.begun == number

    play(tmp_path, one)


def test_a_second_return_that_one_process_saw_while_it_is_looked_through_begins_it_anew(tmp_path: Path) -> None:
    async def one(worker: Node, janitor: Janitor) -> None:
        it = await scene(tmp_path, worker, janitor)
        it.go()
        await it.see(it.worker, it.jobs)
        it.come()
        await it.see(it.worker)
        assert it.begun == 1
        it.go()
        await it.see(it.jobs)
        it.come()
        await it.see(it.jobs, it.worker)
        assert it.waits and it.begun == 2
        await it.look_through()

    play(tmp_path, one)


def test_a_drive_that_is_back_and_fails_before_it_works_was_away(tmp_path: Path) -> None:
    async def one(worker: Node, janitor: Janitor) -> None:
        it = await scene(tmp_path, worker, janitor)
        it.fail(it.worker)
        await it.see(it.worker)
        assert it.begun == 0, "it was there all the time"
        it.go()
        await it.see(it.worker)
        it.fail(it.worker)
        it.come()
        while not it.waits:  # one that keeps failing comes back after a pause
            await it.see(it.worker)
        assert it.begun == 1

    play(tmp_path, one)


def test_a_process_that_was_started_while_it_was_away_notices_its_return(tmp_path: Path) -> None:
    """Those who saw it go are dead; of those who were started one has it looked through."""

    async def one(worker: Node, janitor: Janitor) -> None:
        it = await scene(tmp_path, worker, janitor)
        it.go()
        new = [await open_node(worker.settings, worker.runtime) for _ in range(2)]
        it.come()
        await it.see(*new)
        assert it.waits and it.begun == 1
        for node in new:
            await node.close()

    play(tmp_path, one)


def test_an_empty_drive_is_not_looked_through_however_late_it_is_seen(tmp_path: Path) -> None:
    async def one(worker: Node, janitor: Janitor) -> None:
        it = await scene(tmp_path, worker, janitor)
        await worker.blobs.seal_open()
        await worker.reports.flush()
        it.go()
        await it.see(it.worker, it.jobs)
        shutil.rmtree(tmp_path / "aside")
        it.path.mkdir()
        while not (it.path / "format.json").exists():
            await janitor.watch()
        while not list(it.path.glob("shards/*/*")):
            await janitor.watch()
            await janitor.heal()
        await it.see(it.worker, it.jobs)
        assert it.jobs.catalog.read(census.waiting) == {}

    play(tmp_path, one)
