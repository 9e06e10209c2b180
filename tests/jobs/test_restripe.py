"""What is asked for while a walk runs is done, and not forgotten when the walk notes where it stands."""

from __future__ import annotations

import os
from pathlib import Path

from objstore.blobs.rebuild import Pace, at_once
from objstore.jobs.restripe import restripe
from objstore.store import restriping
from tests.jobs.house import House, play

BODIES = {f"key{number}": os.urandom(20_000 + number) for number in range(6)}


def parities(house: House) -> list[int]:
    """The parity that each object has where it is now."""
    versions = [house.store.current("bucket", key) for key in BODIES]
    places = [house.catalog.read(lambda tx, version=version: restriping.places(tx, version)) for version in versions]  # type: ignore[misc]
    return [house.info(place.blob).layout.parity for (place,) in places]


async def walk(house: House, pace: Pace = at_once) -> restriping.Walk | None:
    await restripe(house.pool, house.catalog, house.blobs, {}, lambda: True, pace=pace)
    return house.catalog.read(restriping.standing)


def test_a_walk_that_is_begun_anew_while_it_runs_goes_over_everything_again(tmp_path: Path) -> None:
    async def scene(house: House) -> None:
        for key, body in BODIES.items():
            await house.put(key, body)
        await house.seal()
        begun = 1

        async def pace() -> None:
            """Once the first object was written with parity 1, all are to have 2, as the others have still."""
            nonlocal begun
            if begun == 1:
                house.pool.parity, begun = 2, 2
                await house.catalog.write(lambda tx: restriping.start(tx, begun))

        house.pool.parity = 1
        await house.catalog.write(lambda tx: restriping.start(tx, begun))
        stands = await walk(house, pace)
        assert parities(house) == [1, 2, 2, 2, 2, 2]
        assert stands is not None and (stands.began_us, stands.seen) == (2, 0)
        assert await walk(house) is None
        assert parities(house) == [2] * 6
        for key, body in BODIES.items():
            assert await house.get(key) == body

    play(tmp_path, scene)
