"""Any `parity` drives may vanish and every byte comes back; any range; many writes at once."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objstore.blobs.errors import NotEnoughDrives, Unreadable
from objstore.blobs.types import PAGE, Extent
from tests.blobs.setting import Setting, run

MIB = 1 << 20
sizes = st.one_of(st.integers(1, 70_000), st.integers(MIB - 2, 2 * MIB + 2), st.integers(4 * MIB - 1, 4 * MIB + 1))
pools = st.sampled_from([(1, 0), (2, 1), (3, 1), (4, 2), (5, 1), (6, 3)])
quick = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(pool=pools, size=sizes, known=st.booleans(), draw=st.data())
def test_any_parity_drives_may_vanish(
    tmp_path: Path, pool: tuple[int, int], size: int, known: bool, draw: st.DataObject
) -> None:
    drives, parity = pool
    data = os.urandom(size)

    async def scene(setting: Setting) -> None:
        extent = await setting.put(data, known=known, chunk=draw.draw(st.sampled_from([65536, MIB, 3 * MIB])))
        for slot in draw.draw(st.sets(st.integers(0, drives - 1), min_size=parity, max_size=parity)):
            await setting.lose(setting.pool.drives[slot])
        assert await setting.get(extent) == data
        start = draw.draw(st.integers(0, size))
        length = draw.draw(st.integers(0, size - start))
        assert await setting.get(extent, start, length) == data[start : start + length]
        assert not setting.damages

    run(tmp_path / uuid4().hex, scene, drives=drives, parity=parity)


@pytest.mark.parametrize("size", [9 * MIB + 12345, 20 * MIB])
def test_a_large_object_survives_every_pair_of_drives(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)

    async def scene(setting: Setting) -> None:
        extent = await setting.put(data, known=size % 2 == 0, chunk=700_000)
        assert setting.info(extent).sealed
        for pair in itertools.combinations(list(setting.pool.drives), 2):
            for drive in pair:
                drive.path.rename(drive.path.with_suffix(".gone"))
            await setting.pool.probe()
            assert await setting.get(extent) == data
            assert await setting.get(extent, 3 * MIB - 5, 2 * MIB + 17) == data[3 * MIB - 5 : 5 * MIB + 12]
            for drive in pair:
                drive.path.with_suffix(".gone").rename(drive.path)
            await setting.pool.probe()

    run(tmp_path / "pool", scene)


def test_one_drive_more_and_the_error_names_the_blob(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        extent = await setting.put(b"x" * 100_000)
        for drive in list(setting.pool.drives[:3]):
            await setting.lose(drive)
        with pytest.raises(Unreadable, match=extent.blob.hex()):
            await setting.get(extent)
        with pytest.raises(NotEnoughDrives):
            await setting.put(b"y")

    run(tmp_path / "pool", scene)


def test_writes_during_an_outage_are_as_safe_as_others(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        before = await setting.put(b"a" * 200_000)
        await setting.lose(setting.pool.drives[0])
        during = await setting.put(b"b" * 200_000)
        large = await setting.put(b"c" * 5 * MIB)
        assert str(setting.info(during).layout) == "1+2" == str(setting.info(large).layout)
        await setting.lose(setting.pool.drives[1])
        assert await setting.get(before) == b"a" * 200_000
        assert await setting.get(during) == b"b" * 200_000
        assert await setting.get(large) == b"c" * 5 * MIB

    run(tmp_path / "pool", scene, strict=True)


def test_extents_are_read_as_one(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        pieces = [os.urandom(size) for size in (70_000, 5 * MIB + 7, 1, 2 * MIB)]
        extents = [await setting.put(piece) for piece in pieces]
        whole = b"".join(pieces)
        assert await setting.get(extents) == whole
        for start, length in [(0, 1), (69_999, 2), (70_000 + 5 * MIB, 100), (69_000, 6 * MIB), (len(whole), 0)]:
            assert await setting.get(extents, start, length) == whole[start : start + length]
        sliced = [extents[1].slice(1000, 3 * MIB), extents[0].slice(5, 10)]
        assert await setting.get(sliced) == pieces[1][1000 : 1000 + 3 * MIB] + pieces[0][5:15]

    run(tmp_path / "pool", scene)


def test_a_read_of_few_bytes_in_memory_needs_no_thread(tmp_path: Path) -> None:
    async def scene(setting: Setting) -> None:
        data = os.urandom(64 << 10)
        extent = await setting.put(data)
        assert await setting.get(extent) == data  # the files are open now, the bytes in the page cache
        views = setting.blobs.read_now([extent], 100, 60_000)
        assert views is not None and b"".join(views) == data[100:60_100]

    run(tmp_path / "pool", scene)


@settings(quick, max_examples=10)
@given(st.lists(st.integers(1, 300_000), min_size=1, max_size=60))
def test_concurrent_writes_are_packed_side_by_side(tmp_path: Path, lengths: list[int]) -> None:
    async def scene(setting: Setting) -> None:
        bodies = [bytes([number % 256]) * length for number, length in enumerate(lengths)]
        extents: list[Extent] = await asyncio.gather(*(setting.put(body) for body in bodies))
        assert len({extent.blob for extent in extents}) == 1
        layout = setting.info(extents[0]).layout
        ranges = sorted((extent.offset, extent.offset + extent.span(layout)) for extent in extents)
        assert all(start % PAGE == 0 for start, _ in ranges)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ranges))
        for extent, body in zip(extents, bodies, strict=True):
            assert await setting.get(extent) == body

    run(tmp_path / uuid4().hex, scene)


@pytest.mark.parametrize("size", [300_000, 9 * MIB])
def test_drives_that_are_away_and_shards_that_were_moved_off_them(tmp_path: Path, size: int) -> None:
    """Who knows only where shards were before their drives were emptied and unplugged looks again."""
    data = os.urandom(size)

    async def scene(setting: Setting) -> None:
        emptied = setting.pool.drives[:2]
        was = [drive.id or "" for drive in emptied]
        for drive in emptied:
            await setting.lose(drive)
        extent = await setting.put(data)
        info = setting.info(extent)
        await setting.lose(setting.drive(extent, 2))
        reader = setting.fresh()
        reader.directory.put(msgspec.structs.replace(info, drives=(*was, *info.drives[2:])))
        assert b"".join([bytes(piece) async for piece in reader.read([extent], 0, size)]) == data

    run(tmp_path / "drives", scene, drives=6, parity=2)
