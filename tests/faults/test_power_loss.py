"""Power may go at any moment, any `parity` drives may fail in every way at once: what was acknowledged is there.

Each seed is a history of several lives: clients and jobs work while the drives of a set fail, the power goes somewhere,
or the store stops; some of that set's drives come back empty, old, swapped, of somebody else, or rotten, or not at all.
After each start every key must hold what its client was told, the tables must agree, every shard that is not known to
be missing must verify, and once the drives are whole again everything must heal. `OBJSTORE_FAULT_SEEDS=N` plays the
seeds 0 to N - 1 beside the few that are always played; `OBJSTORE_FAULT_SEEDS=A-B` a range.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from objstore.blobs.errors import BlobError
from objstore.catalog import pages
from tests.faults.clients import NEW, PLAIN, make_buckets, read
from tests.faults.histories import History, cut_short, empty
from tests.faults.injection import Board, plugged
from tests.faults.moving import MovingHistory
from tests.faults.world import House, World, small_steps
from tests.store.fakes import source

KEPT = [19, 27]
"""Seeds that found something once: a reader that closed the catalog last and did not sync it."""
KEPT_MOVING = [52, 105]
"""An append to a blob that was sealed as it opened; closing what was opened of a leader that had failed."""


def seeds(kept: list[int], some: int) -> list[int]:
    first, _, last = os.environ.get("OBJSTORE_FAULT_SEEDS", f"{some}").partition("-")
    return sorted({*kept, *(range(int(first), int(last) + 1) if last else range(int(first)))})


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    small_steps(monkeypatch)
    with plugged() as board:
        yield board


KEYS = {f"key{size}": size for size in (0, 100, 9000, 60_000, 200_000)}


STREAM = 4_500_000  # so much that a blob is begun before its size is known


async def fill(house: House, letter: bytes = b"x") -> None:
    for key, size in KEYS.items():
        length = None if size == 200_000 else size
        await house.store.put(PLAIN, key, source(letter * size, chunk=1 << 16, length=length), NEW)


async def found(house: House, letter: bytes = b"x") -> list[str]:
    """The keys that hold what `fill` put."""
    return [key for key, size in KEYS.items() if await read(house.store, PLAIN, key) == letter * size]


@pytest.mark.parametrize("strict", [True, False])
def test_a_power_loss_after_a_clean_stop_leaves_the_catalog_whole(tmp_path: Path, board: Board, strict: bool) -> None:
    """Whoever closes a mirror last moves its log into the file: a reader, too, has to sync it."""

    async def main() -> None:
        world = World(tmp_path, board, drives=1, strict=strict)
        async with world.life() as house:
            await make_buckets(house.store)
            await fill(house)
        for seed in range(20):
            after = tmp_path / f"after{seed}"
            world.medium.crash(after, f"{seed}")
            connection = pages.connect(after / "drive0" / "catalog.db")
            assert connection.pragma("integrity_check") == "ok"
            kept = connection.execute("SELECT count(*) FROM objects").get
            assert kept == len(KEYS) or not strict
            connection.close()
        world.lose_power("0")
        if strict:
            async with world.life() as house:
                assert await found(house) == list(KEYS)
                await house.verify()

    asyncio.run(main())


@pytest.mark.parametrize("drives", [1, 4])
def test_an_acknowledged_write_is_durable_at_once(tmp_path: Path, board: Board, drives: int) -> None:
    async def main() -> None:
        world = World(tmp_path, board, drives=drives)
        async with world.life() as house:
            await make_buckets(house.store)
        for letter in (b"a", b"b", b"c", b"d"):
            async with world.life() as house:
                await fill(house, letter)
                body = source(letter * STREAM, chunk=1 << 20, length=None)
                await house.store.put(PLAIN, "stream", body, NEW)
                world.medium.off = True
            world.lose_power(letter.hex())
            async with world.life() as house:
                assert await found(house, letter) == list(KEYS)
                assert await read(house.store, PLAIN, "stream") == letter * STREAM
                await house.verify()
                house.sound()
                await house.recover()
                await house.drained()

    asyncio.run(main())


@pytest.mark.parametrize("drives", [1, 3])
def test_a_first_start_that_is_cut_short_is_finished(tmp_path: Path, board: Board, drives: int) -> None:
    """From the first file of a format to the last ballot, at many points of the way."""

    async def main() -> None:
        world = World(tmp_path / "whole", board, drives=drives)
        async with world.life():
            length = world.medium.changes
        chance = Random(drives)
        for at in sorted({*chance.sample(range(length), 8), *range(length - 12, length, 2), 2, 5, 9}):
            world = World(tmp_path / f"{at}", board, drives=drives)
            await cut_short(world, at)
            world.lose_power(f"{at}")
            async with world.life() as house:
                await make_buckets(house.store)
                await fill(house)
                await house.recover()
            world.lose_power(f"{at}")
            async with world.life() as house:
                assert await found(house) == list(KEYS)

    asyncio.run(main())


def test_losing_power_while_a_member_is_replaced(tmp_path: Path, board: Board) -> None:
    """A drive came back empty: the power goes while it is formatted, voted in, mirrored to, or healed."""

    async def main() -> None:
        world = World(tmp_path, board)
        async with world.life() as house:
            await make_buckets(house.store)
        chance = Random(0)
        for turn in range(10):
            async with world.life() as house:
                await fill(house, bytes([65 + turn]))
                leader = world.paths.index(house.pool.by_id(house.catalog.status().leader).path)
            hurt = leader if turn % 2 else 3
            world.lose_power(f"{turn}", lambda paths, hurt=hurt: empty(paths[hurt]))
            at = chance.choice((40, 400, 800, 1300)) + chance.randrange(60)
            with contextlib.suppress(Exception):
                async with world.life(off_at=at) as house:
                    await house.recover()
            world.lose_power(f"{turn} again")
            async with world.life() as house:
                assert await found(house, bytes([65 + turn])) == list(KEYS)
                house.sound()
                await house.recover()
                await house.verify()
                await house.drained()

    asyncio.run(main())


def test_a_healed_shard_is_durable(tmp_path: Path, board: Board) -> None:
    async def main() -> None:
        world = World(tmp_path, board)
        async with world.life() as house:
            await make_buckets(house.store)
            await fill(house)
        for turn in range(6):
            world.lose_power(f"{turn}", lambda paths, turn=turn: empty(paths[turn % 4]))
            async with world.life() as house:
                await house.recover()
                assert await house.verify()
                world.medium.off = True
            world.lose_power(f"{turn} again")
            async with world.life() as house:
                assert house.missing() == []
                await house.verify()

    asyncio.run(main())


def test_relaxed_survives_the_death_of_processes_and_may_lose_the_latest_at_a_power_loss(
    tmp_path: Path, board: Board
) -> None:
    """What is lost then is what was acknowledged last; the catalog is whole, and no bytes are wrong."""
    lost = []

    async def main() -> None:
        world = World(tmp_path, board, strict=False)
        async with world.life() as house:
            await make_buckets(house.store)
        world.sync()
        for letter in (b"a", b"b", b"c", b"d", b"e", b"f"):
            async with world.life() as house:
                await fill(house, letter)
                world.medium.off = True
            world.lose_power("", power=True)
            async with world.life() as house:
                assert await found(house, letter) == list(KEYS)
                await house.verify()
                house.sound()
                world.sync()
                await fill(house, letter.upper())
                world.medium.off = True
            world.lose_power(letter.hex())
            async with world.life() as house:
                house.sound()
                lost.append(await missed(house, letter))
                await house.scrub()
            world.lose_power("", power=True)

    async def missed(house: House, letter: bytes) -> list[str]:
        """The keys that are not what was put last. What was there before may be gone as well, if its space was given
        back already; but it is never taken for something else."""
        missing = []
        for key, size in KEYS.items():
            try:
                content = await read(house.store, PLAIN, key)
            except BlobError:
                content = b""
            if content != letter.upper() * size:
                assert content in (b"", letter * size)
                missing.append(key)
        return missing

    asyncio.run(main())
    assert any(lost), "it is as durable as strict: say so"


@pytest.mark.parametrize("seed", seeds(KEPT, 8))
def test_what_was_acknowledged_is_there(tmp_path: Path, board: Board, seed: int) -> None:
    asyncio.run(History(tmp_path, board, seed).play())


@pytest.mark.parametrize("seed", seeds(KEPT_MOVING, 4))
def test_what_was_acknowledged_is_there_while_bytes_are_moved(tmp_path: Path, board: Board, seed: int) -> None:
    asyncio.run(MovingHistory(tmp_path, board, seed).play())
