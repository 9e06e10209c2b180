"""What may have happened between the snapshot and the loss: appends moved, shards lost, views kept, records forged."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from objstore.blobs.ids import new_blob_id
from objstore.blobs.records import Record, pack_record
from objstore.blobs.types import BlobInfo
from objstore.catalog.catalog import attach
from objstore.catalog.startup import start
from objstore.drives.pool import Pool
from objstore.jobs import catalog_snapshots
from objstore.jobs.compact import rewrite
from objstore.jobs.heal import heal
from objstore.jobs.reap import reap
from objstore.jobs.restore.reconciling import reconcile
from objstore.jobs.restore.report import Report, Taken
from objstore.jobs.restore.restore import Wishes, restore
from objstore.jobs.seal import seal_abandoned
from objstore.store import extents, leftovers, repair
from objstore.store.audit import Audit
from objstore.store.catalog_snapshots import Schedule, ask, listed
from objstore.store.errors import NoSuchKey
from objstore.store.store import now_us
from tests.jobs.house import BUCKET, House, play
from tests.jobs.test_compact import BODIES, check, fill, moved, unpunchable
from tests.store.fakes import MemoryCatalog

SCHEDULE = Schedule(1e9, 24, 7)


def paths(folder: Path) -> list[Path]:
    return [folder / f"drive{number}" for number in range(4)]


async def taken(house: House) -> None:
    assert await catalog_snapshots.run(house.catalog, house.blobs, SCHEDULE) is not None


def lose(folder: Path) -> None:
    for drive in paths(folder):
        for path in drive.glob("catalog.db*"):
            path.unlink()


def again(folder: Path, scene: Callable[[House], Awaitable[None]]) -> Report:
    """Lose the catalog, restore it, and play another scene in the same house; its catalog agrees with itself."""
    lose(folder)
    report = restore(paths(folder), Wishes())
    runtime = folder / "again"
    runtime.mkdir()
    pool = Pool.open(paths(folder), strict=False)
    start(pool, runtime, strict=False)
    catalog = attach(pool, runtime, strict=False)

    async def main() -> None:
        house = House(pool, catalog, folder / "reads-again")
        assert list(catalog.read(lambda tx: list(Audit(tx).faults()))) == []  # type: ignore[arg-type]
        await scene(house)
        await house.blobs.close()

    try:
        asyncio.run(main())
    finally:
        catalog.close()
        pool.close()
    return report


def test_appends_that_were_moved_are_found_where_they_are(tmp_path: Path) -> None:
    kept = ("key2", "key5")

    async def before(house: House) -> None:
        await fill(house)
        await taken(house)
        await house.delete(*(key for key in BODIES if key not in kept))
        assert await moved(house) == 1
        await reap(house.catalog, house.blobs, 0.0)

    async def after(house: House) -> None:
        await check(house, *kept)

    play(tmp_path, before, system=unpunchable())
    report = again(tmp_path, after)
    assert report.moved == len(kept)
    assert {item.key for item in report.gone} == set(BODIES) - set(kept)
    assert report.complete


def test_snapshots_that_were_moved_are_found(tmp_path: Path) -> None:
    """As when a drive is drained and no other can take its shards: each blob is written anew for those that stay."""

    async def before(house: House) -> None:
        await house.put("k", b"body" * 5_000)
        with mock.patch.object(catalog_snapshots, "now_us", lambda: now_us() - 7_200_000_000):
            await taken(house)
        await house.catalog.write(lambda tx: ask(tx, now_us()))
        await taken(house)
        for one in house.catalog.read(listed):
            assert await rewrite(house.catalog, house.blobs, house.info(one.extents[0].blob))
        await reap(house.catalog, house.blobs, 0.0)

    async def after(house: House) -> None:
        assert len(house.catalog.read(listed)) == 2
        assert await house.get("k") == b"body" * 5_000

    play(tmp_path, before)
    assert again(tmp_path, after).complete


def test_a_clock_that_was_ahead_for_a_while(tmp_path: Path) -> None:
    """Snapshots go on as scheduled and when asked for, the latest is the newest, and later writes are found."""
    hourly = Schedule(3_600.0, 24, 7)

    async def before(house: House) -> None:
        async def due() -> bool:
            return await catalog_snapshots.run(house.catalog, house.blobs, hourly) is not None

        with mock.patch.object(catalog_snapshots, "now_us", lambda: now_us() + 30 * 86_400_000_000):
            assert await due() and not await due()
        await house.put("k1", b"body" * 5_000)
        assert await due() and not await due()
        when = await house.catalog.write(lambda tx: ask(tx, now_us()))
        while await due():
            pass
        newest = house.catalog.read(listed)[0]
        assert newest.taken_us >= when > now_us() >= newest.clock_us
        with mock.patch.object(catalog_snapshots, "now_us", lambda: now_us() + 3_600_000_000):
            assert await due() and not await due()
        await house.put("k2", b"body" * 5_000)

    async def after(house: House) -> None:
        for key in ("k1", "k2"):
            assert await house.get(key) == b"body" * 5_000

    play(tmp_path, before)
    report = again(tmp_path, after)
    assert report.complete and {item.key for item in report.recovered} == {"k2"}


def test_shards_that_are_missing_or_damaged_are_healed(tmp_path: Path) -> None:
    bodies = {f"k{number}": bytes([number]) * 400_000 for number in range(4)}

    async def before(house: House) -> None:
        for key in ("k0", "k1"):
            await house.put(key, bodies[key])
        await taken(house)
        for key in ("k2", "k3"):
            await house.put(key, bodies[key])
        info = house.info(house.blob_of("k0"))
        await house.blobs.seal_open()
        house.file(info, 1).unlink()

    async def after(house: House) -> None:
        for key, body in bodies.items():
            assert await house.get(key) == body
        await seal_abandoned(house.catalog, house.blobs, lambda instance: instance == house.instance)
        assert (await heal(house.pool, house.catalog, house.blobs)).failed == 0

    play(tmp_path, before)
    report = again(tmp_path, after)
    assert {item.key for item in report.recovered} == {"k2", "k3"}
    assert report.complete and report.shards_to_heal == 1


def test_a_shard_that_was_being_placed_when_the_snapshot_was_taken_is_not_left_over() -> None:
    tx = MemoryCatalog()
    known = BlobInfo(new_blob_id(b"test"), (2, 1, 1 << 20, "isal"), ("a", "b", "c"))
    extents.enter(tx, known)
    repair.expect(tx, known.id, 1, "d")
    there = ("a", "d", "c")
    files = SimpleNamespace(
        shards={0, 1, 2}, on=lambda shard, drive: there[shard] == drive, drive_of=lambda shard: there[shard]
    )
    reconcile(tx, {known.id: files}, {*"abcd"}, Report(Taken(0, 0, 0)))  # type: ignore[dict-item]
    found = repair.blob(tx, known.id)
    assert found is not None and found.drives == there
    assert leftovers.on(tx, "d") == []


def test_views_of_snapshots_are_restored_too(tmp_path: Path) -> None:
    async def before(house: House) -> None:
        await house.put("k", b"old" * 5_000)
        await house.store.views.create(BUCKET, "one")
        await house.put("k", b"new" * 5_000)
        await taken(house)

    async def after(house: House) -> None:
        view = house.store.current(f"{BUCKET}--one--snap", "k")
        assert b"".join([bytes(piece) async for piece in house.store.read(view)]) == b"old" * 5_000
        assert await house.get("k") == b"new" * 5_000

    play(tmp_path, before)
    assert again(tmp_path, after).complete


def test_bytes_of_an_object_that_look_like_a_record_are_no_object(tmp_path: Path) -> None:
    forged = pack_record(Record(BUCKET, b"forged", "%032x" % (1 << 60), 4, "0" * 32, stored=4))
    body = (forged.ljust(4_096, b"\0") + b"evil".ljust(4_096, b"\0")) * 400

    async def before(house: House) -> None:
        await taken(house)
        await house.put("honest", body)
        info = house.info(house.blob_of("honest"))
        await house.blobs.seal_open()
        for shard in range(4):  # its own record is gone, so that all of it is looked through
            with house.file(info, shard).open("r+b") as file:
                file.seek(4_096)
                file.write(bytes(64))

    async def after(house: House) -> None:
        with pytest.raises(NoSuchKey):
            house.store.current(BUCKET, "forged")

    play(tmp_path, before)
    assert again(tmp_path, after).recovered == []


def test_an_old_mirror_that_turns_up_again_leads_nobody(tmp_path: Path) -> None:
    async def before(house: House) -> None:
        await house.put("k", b"x" * 20_000)
        shutil.copy(house.pool.drives[0].path / "catalog.db", tmp_path / "old.db")
        await taken(house)
        await house.put("later", b"y" * 20_000)

    async def after(house: House) -> None:
        assert await house.get("later") == b"y" * 20_000

    play(tmp_path, before)
    lose(tmp_path)
    restore(paths(tmp_path), Wishes())
    for drive in paths(tmp_path):
        if not (drive / "catalog.db").exists():
            shutil.copy(tmp_path / "old.db", drive / "catalog.db")
    runtime = tmp_path / "again"
    runtime.mkdir()
    pool = Pool.open(paths(tmp_path), strict=False)
    start(pool, runtime, strict=False)
    catalog = attach(pool, runtime, strict=False)
    try:
        names = catalog.read(lambda tx: tx.all("SELECT key FROM objects ORDER BY key"))
        assert names == [(b"k",), (b"later",)]
    finally:
        catalog.close()
        pool.close()
