"""Healing beside everything else that happens to a blob."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from unittest import mock

import pytest

from objstore.drives.drive import Drive
from objstore.jobs.heal import heal
from objstore.jobs.reap import clear, reap
from objstore.store.extents import mark_missing
from objstore.store.store import Store
from tests.jobs.house import House, play


def test_a_blob_that_is_reaped_while_a_shard_is_healed_leaves_no_file(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("object", os.urandom(5 << 20))
        info = house.info(house.blob_of("object"))
        house.file(info, 1).unlink()
        await house.catalog.write(lambda tx: mark_missing(tx, info.id, 1))
        place = Drive.place

        async def late(drive: Drive, blob: bytes, index: int) -> None:
            await house.delete("object")
            await reap(house.catalog, house.blobs, -1.0)
            await place(drive, blob, index)

        with mock.patch.object(Drive, "place", late):
            await heal(house.pool, house.catalog, house.blobs)
        assert not list(tmp_path.glob("drive?/shards/*/*"))

    play(tmp_path, scene)


def test_why_a_shard_is_not_healed_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(house: House) -> None:
        await house.put("object", os.urandom(5 << 20))
        info = house.info(house.blob_of("object"))
        for shard in range(3):
            os.truncate(house.file(info, shard), 8192)
            await house.catalog.write(lambda tx, shard=shard: mark_missing(tx, info.id, shard))  # type: ignore[misc]
        told: dict[tuple[bytes, int], str] = {}

        async def logged() -> int:
            caplog.clear()
            assert (await heal(house.pool, house.catalog, house.blobs, told=told)).whole == 0
            return sum("is not healed" in record.message for record in caplog.records)

        assert await logged() == 3
        assert await logged() == 0, "nothing is new"
        assert told.keys() == {(info.id, shard) for shard in range(3)}
        told[info.id, 0] = "something else"
        assert await logged() == 1
        await house.delete("object")
        assert await logged() == 0
        assert not told

    play(tmp_path, scene)


def test_nothing_is_made_again_of_a_blob_in_which_nothing_is_alive(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("object", os.urandom(5 << 20))
        info = house.info(house.blob_of("object"))
        house.file(info, 1).unlink()
        await house.catalog.write(lambda tx: mark_missing(tx, info.id, 1))
        await house.delete("object")
        assert await heal(house.pool, house.catalog, house.blobs) == (0, 0, 0)
        assert not house.file(info, 1).exists()
        await reap(house.catalog, house.blobs, -1.0)
        assert not list(tmp_path.glob("drive?/shards/*/*"))

    play(tmp_path, scene)


def test_an_append_that_dies_while_a_shard_is_healed_gives_its_space_back_there_too(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        keys = [f"key{number}" for number in range(4)]
        for key in keys:
            await house.put(key, os.urandom(600_000))
        info = house.info(house.blob_of(keys[0]))
        await house.seal()
        house.file(info, 1).unlink()
        await house.catalog.write(lambda tx: mark_missing(tx, info.id, 1))
        place, placing, reaping = Drive.place, asyncio.Lock(), []

        async def late(drive: Drive, blob: bytes, index: int) -> None:
            await house.delete(*keys[1:])
            reaping.append(asyncio.create_task(reap(house.catalog, house.blobs, -1.0, placing=placing)))
            await asyncio.wait(reaping, timeout=0.1)
            await place(drive, blob, index)

        with mock.patch.object(Drive, "place", late):
            assert (await heal(house.pool, house.catalog, house.blobs, placing=placing)).whole == 1
        await reaping[0]
        used = house.used(info)
        assert used[1] <= used[0]
        assert len(await house.get(keys[0], Store(house.catalog, house.fresh()))) == 600_000

    play(tmp_path, scene)


def test_a_shard_that_was_placed_elsewhere_when_its_healer_died_leaves_no_file(tmp_path: Path) -> None:
    """Although the instance that made the blob still lives, and the blob is gone before anybody looks."""

    async def scene(house: House) -> None:
        await house.put("object", os.urandom(5 << 20))
        info = house.info(house.blob_of("object"))
        house.file(info, 1).unlink()
        lost = ("UPDATE shards SET drive = ?, missing = 0 WHERE blob = ? AND idx = 1", b"lost", info.id)
        await house.catalog.write(lambda tx: tx.run(*lost))
        place = Drive.place

        async def die(drive: Drive, blob: bytes, index: int) -> None:
            await place(drive, blob, index)
            raise asyncio.CancelledError

        with mock.patch.object(Drive, "place", die), pytest.raises(asyncio.CancelledError):
            await heal(house.pool, house.catalog, house.blobs)
        assert len(list(tmp_path.glob("drive?/shards/*/*"))) == 4
        await house.delete("object")
        await reap(house.catalog, house.blobs, -1.0)
        await clear(house.catalog, house.pool)
        assert not list(tmp_path.glob("drive?/shards/*/*"))

    play(tmp_path, scene)


def test_a_shard_that_is_not_recorded_after_all_leaves_no_file(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("object", os.urandom(5 << 20))
        info = house.info(house.blob_of("object"))
        file = house.file(info, 1)
        file.unlink()
        lost = ("UPDATE shards SET drive = ?, missing = 0 WHERE blob = ? AND idx = 1", b"lost", info.id)
        published = "INSERT INTO extents (blob, offset, span, head, size, refs) VALUES (?, ?, 4096, 64, 10, 1)"
        await house.catalog.write(lambda tx: tx.run(*lost))
        place = Drive.place

        async def late(drive: Drive, blob: bytes, index: int) -> None:
            await place(drive, blob, index)
            assert file.exists()
            await house.catalog.write(lambda tx: tx.run(published, blob, info.length))

        with mock.patch.object(Drive, "place", late):
            assert await heal(house.pool, house.catalog, house.blobs) == (0, 1, 0)
        assert not file.exists(), "the next pass may choose another drive"
        await house.catalog.write(lambda tx: tx.run("DELETE FROM extents WHERE offset = ?", info.length))
        assert await heal(house.pool, house.catalog, house.blobs) == (1, 0, 0)
        assert file.exists()

    play(tmp_path, scene)
