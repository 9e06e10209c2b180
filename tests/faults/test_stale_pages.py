"""Pages of the catalog that a drive gives as they once were, or in each other's place: their checksums match.

No checksum tells. Mirrors are compared, and the one that holds something else is made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest

from objstore.catalog import upkeep
from objstore.catalog.errors import CatalogError
from objstore.catalog.mirror import FILE
from objstore.jobs import mirror_checks
from objstore.jobs.scrub import standing
from tests.catalog.deployment import contents
from tests.faults.clients import make_buckets
from tests.faults.injection import Board, Faults, plugged
from tests.faults.misreads import PAGE
from tests.faults.test_power_loss import KEYS, fill, found
from tests.faults.world import World, small_steps


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    small_steps(monkeypatch)
    with plugged() as board:
        yield board


def pages(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return [content[at : at + PAGE] for at in range(0, len(content), PAGE)]


def put_page(path: Path, number: int, page: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(number * PAGE)
        file.write(page)


class Aged:
    """A world whose drives hold what `fill` put last, and the mirrors as they were one `fill` before."""

    def __init__(self, folder: Path, board: Board, *, drives: int, parity: int) -> None:
        self.world = World(folder, board, drives=drives, parity=parity)
        self._sound = folder / "sound"

    async def make(self) -> None:
        async with self.world.life() as house:
            await make_buckets(house.store)
            await fill(house, b"x")
            self.mirrors = [
                self.world.paths.index(house.pool.by_id(one).path) for one in house.catalog.status().members
            ]
        self.world.lose_power("", power=True)
        self.old = {slot: pages(self.world.paths[slot] / FILE) for slot in self.mirrors}
        async with self.world.life() as house:
            await fill(house, b"y")
        self.world.lose_power("", power=True)
        self.new = {slot: pages(self.world.paths[slot] / FILE) for slot in self.mirrors}
        shutil.copytree(self.world.root, self._sound)

    def stale(self, slot: int) -> list[int]:
        """The pages that the last life wrote again."""
        both = zip(self.old[slot], self.new[slot], strict=False)
        return [number for number, (old, new) in enumerate(both) if old != new]

    def restore(self, slot: int, number: int, page: bytes) -> None:
        """All drives as they were, but for one page."""

        def between(paths: list[Path]) -> None:
            for path in paths:
                shutil.rmtree(path)
                shutil.copytree(self._sound / path.name, path)
            put_page(paths[slot] / FILE, number, page)

        self.world.lose_power("", between, power=True)

    def alike(self, slot: int) -> bool:
        """Whether it makes no difference: what is not in use on a page may be anything."""
        altered = self._sound.with_name("altered.db")
        shutil.copy(self.world.paths[slot] / FILE, altered)
        try:
            with contextlib.closing(apsw.Connection(str(altered))) as connection:
                whole = connection.pragma("integrity_check") == "ok"
            return whole and contents(altered) == contents(self._sound / self.world.paths[slot].name / FILE)
        except apsw.Error:
            return False


async def mended(aged: Aged, slot: int) -> bool:
    """Start, and look through everything; whether the mirror was made again. All that clients were told is there, and
    all mirrors are alike."""
    world = aged.world
    with (world.paths[slot] / FILE).open("rb") as before:  # held, so that no other file gets its number
        async with world.life() as house:
            await house.scrub()
            last = house.catalog.read(standing)
            assert last is not None
            assert set(last.mirrors) <= {house.pool.drives[slot].id}, "another one was blamed"
            await house.recover()
            assert await found(house, b"y") == list(KEYS)
            house.sound()
            assert mirror_checks.wrong_now(house.catalog) == {}
            with contextlib.suppress(FileNotFoundError):
                return (world.paths[slot] / FILE).stat().st_ino != os.fstat(before.fileno()).st_ino
            return True


SETS = [(4, 2, True), (2, 1, True), (2, 1, False)]


@pytest.mark.parametrize(("drives", "parity", "leads"), SETS)
def test_any_page_may_be_an_old_one(tmp_path: Path, board: Board, drives: int, parity: int, leads: bool) -> None:
    """Also on the leader, and also where there is only one other mirror: then its own counts contradict it."""

    async def main() -> None:
        aged = Aged(tmp_path, board, drives=drives, parity=parity)
        await aged.make()
        slot = aged.mirrors[0 if leads else -1]
        stale = aged.stale(slot)
        assert len(stale) > 8
        for number in stale:
            aged.restore(slot, number, aged.old[slot][number])
            harmless = aged.alike(slot)
            assert await mended(aged, slot) or harmless, f"page {number}"

    asyncio.run(main())


def test_any_page_may_be_another_one(tmp_path: Path, board: Board) -> None:
    async def main() -> None:
        aged = Aged(tmp_path, board, drives=4, parity=2)
        await aged.make()
        leader, chance = aged.mirrors[0], Random(0)
        for number in aged.stale(leader):
            aged.restore(leader, number, chance.choice(aged.new[leader]))
            harmless = aged.alike(leader)
            assert await mended(aged, leader) or harmless, f"page {number}"

    asyncio.run(main())


@pytest.mark.parametrize(("drives", "parity"), [(4, 2), (2, 1)])
def test_nothing_is_removed_because_of_an_old_page(tmp_path: Path, board: Board, drives: int, parity: int) -> None:
    """The jobs of a start go before any comparison: by the leader's page, shards of live objects belong to nothing."""

    async def main() -> None:
        aged = Aged(tmp_path, board, drives=drives, parity=parity)
        await aged.make()
        slot = aged.mirrors[0]
        for number in aged.stale(slot):
            aged.restore(slot, number, aged.old[slot][number])
            async with aged.world.life() as house:
                with contextlib.suppress(CatalogError):
                    await house.keep()
                await house.scrub()
                await house.recover()
                assert await found(house, b"y") == list(KEYS), f"page {number}"
                await house.verify()

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(3))
def test_writes_that_never_arrive(tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """A drive says that it has pages of its mirror, and has not: while the store runs, as the log is moved."""
    monkeypatch.setattr(upkeep, "CHECKPOINT_BYTES", 1)
    monkeypatch.setattr(upkeep, "RESTART_BYTES", 1)

    async def main() -> None:
        world = World(tmp_path, board)
        async with world.life() as house:
            await make_buckets(house.store)
            await fill(house, b"x")
            await house.look()
            members = house.catalog.status().members
            bad = next(drive.path for drive in house.pool.drives if drive.id == members[seed % len(members)])
            board.faults = Faults(f"{seed}", [bad.name], page_lost=0.5)
            await fill(house, b"y")
            await house.look()
            assert board.faults.struck["page_lost"]
            board.faults.end()
            await house.scrub()
            await house.recover()
            assert await found(house, b"y") == list(KEYS)
            house.sound()
            assert mirror_checks.wrong_now(house.catalog) == {}

    asyncio.run(main())
