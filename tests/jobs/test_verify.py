"""A verification of a running store holds nobody up, and tells what is so beside those who write."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from objstore.blobs import Blobs
from objstore.catalog import upkeep
from objstore.jobs.reap import reap
from objstore.jobs.verify import Report, Verification, verify
from objstore.store.extents import mark_missing
from tests.blobs.setting import flip
from tests.jobs.house import House, play

KIB, MIB = 1 << 10, 1 << 20


class Held:
    """A verification of a house, which waits where it is about to look at the first shard."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self._reached, self._go = asyncio.Event(), asyncio.Event()
        look_at = verify.look_at

        async def looking(*arguments: Any) -> Any:
            self._reached.set()
            await self._go.wait()
            return await look_at(*arguments)

        monkeypatch.setattr(verify, "look_at", looking)

        def blobs(_: Any) -> Blobs:
            return house.fresh()

        self._verification = Verification(
            house.pool, house.catalog.views, blobs, live=house.catalog.read, lives=lambda tag: tag == house.instance
        )

    async def report(self, meanwhile: Callable[[], Coroutine[Any, Any, None]]) -> Report:
        """What it tells at its end."""
        running = asyncio.create_task(self._verification.run())
        await self._reached.wait()
        await meanwhile()
        self._go.set()
        return await running


def test_the_write_ahead_logs_do_not_grow_while_it_looks_at_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "CHECKPOINT_BYTES", 256 * KIB)
    monkeypatch.setattr(upkeep, "RESTART_BYTES", 256 * KIB)

    async def scene(house: House) -> None:
        await house.put("object", os.urandom(5 * MIB))

        async def write() -> None:
            for number in range(12):
                await asyncio.gather(*(house.put(f"{number}.{one}", os.urandom(8_000)) for one in range(64)))
                await house.catalog.maintain()
            logs = [path.stat().st_size for path in tmp_path.glob("drive?/catalog.db-wal")]
            assert len(logs) == 3
            assert max(logs) < 3 * MIB, "of the 6 MiB that were written"

        assert (await Held(house, monkeypatch).report(write)).ok

    play(tmp_path, scene)


def test_what_is_written_deleted_and_given_back_meanwhile_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: House) -> None:
        for number in range(3):
            await house.put(f"large{number}", os.urandom(5 * MIB))
        for number in range(3):
            await house.put(f"small{number}", os.urandom(600_000))

        async def change() -> None:
            await house.delete("large0", "large1", "small1")
            await reap(house.catalog, house.blobs, 0.0)
            await house.put("small0", os.urandom(600_000))
            await house.put("large3", os.urandom(5 * MIB))

        report = await Held(house, monkeypatch).report(change)
        assert report.problems == []
        assert report.blobs == 4, "of the snapshot"

    play(tmp_path, scene)


def test_what_is_damaged_meanwhile_is_found_where_it_was_not_looked_at_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(house: House) -> None:
        for number in range(3):
            await house.put(f"large{number}", os.urandom(5 * MIB))
        damaged, lacking = house.info(house.blob_of("large1")), house.blob_of("large2")

        async def damage() -> None:
            flip(house.file(damaged, 2), 10_000)
            await house.catalog.write(lambda tx: mark_missing(tx, lacking, 1))

        report = await Held(house, monkeypatch).report(damage)
        assert [(one.kind, one.where.split()[1]) for one in report.problems] == [("shard", "2"), ("missing", "1")]

    play(tmp_path, scene)
