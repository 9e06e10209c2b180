"""A drive that fails, hangs or is full during a write: what is acknowledged is safe, what is missing is told."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objstore.blobs import quorum
from objstore.blobs.errors import OutOfSpace, WriteQuorumLost
from objstore.blobs.types import BlobInfo
from objstore.drives.errors import DriveFaulty, DriveFull
from tests.blobs.setting import RECORD, Setting, failing_after, put_between, run

MIB = 1 << 20


def test_a_drive_failing_during_packed_writes_is_recorded_and_the_blob_sealed(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        put_between(setting.pool, 1, ["append"], failing_after(2))
        bodies = [os.urandom(50_000) for _ in range(6)]
        extents = [await setting.put(body) for body in bodies]
        hurt = setting.info(extents[2])
        (shard,) = hurt.missing
        assert setting.pool.by_id(hurt.drives[shard]) == setting.pool.drives[1]
        assert hurt.missing[shard] == extents[2].offset
        assert hurt.id in {info.id for info in setting.sealed} and extents[3].blob != hurt.id
        for extent, body in zip(extents, bodies, strict=True):
            assert await setting.get(extent) == body
        assert not setting.damages

    run(tmp_path / "pool", scene)


def test_what_a_drive_did_not_take_of_a_batch_is_missing_from_its_first_append_on(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        put_between(setting.pool, 1, ["append"], failing_after(1))
        first = await setting.put(os.urandom(50_000))
        extents = await asyncio.gather(*(setting.put(os.urandom(50_000)) for _ in range(6)))
        info = setting.info(first)
        (shard,) = info.missing
        lacking = sorted(extent.offset for extent in extents if extent.blob == first.blob)
        assert len(lacking) > 2, "they share batches"
        assert info.missing[shard] == lacking[0]

    run(tmp_path / "pool", scene)


def test_a_drive_failing_during_a_stream_is_left_out(tmp_path: Path) -> None:
    data = os.urandom(20 * MIB)

    async def scene(setting: Setting) -> None:
        put_between(setting.pool, 2, ["write"], failing_after(2))
        extent = await setting.put(data)
        info = setting.info(extent)
        assert list(info.missing.values()) == [0]
        assert await setting.get(extent) == data
        healthy = [shard for shard in range(4) if shard not in info.missing]
        await setting.lose(setting.drive(extent, healthy[0]))
        assert await setting.get(extent) == data

    run(tmp_path / "pool", scene)


@pytest.mark.parametrize("call", ["write", "sync"])
def test_below_the_quorum_a_stream_is_refused(tmp_path: Path, call: str) -> None:
    async def scene(setting: Setting) -> None:
        for slot in (0, 3):
            put_between(setting.pool, slot, [call], failing_after(0))
        writer = setting.blobs.writer(2, 9 * MIB)
        with pytest.raises(WriteQuorumLost, match="2 shards are durable, 3 are needed"):
            for _ in range(9):
                await writer.write(bytes(MIB))
            await writer.finish(RECORD)
        await writer.abort()
        assert not setting.files()

    run(tmp_path / "pool", scene)


def test_below_the_quorum_a_packed_write_goes_once_more_to_other_drives(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        failing = failing_after(0)
        for slot in (0, 1):
            put_between(setting.pool, slot, ["append"], failing)
        with pytest.raises(WriteQuorumLost):
            await setting.put(b"x" * 1000)
        assert not setting.rows

    run(tmp_path / "pool", scene)


def test_a_drive_failing_while_a_blob_is_made_costs_nothing(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        put_between(setting.pool, 0, ["create"], failing_after(0))
        small, large = await setting.put(b"x" * 1000), await setting.put(b"y" * 5 * MIB)
        for extent in (small, large):
            assert str(setting.info(extent).layout) == "1+2" and not setting.info(extent).missing
        assert await setting.get(large) == b"y" * 5 * MIB

    run(tmp_path / "pool", scene)


def test_full_drives_are_passed_by_until_too_few_are_left(tmp_path: Path) -> None:
    async def full(name: str) -> None:
        raise DriveFull("drive", "no space")

    async def scene(setting: Setting) -> None:
        put_between(setting.pool, 0, ["create"], full)
        assert str(setting.info(await setting.put(b"x")).layout) == "1+2"
        put_between(setting.pool, 1, ["create"], full)
        await setting.blobs.seal_open()
        with pytest.raises(OutOfSpace):
            await setting.put(b"x")

    run(tmp_path / "pool", scene)


@pytest.mark.parametrize("size", [1000, 5 * MIB])
def test_a_drive_that_hangs_does_not_hold_a_write_for_long(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quorum, "GRACE", 0.05)

    async def scene(setting: Setting) -> None:
        release = asyncio.Event()

        async def hang(name: str) -> None:
            await release.wait()
            raise DriveFaulty("drive", "late")

        put_between(setting.pool, 3, ["append", "write"], hang)
        extent = await setting.put(b"z" * size)
        assert len(setting.info(extent).missing) == 1
        assert await setting.get(extent) == b"z" * size
        release.set()

    run(tmp_path / "pool", scene)


def test_a_returning_drive_gets_writes_at_full_width_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objstore.blobs.packing._RECHECK", 0.0)

    async def scene(setting: Setting) -> None:
        gone = setting.pool.drives[0]
        gone.path.rename(gone.path.with_suffix(".gone"))
        await setting.pool.probe()
        narrow = await setting.put(b"a" * 1000)
        gone.path.with_suffix(".gone").rename(gone.path)
        await setting.pool.probe()
        wide = await setting.put(b"b" * 1000)
        assert [str(setting.info(extent).layout) for extent in (narrow, wide)] == ["1+2", "2+2"]

    run(tmp_path / "pool", scene)


def test_a_blob_is_opened_for_all_who_wait_though_the_first_of_them_leaves(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        entering, entered = asyncio.Event(), asyncio.Event()

        async def enter(_: BlobInfo) -> None:
            entering.set()
            await entered.wait()

        setting.opened = enter
        first, second, third = (asyncio.create_task(setting.put(letter * 1000)) for letter in (b"a", b"b", b"c"))
        await entering.wait()
        first.cancel()
        await asyncio.wait([first])
        entered.set()
        extents = [await second, await third]
        assert first.cancelled() and len({extent.blob for extent in extents}) == 1
        assert len(setting.files()) == 4
        assert await setting.get(extents) == b"b" * 1000 + b"c" * 1000

    run(tmp_path / "pool", scene)


def test_a_blob_that_is_sealed_as_it_opens_takes_nothing_and_another_is_opened(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        sealing = []

        async def enter(_: BlobInfo) -> None:
            if not sealing:  # this goes on before whoever waits for the blob does
                sealing.append(asyncio.create_task(setting.blobs.seal_open()))

        setting.opened = enter
        extent = await setting.put(b"a" * 1000)
        (sealed,) = await sealing[0]
        assert extent.blob != sealed.id
        assert await setting.get(extent) == b"a" * 1000

    run(tmp_path / "pool", scene)


def test_a_blob_that_cannot_be_entered_leaves_nothing(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        async def refuse(_: BlobInfo) -> None:
            raise RuntimeError("a test")

        setting.opened, enter = refuse, setting.opened
        with pytest.raises(RuntimeError):
            await setting.put(b"a" * 1000)
        assert not setting.files() and len(setting.sealed) == 1, "it may have been entered all the same"
        setting.opened = enter
        assert await setting.get(await setting.put(b"b" * 1000)) == b"b" * 1000

    run(tmp_path / "pool", scene)


def test_blobs_are_sealed_while_one_of_another_parity_is_begun(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        sealing, release = asyncio.Event(), asyncio.Event()

        async def hang(name: str) -> None:
            sealing.set()
            await release.wait()

        put_between(setting.pool, 0, ["finish"], hang)
        first = await setting.put(b"a" * 1000)
        task = asyncio.create_task(setting.blobs.seal_open())
        await sealing.wait()
        second = await setting.put(b"b" * 1000, parity=1)
        release.set()
        assert {info.id for info in await task} >= {first.blob}
        assert await setting.get([first, second]) == b"a" * 1000 + b"b" * 1000

    run(tmp_path / "pool", scene)


def test_a_removed_folder_is_noticed_before_anything_is_acknowledged(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        await setting.put(b"a" * 1000)
        drive = setting.pool.drives[2]
        drive.path.rename(drive.path.with_suffix(".gone"))  # nobody probed yet
        extent = await setting.put(b"b" * 1000)
        info = setting.info(extent)
        assert [setting.pool.by_id(info.drives[shard]) for shard in info.missing] == [drive]
        assert await setting.get(extent) == b"b" * 1000

    run(tmp_path / "pool", scene)


@pytest.mark.parametrize("size", [1000, 4 * MIB, 12 * MIB])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.integers(0, 60))
def test_a_write_cancelled_at_any_moment_leaves_nothing(tmp_path: Path, size: int, steps: int) -> None:
    async def write(setting: Setting) -> None:
        writer = setting.blobs.writer(2, size)
        try:
            for start in range(0, size, MIB):
                await writer.write(bytes(min(MIB, size - start)))
            await writer.finish(RECORD)
            await asyncio.sleep(1)
        except BaseException:
            await writer.abort()
            raise

    async def scene(setting: Setting) -> None:
        task = asyncio.create_task(write(setting))
        for _ in range(steps):
            await asyncio.sleep(0.0002)
        task.cancel()
        await asyncio.wait([task])
        kept = await setting.put(b"after")
        await setting.blobs.seal_open()
        assert sum(path.stat().st_blocks for path in setting.files()) * 512 <= 4 * 12288
        assert await setting.get(kept) == b"after"

    run(tmp_path / uuid4().hex, scene)
