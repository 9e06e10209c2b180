"""Healing beside everything else that happens to a blob."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

from objstore.drives.drive import Drive
from objstore.jobs.heal import heal
from objstore.jobs.reap import reap
from objstore.store.extents import mark_missing
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
