"""What is alive moves out of blobs that are mostly dead; whoever reads notices nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from objstore.jobs.compact import compact, rewrite
from objstore.jobs.reap import reap
from objstore.store import repair
from objstore.store.extents import mark_missing
from objstore.store.store import Store
from objstore.store.types import NewObject, ObjectName
from tests.drives.faults import FaultySystem
from tests.jobs.house import BUCKET, NEW, House, play

SIZES = (20_000, 700_000, 9_000, 1_500_000, 300_000, 100_000, 50_000, 10_000)
BODIES = {f"key{number}": os.urandom(size) for number, size in enumerate(SIZES)}


def unpunchable() -> FaultySystem:
    """A file system that cannot punch holes."""
    system = FaultySystem()
    system.hook("punch", lambda fd, offset, length: False)
    return system


async def fill(house: House) -> bytes:
    """All bodies in one sealed blob."""
    for key, body in BODIES.items():
        await house.put(key, body)
    await house.seal()
    (blob,) = {house.blob_of(key) for key in BODIES}
    return blob


async def moved(house: House) -> int:
    after, count = await compact(house.pool, house.catalog, house.blobs, old_seconds=0.0)
    assert after == b""
    await house.seal()
    return count


def exists(house: House, blob: bytes) -> bool:
    return house.catalog.read(lambda tx: repair.blob(tx, blob)) is not None


async def check(house: House, *keys: str, store: Store | None = None) -> None:
    for key in keys:
        assert await house.get(key, store) == BODIES[key]


def test_where_holes_cannot_be_punched_space_comes_back_by_moving(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        blob = await fill(house)
        info, others = house.info(blob), Store(house.catalog, house.fresh())
        before = house.used(info)
        await check(house, *BODIES, store=others)  # so that they know where everything was
        await house.delete("key1")
        await reap(house.catalog, house.blobs, 0.0)
        assert house.used(info) == before, "nothing is punched"
        assert await moved(house) == 0, "more than half is alive"
        await house.delete("key3")
        left = [key for key in BODIES if key not in ("key1", "key3")]
        reading = house.store.read(house.store.current(BUCKET, "key4"))
        assert await moved(house) == 1
        await check(house, *left)
        assert all(house.used(info)), "the old place stays for those that read it"
        await reap(house.catalog, house.blobs, 0.0)
        assert not any(house.used(info)) and not exists(house, blob)
        assert b"".join([bytes(piece) async for piece in reading]) == BODIES["key4"]
        for drive in house.pool.drives:
            drive._files.forget_all()  # what is open could be read although it is gone
        for store in (others, house.store, Store(house.catalog, house.fresh())):
            await check(house, *left, store=store)
        assert await moved(house) == 0

    play(tmp_path, scene, system=unpunchable())


def test_what_was_moved_is_copied_deleted_and_moved_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        first = await fill(house)
        await house.delete("key1", "key3")
        assert await moved(house) == 1
        await reap(house.catalog, house.blobs, 0.0)
        await house.store.copy(ObjectName(BUCKET, "key5", None), BUCKET, "copy", lambda _: NewObject(owner=NEW.owner))
        await house.delete("key5", "key4", "key6")
        (second,) = house.catalog.read(lambda tx: tx.all("SELECT DISTINCT to_blob FROM moved"))[0]
        assert second != first
        assert await moved(house) == 1
        await reap(house.catalog, house.blobs, 0.0)
        assert not exists(house, first) and not exists(house, second)
        assert await house.get("copy") == BODIES["key5"]
        await check(house, "key0", "key2", "key7")
        await house.delete("copy", "key0", "key2", "key7")
        await reap(house.catalog, house.blobs, 0.0)
        for table in ("moved", "extents", "garbage", "blobs"):
            assert house.catalog.read(lambda tx, table=table: tx.all(f"SELECT * FROM {table}")) == [], table  # type: ignore[misc]
        assert not [path for path in tmp_path.glob("drive?/shards/*/*") if path.is_file()]

    play(tmp_path, scene, system=unpunchable())


def test_where_holes_can_be_punched_only_what_is_nearly_dead_moves(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        blob = await fill(house)
        await house.delete("key1", "key3")
        await reap(house.catalog, house.blobs, 0.0)
        assert await moved(house) == 0
        await house.delete(*(key for key in BODIES if key != "key2"))
        assert await moved(house) == 1
        await reap(house.catalog, house.blobs, 0.0)
        assert not exists(house, blob)
        await check(house, "key2", store=Store(house.catalog, house.fresh()))

    play(tmp_path, scene)


def test_a_delete_that_comes_between_wins(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        blob = await fill(house)
        await house.delete("key1", "key3")
        real: Any = house.blobs.record
        deleted: list[str] = []

        async def record(*arguments: Any) -> Any:
            if not deleted:
                deleted.append("key0")
                await house.delete("key0")
            return await real(*arguments)

        house.blobs.record = record  # type: ignore[method-assign]
        assert await moved(house) == 1
        await reap(house.catalog, house.blobs, 0.0)
        assert deleted and not exists(house, blob)
        await check(house, "key2", "key4", store=Store(house.catalog, house.fresh()))
        refs = house.catalog.read(lambda tx: tx.all("SELECT refs FROM extents"))
        assert refs == [(1,)] * 5

    play(tmp_path, scene, system=unpunchable())


@pytest.mark.parametrize("what", ["young", "away", "missing"])
def test_a_blob_that_is_not_at_rest_stays(tmp_path: Path, what: str) -> None:
    async def scene(house: House) -> None:
        blob = await fill(house)
        await house.delete("key1", "key3")
        if what == "young":
            assert (await compact(house.pool, house.catalog, house.blobs, old_seconds=60.0))[1] == 0
            return
        if what == "away":
            await house.away(house.pool.drives[0])
        else:
            await house.catalog.write(lambda tx: mark_missing(tx, blob, 1))
        assert await moved(house) == 0

    play(tmp_path, scene, system=unpunchable())


def test_a_reader_that_knows_the_old_place_finds_the_new_one_in_the_middle_of_a_long_body(tmp_path: Path) -> None:
    """Its first step is in memory still, from files that are unlinked; the rest is where it was moved."""

    async def scene(house: House) -> None:
        body = os.urandom(3_500_000)
        await house.put("long", body)
        await house.seal()
        others = Store(house.catalog, house.fresh())
        assert await house.get("long", others) == body
        blob = house.blob_of("long")
        assert await rewrite(house.catalog, house.blobs, house.info(blob))
        assert await reap(house.catalog, house.blobs, 0.0) == 1
        assert not exists(house, blob)
        for start in (0, 1_500_000):
            for keep in (True, False):
                if not keep:
                    for drive in house.pool.drives:
                        drive._files.forget_all()
                version = others.current(BUCKET, "long")
                read = [bytes(piece) async for piece in others.read(version, start, len(body) - start)]
                assert b"".join(read) == body[start:]

    play(tmp_path, scene)


def test_what_was_written_anew_stays_although_its_blob_is_sealed_and_old_before_all_is_moved(tmp_path: Path) -> None:
    """Moving a blob takes long; the reaper takes a sealed blob to which nothing refers for one that is dead."""

    async def scene(house: House) -> None:
        blob = await fill(house)
        steps = 0

        async def pace() -> None:
            nonlocal steps
            steps += 1
            await house.seal()
            await reap(house.catalog, house.blobs, -1.0)

        assert await rewrite(house.catalog, house.blobs, house.info(blob), pace)
        assert steps >= len(BODIES)
        await house.seal()
        await reap(house.catalog, house.blobs, -1.0)
        assert not exists(house, blob)
        for drive in house.pool.drives:
            drive._files.forget_all()
        await check(house, *BODIES, store=Store(house.catalog, house.fresh()))

    play(tmp_path, scene)
