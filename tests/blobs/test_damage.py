"""Bad, missing, moved and slow shards: reads go around them, and tell."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objstore.blobs.errors import BlobUnknown, Unreadable
from tests.blobs.setting import Setting, flip, put_between, run

MIB = 1 << 20


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.sampled_from([1000, 100_000, 3 * MIB, 6 * MIB]), draw=st.data())
def test_a_flipped_bit_is_read_around_and_reported(tmp_path: Path, size: int, draw: st.DataObject) -> None:
    data = os.urandom(size)

    async def scene(setting: Setting) -> None:
        extent = await setting.put(data)
        begin = extent.offset + extent.head
        end = begin + setting.info(extent).layout.framed(size)
        flip(setting.file(extent, 0), draw.draw(st.integers(begin, end - 1)))
        assert await setting.get(extent) == data
        assert set(setting.damages) == {(extent.blob, 0)}

    run(tmp_path / uuid4().hex, scene)


@pytest.mark.parametrize("cached", [True, False])
def test_every_shard_may_be_bad_in_another_stripe(tmp_path: Path, cached: bool) -> None:
    data = os.urandom(8 * MIB)
    stripes = range(2, 6)  # beyond the steps that a stream takes one by one: the next one has these four

    async def at_once(_: str) -> None:
        pass

    async def scene(setting: Setting) -> None:
        extent = await setting.put(data)
        layout = setting.info(extent).layout
        for shard, stripe in enumerate(stripes):
            flip(setting.file(extent, shard), extent.offset + extent.head + stripe * layout.frame(MIB) + 99)
        if not cached:
            for slot in range(4):
                put_between(setting.pool, slot, ["read"], at_once)
        assert await setting.get(extent) == data
        assert {shard for _, shard in setting.damages} == ({0, 1} if cached else {0, 1, 2, 3})

    run(tmp_path / "pool", scene)


def test_too_much_damage_is_an_error_and_never_wrong_bytes(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(b"a" * 100_000)
        for shard in range(3):
            flip(setting.file(extent, shard), extent.offset + extent.head + 20)
        with pytest.raises(Unreadable, match="shard 1: hash does not match"):
            await setting.get(extent)

    run(tmp_path / "pool", scene)


@pytest.mark.parametrize("size", [5000, 6 * MIB])
@pytest.mark.parametrize("harm", ["unlink", "truncate"])
def test_a_shard_file_that_is_gone_or_short_is_reported(tmp_path: Path, size: int, harm: str) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(b"q" * size)
        await setting.blobs.seal_open()
        path = setting.file(extent, 1)
        path.unlink() if harm == "unlink" else os.truncate(path, 5000)
        setting.drive(extent, 1).forget(extent.blob, 1)
        assert await setting.get(extent) == b"q" * size
        assert set(setting.damages) == {(extent.blob, 1)}

    run(tmp_path / "pool", scene)


def test_what_is_known_to_be_missing_is_neither_read_nor_reported(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(b"w" * 5 * MIB)
        setting.file(extent, 0).unlink()
        setting.rows[extent.blob] = msgspec.structs.replace(setting.info(extent), missing={0: 0})
        assert await setting.get(extent) == b"w" * 5 * MIB
        assert not setting.damages

    run(tmp_path / "pool", scene)


def test_shards_that_wait_for_repair_are_read_when_too_few_others_are_good(tmp_path: Path) -> None:
    """Each of more shards than there is parity was found damaged, each somewhere else."""
    bodies = [os.urandom(size) for size in (100_000, 100_001, 100_002, 100_003)]

    async def scene(setting: Setting) -> None:
        extents = [await setting.put(body) for body in bodies]
        await setting.blobs.seal_open()
        blob = extents[0].blob
        assert {extent.blob for extent in extents} == {blob}
        for shard, extent in enumerate(extents):
            flip(setting.file(extent, shard), extent.offset + extent.head + 99)
        info = setting.rows[blob] = msgspec.structs.replace(setting.sealed[0], missing={0: 0, 1: 0, 2: 0, 3: 0})
        for extent, body in zip(extents, bodies, strict=True):
            assert await setting.get(extent) == body
        for shard in range(4):
            await setting.blobs.rebuild(info, shard, setting.drive(extents[0], shard), setting.appends[blob])
            assert not await setting.blobs.verify_shard(setting.sealed[0], shard, setting.appends[blob])
        assert not setting.damages

    run(tmp_path / "pool", scene)


def test_a_shard_is_made_again_from_what_is_good_of_it(tmp_path: Path) -> None:
    """No append has more good shards than it needs, and every shard is one of them somewhere."""
    bodies = [os.urandom(100_000) for _ in range(4)]

    async def scene(setting: Setting) -> None:
        extents = [await setting.put(body) for body in bodies]
        await setting.blobs.seal_open()
        for shard, extent in enumerate(extents):
            for bad in (shard, (shard + 1) % 4):
                flip(setting.file(extent, bad), extent.offset + extent.head + 99)
        info = msgspec.structs.replace(setting.sealed[0], missing={0: 0, 1: 0, 2: 0, 3: 0})
        for shard in range(4):
            drive = setting.drive(extents[0], shard)
            await setting.blobs.rebuild(info, shard, drive, setting.appends[info.id])
            assert not await setting.blobs.verify_shard(setting.sealed[0], shard, setting.appends[info.id])

    run(tmp_path / "pool", scene)


def test_a_shard_is_made_again_stripe_by_stripe_where_the_others_are_bad_in_places(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(os.urandom(8 * MIB))
        layout = setting.info(extent).layout
        for shard, stripe in enumerate(range(4)):  # all in one step
            flip(setting.file(extent, shard), extent.offset + extent.head + stripe * layout.frame(MIB) + 99)
        info = msgspec.structs.replace(setting.info(extent), missing={0: 0, 1: 0, 2: 0, 3: 0})
        for shard in range(4):
            await setting.blobs.rebuild(info, shard, setting.drive(extent, shard), setting.appends[info.id])
            assert not await setting.blobs.verify_shard(setting.info(extent), shard, setting.appends[info.id])

    run(tmp_path / "pool", scene)


def test_bytes_that_were_moved_are_read_where_they_are(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent, stays, there = [await setting.put(data * 100_000) for data in (b"m", b"s", b"m")]
        info = setting.info(extent)
        await setting.blobs.reap(info, [(extent.offset, extent.span(info.layout))])
        setting.rows[extent.blob] = msgspec.structs.replace(info, moved=True)
        setting.moved[extent.blob, extent.offset] = there
        assert await setting.get(extent) == b"m" * 100_000
        assert await setting.get(stays) == b"s" * 100_000
        assert not setting.damages

    run(tmp_path / "pool", scene)


def test_bytes_that_were_moved_within_their_blob_are_found_by_who_does_not_know_of_it(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent, there = [await setting.put(b"m" * 100_000) for _ in range(2)]
        assert extent.blob == there.blob
        info = setting.info(extent)
        await setting.blobs.reap(info, [(extent.offset, extent.span(info.layout))])
        setting.moved[extent.blob, extent.offset] = there
        assert await setting.get(extent) == b"m" * 100_000

    run(tmp_path / "pool", scene)


def test_a_shard_that_was_moved_is_found_again(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(b"m" * 100_000)
        await setting.blobs.seal_open()
        reader = setting.fresh()
        assert b"".join([bytes(v) async for v in reader.read([extent], 0, 100_000)]) == b"m" * 100_000
        info = setting.info(extent)
        spare = next(drive for drive in setting.pool.drives if drive.id not in info.drives)
        await reader.rebuild(info, 0, spare, setting.appends[extent.blob])
        await setting.drive(extent, 0).unlink(extent.blob, 0)
        setting.rows[extent.blob] = msgspec.structs.replace(info, drives=(spare.id, *info.drives[1:]))
        assert b"".join([bytes(v) async for v in reader.read([extent], 0, 100_000)]) == b"m" * 100_000
        assert not setting.damages

    run(tmp_path / "pool", scene, drives=20, parity=4)


def test_a_slow_drive_is_hedged_against(tmp_path: Path) -> None:
    data = os.urandom(10 * MIB)

    async def scene(setting: Setting) -> None:
        extent = await setting.put(data)
        slow = setting.pool.drives.index(setting.drive(extent, 0))
        release = asyncio.Event()
        asked = []

        async def hang(name: str) -> None:
            asked.append(name)
            await release.wait()

        put_between(setting.pool, slow, ["read"], hang)
        assert await setting.get(extent) == data  # would never end without a hedge
        assert len(asked) <= 2  # one step, and the one read ahead: then it is out of favour
        assert not setting.damages

    run(tmp_path / "pool", scene)


def test_a_read_left_early_leaves_nothing_running(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(bytes(20 * MIB))
        stream = setting.blobs.read([extent], 0, 20 * MIB)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        for _ in range(10):  # a cancellation passes down a few tasks
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    run(tmp_path / "pool", scene)


def test_a_blob_that_nobody_knows_is_an_error_of_its_own(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(b"a" * 1000)
        setting.rows.clear()
        with pytest.raises(BlobUnknown):
            await setting.get(extent)

    run(tmp_path / "pool", scene)
