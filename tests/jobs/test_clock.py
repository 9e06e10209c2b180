"""A clock that was ahead and is set right holds nothing up: what was noted of a time to come is not waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from objstore.catalog.catalog import Catalog
from objstore.jobs import catalog_snapshots as taking
from objstore.jobs import reap as reaping
from objstore.jobs.mirror_checks import PERIOD_US, compare, due
from objstore.jobs.scrub import PERIOD_SECONDS, order, scrub, standing
from objstore.store import catalog_snapshots, inventories, repair
from objstore.store.catalog_snapshots import Schedule
from objstore.store.inventories import ALL, DAILY, Inventory, Outcome
from objstore.store.store import now_us
from tests.jobs.house import House, play

YEARS = 30 * 365 * 86_400_000_000


def ahead() -> int:
    return now_us() + YEARS


def test_what_was_deleted_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(house: House) -> None:
        await house.put("object", os.urandom(5 << 20))
        blob = house.blob_of("object")
        await house.catalog.write(lambda tx: tx.run("UPDATE blobs SET settling = ? WHERE id = ?", ahead(), blob))
        await house.delete("object")
        await reaping.reap(house.catalog, house.blobs, 60.0)
        await house.catalog.write(lambda tx: tx.run("UPDATE garbage SET since = ?", ahead()))
        assert await reaping.reap(house.catalog, house.blobs, 60.0) == 0, "its grace begins now"
        late = now_us() + 61_000_000
        monkeypatch.setattr(reaping, "now_us", lambda: late)
        assert await reaping.reap(house.catalog, house.blobs, 60.0) == 1
        assert house.catalog.read(lambda tx: repair.blob(tx, blob)) is None

    play(tmp_path, scene)


def test_the_catalog_is_saved_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = Schedule(3_600.0, 24, 7)

    async def scene(house: House) -> None:
        assert await taking.run(house.catalog, house.blobs, schedule) is not None
        with monkeypatch.context() as wrong:
            wrong.setattr(taking, "now_us", ahead)
            future = await taking.run(house.catalog, house.blobs, schedule)
            assert future is not None, "it was due by that clock"
            assert await taking.run(house.catalog, house.blobs, schedule) is None
        made = await taking.run(house.catalog, house.blobs, schedule)
        assert made is not None, "it is not waited for that time to come"
        assert await taking.run(house.catalog, house.blobs, schedule) is None
        kept = house.catalog.read(catalog_snapshots.listed)
        assert kept[0] == made, "a restore begins with the newest"
        assert future not in kept

    play(tmp_path, scene)


def test_the_mirrors_are_compared_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        await compare(house.catalog, ahead())
        assert house.catalog.read(lambda tx: due(tx, now_us()))
        now = now_us()
        await compare(house.catalog, now)
        assert not house.catalog.read(lambda tx: due(tx, now + PERIOD_US - 1))
        assert house.catalog.read(lambda tx: due(tx, now + PERIOD_US))

    play(tmp_path, scene)


async def rest_of(house: House, now: int) -> int:
    count = 0
    while await scrub(house.catalog, house.blobs, now) is not None:
        count += 1
    return count


def waits(catalog: Catalog, now: int) -> float:
    at = catalog.read(standing)
    assert at is not None
    return at.ahead(now, PERIOD_SECONDS)


def test_everything_is_looked_through_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        for number in range(2):
            await house.put(f"object{number}", os.urandom(5 << 20))
        assert await rest_of(house, ahead()) == 2
        now = now_us()
        assert await rest_of(house, now) == 2, "a round is begun by the clock that is right"
        assert await rest_of(house, now + 1) == 0
        asked = await order(house.catalog, now + 2)
        assert await rest_of(house, now + 2) == 2
        at = house.catalog.read(standing)
        assert at is not None
        assert at.began_us == asked
        assert await rest_of(house, now + 3) == 0

    play(tmp_path, scene)


def test_a_round_goes_on_at_its_pace(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        for number in range(4):
            await house.put(f"object{number}", os.urandom(5 << 20))
        wrong, now = ahead(), now_us()
        assert await scrub(house.catalog, house.blobs, wrong) is not None
        assert PERIOD_SECONDS * 0.2 < waits(house.catalog, wrong) < PERIOD_SECONDS * 0.3
        assert waits(house.catalog, now) == 0, "not until that time"
        assert await scrub(house.catalog, house.blobs, now) is not None
        assert PERIOD_SECONDS * 0.2 < waits(house.catalog, now) < PERIOD_SECONDS * 0.3, "as if it had been in time"
        assert waits(house.catalog, now + int(PERIOD_SECONDS * 0.5e6)) < 0

    play(tmp_path, scene)


def test_a_list_is_made_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        bucket = house.store.bucket("bucket")
        wanted = Inventory(id="i", enabled=True, bucket="lists", format="CSV", frequency=DAILY, versions=ALL)
        await house.catalog.write(lambda tx: inventories.put(tx, bucket.name, wanted, ahead()))
        now = now_us()
        assert house.catalog.read(lambda tx: inventories.due(tx, now)) is not None
        following = inventories.next_due(DAILY, now)
        await house.catalog.write(
            lambda tx: inventories.done(tx, bucket.id, wanted, Outcome(began_us=now, done_us=now), following)
        )
        assert house.catalog.read(lambda tx: inventories.due(tx, now)) is None
        assert house.catalog.read(lambda tx: inventories.due(tx, following)) is not None

    play(tmp_path, scene)
