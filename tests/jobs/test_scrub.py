"""Damage to what nobody reads is found, and healed, by looking through everything again and again."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any
from unittest import mock

from objstore.blobs.rebuild import Problem
from objstore.catalog.catalog import Catalog
from objstore.jobs import mirror_checks
from objstore.jobs.heal import heal
from objstore.jobs.scrub import PERIOD_SECONDS, order, scrub, standing
from objstore.jobs.shard_checks import look_at
from objstore.store import repair
from objstore.store.store import now_us
from tests.blobs.setting import flip
from tests.jobs.house import House, play

MIB = 1 << 20
DAY = int(PERIOD_SECONDS * 1_000_000)


async def round_of(house: House, now: int | None = None) -> list[bytes]:
    """The blobs that a round looks through from here to its end."""
    seen = []
    while (blob := await scrub(house.catalog, house.blobs, now or now_us())) is not None:
        seen.append(blob)
    return seen


async def fill(house: House) -> list[bytes]:
    """A sealed blob of small objects, two blobs of a large one each, and one that is still open: their ids by age."""
    for number in range(3):
        await house.put(f"small{number}", os.urandom(300_000))
    await house.seal()
    for number in range(2):
        await house.put(f"large{number}", os.urandom(6 * MIB))
    await house.put("open", os.urandom(20_000))
    return [house.blob_of(key) for key in ("small0", "large0", "large1", "open")]


def damaged(house: House) -> list[tuple[bytes, int]]:
    return [(one.blob, one.shard) for one in house.catalog.read(repair.missing_shards)]


def test_flipped_bits_short_files_and_lost_files_are_found_and_healed(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        small, large, other, last = await fill(house)
        flip(house.file(house.info(small), 3), 70_000)
        os.truncate(house.file(house.info(large), 1), MIB)
        flip(house.file(house.info(large), 0), 10)  # in its header
        house.file(house.info(other), 2).unlink()
        assert await round_of(house) == [small, large, other, last]
        assert damaged(house) == [(small, 3), (large, 0), (large, 1), (other, 2)]
        assert (await heal(house.pool, house.catalog, house.blobs)).whole == 4
        assert await round_of(house, now_us() + DAY) == [small, large, other, last]
        assert damaged(house) == []

    play(tmp_path, scene)


def test_a_blob_that_dies_while_it_is_looked_at_is_not_damaged(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await house.put("object", os.urandom(5 * MIB))
        info = house.info(house.blob_of("object"))
        appends = house.catalog.read(lambda tx: repair.appends(tx, info.id))
        house.file(info, 1).unlink()
        verify = house.blobs.verify_shard

        async def dying(*arguments: Any) -> list[Problem]:
            await house.delete("object")
            return await verify(*arguments)

        with mock.patch.object(house.blobs, "verify_shard", dying):
            assert await look_at(house.catalog.read, house.blobs, info, 1, appends) == []

    play(tmp_path, scene)


def test_more_damage_than_a_round_remembers_is_counted_and_told(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        small, large, _, _ = await fill(house)
        for blob, shard in ((small, 0), (small, 1), (large, 2)):
            flip(house.file(house.info(blob), shard), 70_000)
        with mock.patch("objstore.jobs.scrub._MOST", 1):
            await round_of(house)
        at = house.catalog.read(standing)
        assert at is not None
        assert (at.damaged, at.left) == (3, (f"shard 0 of blob {small.hex()}", "2 more shards"))

    play(tmp_path, scene)


def test_a_round_goes_on_where_it_stood_and_is_not_begun_again_before_a_day(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        blobs = await fill(house)
        began = now_us()
        assert await scrub(house.catalog, house.blobs, began) == blobs[0]
        assert await scrub(house.catalog, house.fresh(), began + DAY) == blobs[1], "by another process, much later"
        assert await round_of(house, began + 1) == blobs[2:]
        assert await round_of(house, began + DAY - 1) == []
        assert await round_of(house, began + DAY) == blobs

    play(tmp_path, scene)


def test_a_round_ordered_while_another_begins_looks_at_the_mirrors_itself(tmp_path: Path) -> None:
    """The one that begins may have looked at them before whoever orders one did something to them."""

    async def scene(house: House) -> None:
        loop, real = asyncio.get_running_loop(), mirror_checks.wrong_now

        def order_beside(catalog: Catalog) -> dict[str, list[str]]:
            found = real(catalog)
            if not ordered:
                ordered.append(asyncio.run_coroutine_threadsafe(order(catalog, now_us()), loop).result())
            return found

        ordered: list[int] = []
        with mock.patch.object(mirror_checks, "wrong_now", order_beside):
            await scrub(house.catalog, house.blobs, now_us())
        (wanted,) = ordered
        began = house.catalog.read(standing)
        assert began is not None and began.began_us < wanted
        await scrub(house.catalog, house.blobs, now_us())
        began = house.catalog.read(standing)
        assert began is not None and began.began_us == wanted

    play(tmp_path, scene)


def test_what_is_given_back_while_it_is_looked_at_is_not_damaged(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        (small, *_) = await fill(house)
        real: Any = house.blobs.verify_shard

        async def verify(info: Any, shard: int, appends: Any, pace: Any) -> Any:
            if info.id == small and shard == 0:
                offset, span = appends[1].offset, appends[1].span(info.layout)
                await house.delete("small1")
                await house.blobs.reap(info, [(offset, span)])
            return await real(info, shard, appends, pace)

        house.blobs.verify_shard = verify  # type: ignore[method-assign]
        assert await round_of(house)
        assert damaged(house) == []

    play(tmp_path, scene)


def test_shards_of_drives_that_are_away_wait(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        blobs = await fill(house)
        await house.away(house.pool.drives[2])
        assert await round_of(house) == blobs
        assert damaged(house) == []

    play(tmp_path, scene)
