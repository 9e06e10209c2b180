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
