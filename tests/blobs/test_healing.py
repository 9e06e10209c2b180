"""Rebuild, verify, and giving space back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

import erasure
from erasure import Layout
from objstore.blobs.coding import encode
from objstore.blobs.errors import Unreadable
from objstore.blobs.records import unpack_record
from objstore.blobs.types import Extent, span_of
from objstore.drives.drive import Drive
from tests.blobs.setting import RECORD, Setting, failing_after, flip, put_between, run

MIB = 1 << 20


async def heal(setting: Setting, lost: str, target_slot: int) -> int:
    """Rebuild every shard of the drive `lost` on the drive at a slot, as the jobs process does; how many frames."""
    target = setting.pool.drives[target_slot]
    frames = 0
    for blob, info in list(setting.rows.items()):
        for shard, drive in enumerate(info.drives):
            if drive == lost:
                frames += await setting.blobs.rebuild(info, shard, target, setting.appends[blob])
                drives = [target.id if at == shard else one for at, one in enumerate(info.drives)]
                missing = {at: offset for at, offset in info.missing.items() if at != shard}
                setting.rows[blob] = info = msgspec.structs.replace(info, drives=tuple(drives), missing=missing)
    return frames


def test_drives_may_go_one_after_another_when_each_is_healed(tmp_path: Path) -> None:
    bodies = [os.urandom(size) for size in (1, 60_000, 900_000, 3 * MIB + 5, 9 * MIB + 1)]

    async def scene(setting: Setting) -> None:
        extents = [await setting.put(body) for body in bodies]
        await setting.blobs.seal_open()
        for info in setting.sealed:
            setting.rows[info.id] = info
        for slot in (0, 1, 2, 3):
            lost = setting.pool.drives[slot].id
            assert lost is not None
            await setting.lose(setting.pool.drives[slot])
            await setting.replace(slot)
            assert await heal(setting, lost, slot) == 1 + 1 + 1 + 4 + 10
        for extent, body in zip(extents, bodies, strict=True):
            assert await setting.get(extent) == body
        for drive in list(setting.pool.drives[:2]):
            await setting.lose(drive)
        for extent, body in zip(extents, bodies, strict=True):
            assert await setting.get(extent) == body
        assert not setting.damages

    run(tmp_path / "pool", scene)


def test_a_rebuilt_shard_is_the_same_file(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extents = [await setting.put(os.urandom(size)) for size in (70_000, 5000, 2 * MIB)]
        large = await setting.put(os.urandom(6 * MIB + 3))
        await setting.blobs.seal_open()
        setting.rows[extents[0].blob] = setting.sealed[0]
        for extent, frames in ((extents[0], 4), (large, 7)):
            for shard in range(4):
                before = setting.file(extent, shard).read_bytes()
                drive = setting.drive(extent, shard)
                flip(setting.file(extent, shard), extent.offset + extent.head + 50)
                assert await setting.blobs.verify_shard(setting.info(extent), shard, setting.appends[extent.blob])
                count = await setting.blobs.rebuild(setting.info(extent), shard, drive, setting.appends[extent.blob])
                assert count == frames
                assert setting.file(extent, shard).read_bytes() == before
                assert not await setting.blobs.verify_shard(setting.info(extent), shard, setting.appends[extent.blob])

    run(tmp_path / "pool", scene)


class Spoiling:
    """A drive that stores something else than what it is given."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive

    def __getattr__(self, name: str) -> Any:
        return getattr(self._drive, name)

    def write(self, blob: bytes, index: int, offset: int, buffers: Sequence[Any], **named: Any) -> Any:
        data = bytearray(b"".join(map(bytes, buffers)))
        data[-1] ^= 1
        return self._drive.write(blob, index, offset, [data], **named)


def test_what_does_not_read_back_as_it_was_written_is_not_placed(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(os.urandom(5 * MIB))
        info, files = setting.info(extent), setting.files()
        before = setting.file(extent, 0).read_bytes()
        target: Any = Spoiling(setting.drive(extent, 0))
        with pytest.raises(Unreadable, match="rebuilt, but"):
            await setting.blobs.rebuild(info, 0, target, setting.appends[extent.blob])
        assert setting.files() == files
        assert setting.file(extent, 0).read_bytes() == before

    run(tmp_path / "pool", scene)


def test_a_rebuild_that_cannot_be_proved_changes_nothing(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(os.urandom(6 * MIB))
        info, appends = setting.info(extent), setting.appends[extent.blob]
        before = setting.file(extent, 0).read_bytes()
        target = setting.drive(extent, 0)
        for shard in (1, 2):
            flip(setting.file(extent, shard), extent.offset + extent.head + 50)
        flip(setting.file(extent, 3), extent.offset + extent.head + 50)
        with pytest.raises(Unreadable):
            await setting.blobs.rebuild(info, 0, target, appends)
        assert setting.file(extent, 0).read_bytes() == before
        assert not [path for path in setting.files() if path.suffix == ".tmp"]

    run(tmp_path / "pool", scene)


def test_verify_names_what_is_wrong_and_where(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(os.urandom(3 * MIB))
        await setting.blobs.seal_open()
        info, appends = setting.info(extent), setting.appends[extent.blob]
        layout = info.layout
        assert await setting.blobs.verify_shard(info, 2, appends) == []
        second = extent.offset + extent.head + layout.frame(MIB)
        flip(setting.file(extent, 2), 100)
        flip(setting.file(extent, 2), extent.offset + 20)
        flip(setting.file(extent, 2), second + 20)
        problems = await setting.blobs.verify_shard(info, 2, appends)
        assert [problem.offset for problem in problems] == [0, extent.offset, second]
        setting.file(extent, 2).unlink()
        setting.drive(extent, 2).forget(extent.blob, 2)
        assert await setting.blobs.verify_shard(info, 2, appends)

    run(tmp_path / "pool", scene)


def blocks(setting: Setting, extent: Extent) -> list[int]:
    return [setting.file(extent, shard).stat().st_blocks * 512 for shard in range(4)]


def test_reaping_gives_space_back_and_touches_nothing_else(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        first, second, third = [await setting.put(bytes([n]) * 2 * MIB) for n in range(3)]
        await setting.blobs.seal_open()
        info = setting.info(second)
        before = blocks(setting, second)
        assert await setting.blobs.reap(info, [(second.offset, second.span(info.layout))]) == {}
        assert all(now <= was - MIB for now, was in zip(blocks(setting, second), before, strict=True))
        assert await setting.get(first) == bytes([0]) * 2 * MIB
        assert await setting.get(third) == bytes([2]) * 2 * MIB

    run(tmp_path / "pool", scene)


def test_removing_a_blob_unlinks_every_shard_and_tells_where_it_could_not(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(bytes(5 * MIB))
        put_between(setting.pool, 0, ["unlink"], failing_after(0))
        failed = await setting.blobs.remove(setting.info(extent))
        assert len(failed) == 1 == len(setting.files())

    run(tmp_path / "pool", scene)


@pytest.mark.parametrize("size", [5000, 4 * MIB, 9 * MIB])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_aborted_write_leaves_nothing(tmp_path: Path, size: int, when: str) -> None:
    async def scene(setting: Setting) -> None:
        kept = await setting.put(b"k" * 10_000)
        setting.files()
        used = sum(path.stat().st_blocks for path in setting.files())
        writer = setting.blobs.writer(2, size)
        for start in range(0, size, MIB):
            await writer.write(bytes(min(MIB, size - start)))
        if when == "after":
            await writer.finish(RECORD)
        await writer.abort()
        assert {path.stem for path in setting.files()} == {kept.blob.hex()}
        assert sum(path.stat().st_blocks for path in setting.files()) <= used
        assert await setting.get(kept) == b"k" * 10_000

    run(tmp_path / "pool", scene)


@pytest.mark.parametrize("size", [5000, 9 * MIB])
def test_a_finished_write_may_be_discarded(tmp_path: Path, size: int) -> None:
    async def scene(setting: Setting) -> None:
        kept = await setting.put(b"k" * 10_000)
        used = sum(path.stat().st_blocks for path in setting.files())
        writer = setting.blobs.writer(2, size)
        await writer.write(bytes(size))
        await setting.blobs.discard(await writer.finish(RECORD))
        assert {path.stem for path in setting.files()} == {kept.blob.hex()}
        assert sum(path.stat().st_blocks for path in setting.files()) <= used

    run(tmp_path / "pool", scene)


def test_a_blob_is_sealed_when_full_and_at_the_end(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extents = [await setting.put(bytes(400_000)) for _ in range(12)]
        assert len({extent.blob for extent in extents}) > 1
        await setting.blobs.seal_open()
        assert {info.id for info in setting.sealed} == {extent.blob for extent in extents}
        for info in setting.sealed:
            last = max((e for e in extents if e.blob == info.id), key=lambda e: e.offset)
            assert info.length == last.offset + span_of(info.layout, last.head, last.size)
            assert {setting.file(last, shard).stat().st_size for shard in range(4)} == {info.length}

    run(tmp_path / "pool", scene, limit=1 << 20)


def test_every_shard_file_tells_what_it_holds(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        for extent in [await setting.put(bytes(5000)), await setting.put(bytes(5 * MIB))]:
            for shard in range(4):
                content = setting.file(extent, shard).read_bytes()
                assert unpack_record(content[extent.offset :], extent.blob, extent.offset).key == b"some/key"

    run(tmp_path / "pool", scene)


def test_a_record_that_a_drive_gives_from_another_place_is_noticed_and_not_copied(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent, other = await setting.put(bytes(5000)), await setting.put(bytes(5000))
        await setting.blobs.seal_open()
        assert extent.blob == other.blob
        astray, healed = setting.file(extent, 0), setting.file(extent, 3)
        right = healed.read_bytes()
        with astray.open("r+b") as file:
            file.seek(other.offset)
            record = file.read(other.head)
            file.seek(extent.offset)
            file.write(record)
        info, appends = setting.info(extent), setting.appends[extent.blob]
        (problem,) = await setting.blobs.verify_shard(info, 0, appends)
        assert problem.offset == extent.offset
        await setting.blobs.rebuild(info, 3, setting.drive(extent, 3), appends)
        end = extent.offset + extent.head
        assert healed.read_bytes()[extent.offset : end] == right[extent.offset : end]

    run(tmp_path / "pool", scene)


def test_an_empty_write_needs_no_blob(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        written = await setting.blobs.writer(2, 0).finish(RECORD)
        assert not written.extents and not setting.files()
        assert await setting.get([]) == b""

    run(tmp_path / "pool", scene)


@pytest.mark.parametrize("size", [1, 70_000, MIB, 2 * MIB + 1, 4 * MIB])
@pytest.mark.parametrize("codec", ["isal", "zfec"])
def test_coding_in_parts_is_coding_the_whole(size: int, codec: str) -> None:
    data = os.urandom(size)
    layout = Layout(3, 2, codec=codec)
    whole = erasure.encode(layout, bytes(16), 8192, data)
    for cut in (size, MIB, 2 * MIB):
        parts = [data[start : start + cut] for start in range(0, size, cut)]
        made = asyncio.run(encode(layout, bytes(16), 8192, parts))
        assert [b"".join(shard) for shard in made] == [b"".join(shard) for shard in whole]
