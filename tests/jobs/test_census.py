"""A drive that returns while it is looked through is looked through from its beginning."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from objstore.jobs import census
from objstore.jobs.reap import reap
from objstore.store import repair
from tests.jobs.house import House, play

COUNT = 4


async def blobs(house: House) -> list[bytes]:
    """Some blobs, each of one object, in the order in which they are looked at."""
    for number in range(COUNT):
        await house.put(f"key{number}", os.urandom(5 << 20))
    return sorted(house.blob_of(f"key{number}") for number in range(COUNT))


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[9_000] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("during", range(COUNT))
def test_a_drive_that_comes_back_as_an_old_copy_while_it_is_looked_through(tmp_path: Path, during: int) -> None:
    """Whichever blob is being looked at then, the first one too: what is wrong with those before it now is found."""

    async def scene(house: House) -> None:
        ids = await blobs(house)
        drive = house.pool.drives[1]
        assert drive.id is not None
        name = drive.id
        before = ids[during - 1] if during else b""
        shards = {blob: house.info(blob).drives.index(name) for blob in ids}

        async def returned() -> None:
            flip(house.file(house.info(ids[0]), shards[ids[0]]))
            await house.catalog.write(lambda tx: census.begin(tx, name))

        await house.catalog.write(lambda tx: census.begin(tx, name))
        await census.look_through(house.catalog, house.blobs, _once(lambda: _after(house, name) == before, returned))
        while house.catalog.read(census.waiting):
            await census.look_through(house.catalog, house.blobs)
        assert [one.blob for one in house.catalog.read(repair.missing_shards)] == [ids[0]]

    play(tmp_path, scene)


def put_back(copy: Path, place: Path) -> None:
    """An old copy of a shard file, with all the room that it takes."""
    shutil.copy(copy, place)
    with place.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, copy.stat().st_size)


def test_an_old_copy_keeps_nothing_of_what_was_given_back_since(tmp_path: Path) -> None:
    """Neither objects that were deleted, nor the room that was reserved for those to come."""

    async def scene(house: House) -> None:
        for number in range(COUNT):
            await house.put(f"key{number}", os.urandom(500_000))
        info = house.info(house.blob_of("key0"))
        drive = house.pool.drives[0]
        assert drive.id is not None
        shard = info.drives.index(drive.id)
        copy = tmp_path / "copy"
        shutil.copy(house.file(info, shard), copy)
        await house.seal()
        await house.delete("key0", "key2")
        for _ in range(2):
            await reap(house.catalog, house.blobs, 0.0)
        others = sorted(house.used(house.info(info.id)))[1:]
        put_back(copy, house.file(info, shard))
        assert house.used(house.info(info.id))[shard] > 2 * max(others)
        await house.catalog.write(lambda tx: census.begin(tx, drive.id or ""))
        await census.look_through(house.catalog, house.blobs)
        assert not house.catalog.read(repair.missing_shards)
        assert house.used(house.info(info.id))[shard] <= max(others)

    play(tmp_path, scene)


def test_an_old_copy_of_a_blob_that_is_not_settled_keeps_no_room_that_was_reserved(tmp_path: Path) -> None:
    """What is behind the end of a sealed blob is told by no garbage when it is settled."""

    async def scene(house: House) -> None:
        await house.put("key", os.urandom(500_000))
        info = house.info(house.blob_of("key"))
        drive = house.pool.drives[0]
        assert drive.id is not None
        shard = info.drives.index(drive.id)
        copy = tmp_path / "copy"
        shutil.copy(house.file(info, shard), copy)
        await house.seal()
        most = max(house.used(info))
        put_back(copy, house.file(info, shard))
        assert house.used(info)[shard] > 2 * most
        await house.catalog.write(lambda tx: census.begin(tx, drive.id or ""))
        await census.look_through(house.catalog, house.blobs)
        for _ in range(2):
            await reap(house.catalog, house.blobs, 0.0)
        assert house.used(info)[shard] <= most
        assert len(await house.get("key")) == 500_000

    play(tmp_path, scene)


def _after(house: House, drive: str) -> bytes | None:
    stands = house.catalog.read(census.waiting).get(drive)
    return stands.after if stands is not None else None


def _once(due: Callable[[], bool], do: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    done = False

    async def pace() -> None:
        nonlocal done
        if not done and due():
            done = True
            await do()

    return pace
