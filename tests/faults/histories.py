"""Histories of several lives: clients and jobs work while drives fail, the power goes, and drives come back spoilt.

What is drawn follows from a seed. After each start every key must hold what its client was told, the tables must agree,
every shard that is not known to be missing must verify, and once the drives are whole again everything must heal.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

from objstore.drives.format import FORMAT_FILE, format_drive, read_format
from tests.faults.clients import Client, make_buckets
from tests.faults.injection import Board, Faults
from tests.faults.world import House, World

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
        self.world = self.build(folder, board, drives, parity)
        self.folder = folder
        self.parity = parity
        self.clients = [Client(number, f"{seed} {number}") for number in range(3)]
        self.bad: list[str] = []
        self.old: Path | None = None
        self.struck = 0

    def build(self, folder: Path, board: Board, drives: int, parity: int) -> World:
        return World(folder, board, drives=drives, parity=parity)

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
            at = self.chance.randint(1, 2200)
            await cut_short(self.world, at)
            self.world.lose_power(f"{self.seed} {at}")
        async with self.world.life() as house:
            await make_buckets(house.store)

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
        await self.again_and_again(house.keep)

    async def again_and_again(self, job: Callable[[], Awaitable[None]]) -> None:
        """As the jobs process does a job: one that fails is tried again. It may fail where drives do."""
        while True:
            try:
                await job()
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
            at = self.chance.randint(1, 200)
            await cut_short(self.world, at)
            self.world.lose_power(f"{self.seed} {at}")
        async with self.world.life() as house:
            await self.check(house)
            await house.keep()
            await self.check(house)
        self.world.lose_power(f"{self.seed} {era} mended", self.give_back)
        async with self.world.life() as house:
            await self.check(house)
            await house.recover()
            await house.scrub()
            await house.recover()
            await house.verify()
            await self.settle(house)
            await house.drained()
            await self.check(house)
        assert self.world.medium.missed() == [], "something went past the medium"
        if self.chance.random() < 0.5:
            self.keep_old()
        self.world.lose_power(f"{self.seed} {era} stopped")

    async def settle(self, house: House) -> None:
        """What is to be done before everything is whole as promised."""

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


async def cut_short(world: World, at: int) -> None:
    """Start, and lose power at the `at`-th change."""
    try:
        async with world.life(off_at=at) as house:
            await house.look()
    except Exception:
        if not world.medium.off:
            raise


def gone(path: Path) -> None:
    shutil.rmtree(path)


def empty(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def foreign(path: Path) -> None:
    """Each of a deployment of its own, or two could outvote two."""
    shutil.rmtree(path)
    format_drive(path, path.name[-1] * 32)


def ours(path: Path) -> bool:
    return (path / FORMAT_FILE).exists() and len(set(read_format(path).deployment)) > 1


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
