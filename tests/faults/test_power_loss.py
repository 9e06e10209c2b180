"""Power may go at any moment, any `parity` drives may fail in every way at once: what was acknowledged is there.

Each seed is a history of several lives: clients and jobs work while the drives of a set fail, the power goes somewhere,
or the store stops; some of that set's drives come back empty, old, swapped, of somebody else, or rotten, or not at all.
After each start every key must hold what its client was told, the tables must agree, every shard that is not known to
be missing must verify, and once the drives are whole again everything must heal. `OBJSTORE_FAULT_SEEDS=N` plays the
seeds 0 to N - 1 beside the few that are always played; `OBJSTORE_FAULT_SEEDS=A-B` a range.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from objstore.drives.format import format_drive
from tests.faults.clients import Client, make_buckets
from tests.faults.injection import Board, Faults, plugged
from tests.faults.world import House, World, small_steps

KEPT: list[int] = []
"""Seeds that found something once."""


def seeds() -> list[int]:
    first, _, last = os.environ.get("OBJSTORE_FAULT_SEEDS", "12").partition("-")
    return sorted({*KEPT, *(range(int(first), int(last) + 1) if last else range(int(first)))})


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    small_steps(monkeypatch)
    with plugged() as board:
        yield board


SHAPES = [(4, 2), (4, 2), (3, 1), (5, 2), (2, 1), (1, 0)]
KINDS = {
    "error": 0.02, "full": 0.02, "short": 0.1, "slow": 0.05, "hang": 0.001, "rot": 0.05, "stale": 0.05, "astray": 0.05,
}  # fmt: skip


class History:
    """One seed. `bad` are the drives that may be hurt until all has healed: never more than the parity."""

    def __init__(self, folder: Path, board: Board, seed: int) -> None:
        self.chance = Random(seed)
        self.seed = seed
        drives, parity = self.chance.choice(SHAPES)
        self.world = World(folder, board, drives=drives, parity=parity)
        self.folder = folder
        self.parity = parity
        self.clients = [Client(number, f"{seed} {number}") for number in range(3)]
        self.bad: list[str] = []
        self.old: Path | None = None
        self.struck = 0

    async def play(self) -> None:
        await self.begin()
        for era in range(3):
            names = [path.name for path in self.world.paths]
            self.bad = self.chance.sample(names, self.chance.randint(0, self.parity))
            await self.work(era)
            hurt = self.chance.random() < 0.6
            self.world.lose_power(f"{self.seed} {era}", self.hurt if hurt else lambda paths: None)
            await self.mend(era)

    async def begin(self) -> None:
        """The first start may be cut short as well; the buckets are made in a life without faults."""
        if self.chance.random() < 0.5:
            await self.cut_short(self.chance.randint(1, 2200))
        async with self.world.life() as house:
            await make_buckets(house.store)

    async def cut_short(self, at: int) -> None:
        try:
            async with self.world.life(off_at=at) as house:
                await house.look()
        except Exception:
            assert self.world.medium.off
        self.world.lose_power(f"{self.seed} {at}")

    async def work(self, era: int) -> None:
        """Clients and jobs, under faults, until the power goes or they have had enough."""
        kinds = self.chance.sample(sorted(KINDS), self.chance.randint(1, 3))
        faults = Faults(f"{self.seed} {era}", self.bad, **{kind: KINDS[kind] for kind in kinds})
        off_at = self.chance.choice((None, self.chance.randint(1, 300), self.chance.randint(1, 1500)))
        deadline = 1.0 if "hang" in kinds else 10.0
        for client in self.clients:
            client.next_life(f"{self.seed} {era} {client.keys[0]}")
        try:
            async with self.world.life(faults, off_at, deadline=deadline) as house:
                jobs = asyncio.create_task(self.jobs(house))
                await asyncio.gather(*(client.work(house, 12) for client in self.clients))
                jobs.cancel()
                await asyncio.wait([jobs])
                if self.chance.random() < 0.5:
                    self.world.medium.off = True
        except Exception:
            if not self.world.medium.off:
                raise
        self.struck += sum(faults.struck.values())

    async def jobs(self, house: House) -> None:
        while True:
            try:
                await house.keep()
            except Exception:
                if not self.bad and not self.world.medium.off:
                    raise
            await asyncio.sleep(0.01)

    def hurt(self, paths: list[Path]) -> None:
        """What becomes of bad drives while the power is off."""
        for path in paths:
            if path.name in self.bad:
                kinds = [gone, empty, rotten, self.replaced_by_old, *([foreign] if len(paths) > 2 else [])]
                self.chance.choice(kinds)(path)
        if len(self.bad) == 2 and self.chance.random() < 0.3:
            swap(*(path for path in paths if path.name in self.bad))

    def replaced_by_old(self, path: Path) -> None:
        if self.old is not None and (self.old / path.name).exists():
            shutil.rmtree(path)
            shutil.copytree(self.old / path.name, path)

    async def mend(self, era: int) -> None:
        """Start, perhaps lose power in that again; then all must be there, also once bad drives are whole."""
        if self.chance.random() < 0.3:
            await self.cut_short(self.chance.randint(1, 200))
        async with self.world.life() as house:
            await self.check(house)
            await house.keep()
            await self.check(house)
        self.world.lose_power(f"{self.seed} {era} mended", self.give_back)
        async with self.world.life() as house:
            await self.check(house)
            await house.recover()
            await house.scrub(2 * era + 1)
            await house.recover()
            await house.verify()
            await house.drained()
            await self.check(house)
        assert self.world.medium.missed() == [], "something went past the medium"
        if self.chance.random() < 0.5:
            self.keep_old()
        self.world.lose_power(f"{self.seed} {era} stopped")

    def give_back(self, paths: list[Path]) -> None:
        """Drives that are not ours, or not there, are replaced by empty folders."""
        for path in paths:
            if path.name in self.bad and not ours(path):
                shutil.rmtree(path, ignore_errors=True)
                path.mkdir()

    def keep_old(self) -> None:
        self.old = self.folder / "old"
        shutil.rmtree(self.old, ignore_errors=True)
        shutil.copytree(self.world.root, self.old)

    async def check(self, house: House) -> None:
        for client in self.clients:
            await client.check(house.store)
        house.sound()


def gone(path: Path) -> None:
    shutil.rmtree(path)


def empty(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def foreign(path: Path) -> None:
    shutil.rmtree(path)
    format_drive(path, "f" * 32)


def ours(path: Path) -> bool:
    return (
        path.is_dir() and "f" * 32 not in (path / "format.json").read_text()
        if (path / "format.json").exists()
        else False
    )


def rotten(path: Path) -> None:
    """A bit in each page of each shard file is flipped."""
    chance = Random(path.name)
    for file in sorted((path / "shards").glob("*/*")):
        content = bytearray(file.read_bytes())
        for page in range(0, len(content), 4096):
            content[chance.randrange(page, min(page + 4096, len(content)))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)


def swap(one: Path, other: Path) -> None:
    if one.exists() and other.exists():
        aside = one.with_name("aside")
        one.rename(aside)
        other.rename(one)
        aside.rename(other)


@pytest.mark.parametrize("seed", seeds())
def test_what_was_acknowledged_is_there(tmp_path: Path, board: Board, seed: int) -> None:
    asyncio.run(History(tmp_path, board, seed).play())

