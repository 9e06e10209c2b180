"""Moving shards beside a heal of the same ones, and beside drives that join."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from objstore.jobs.heal import heal, queue_lost
from objstore.jobs.pace import Budget, Pace
from objstore.jobs.relocate import balance, empty, homeless
from objstore.store import balancing
from tests.jobs.house import House, play


class Interrupted(Pace):
    """Everything is healed as soon as somebody may place a shard."""

    def __init__(self, house: House, placing: asyncio.Lock) -> None:
        super().__init__(Budget(1.0))
        self._house, self._placing = house, placing
        self.healed = 0

    async def __call__(self) -> None:
        if not self._placing.locked():
            house = self._house
            self.healed += (await heal(house.pool, house.catalog, house.blobs, placing=self._placing)).whole


def test_what_is_healed_meanwhile_is_not_written_anew(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        for key in ("one", "two", "three"):
            await house.put(key, os.urandom(5 << 20))
        before = house.catalog.read(lambda tx: tx.all("SELECT blob, offset FROM extents ORDER BY blob"))
        drive = house.pool.drives[2]
        shutil.rmtree(drive.path)
        drive.path.mkdir()
        await house.pool.probe()
        await house.pool.format_new(drive)
        await queue_lost(house.pool, house.catalog)
        (lost,) = homeless(house.pool, house.catalog)
        placing = asyncio.Lock()
        pace = Interrupted(house, placing)
        await empty(house.pool, house.catalog, house.blobs, lost, lambda: True, placing=placing, pace=pace)
        assert pace.healed == 2
        assert homeless(house.pool, house.catalog) == []
        assert house.catalog.read(lambda tx: tx.all("SELECT blob, offset FROM extents ORDER BY blob")) == before

    play(tmp_path, scene)


class Joined(Pace):
    """A drive joins while the first blob is looked at."""

    def __init__(self, house: House) -> None:
        super().__init__(Budget(1.0))
        self._house = house

    async def __call__(self) -> None:
        await self._house.catalog.write(lambda tx: balancing.start(tx, 2))


def test_a_drive_that_joins_while_bytes_are_spread_gets_its_share(tmp_path: Path) -> None:
    """What is to be spread anew is not forgotten when the walk that runs comes to its end."""

    async def scene(house: House) -> None:
        await house.put("one", os.urandom(5 << 20))
        await house.catalog.write(lambda tx: balancing.start(tx, 1))
        rooms, placing = (house.pool, house.catalog, house.blobs), asyncio.Lock()
        await balance(*rooms, lambda: True, placing=placing, pace=Joined(house))
        assert house.catalog.read(balancing.standing) == balancing.Round(2)
        await balance(*rooms, lambda: True, placing=placing, pace=Pace(Budget(1.0)))
        assert house.catalog.read(balancing.standing) is None

    play(tmp_path, scene)
