"""Drives are added, replaced, drained and removed while the power goes: nothing is lost, and what was asked for ends.

Each seed is a history of several lives, see `joining.py`; `OBJSTORE_FAULT_SEEDS` as for the other histories.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import pytest

from objstore.aws.errors import AwsError
from objstore.catalog import ballots
from objstore.catalog.errors import CatalogError
from objstore.catalog.transaction import Transaction
from objstore.drives.format import Ballot
from objstore.drives.pool import Pool
from objstore.jobs import membership
from objstore.store import balancing, parity, repair
from objstore.store.membership import Stage, courses
from tests.faults.clients import make_buckets
from tests.faults.histories import empty, gone
from tests.faults.injection import Board
from tests.faults.joining import JoiningHistory, JoiningHouse, JoiningWorld
from tests.faults.test_power_loss import KEYS, board, fill, found, seeds

__all__ = ["board"]

KEPT = [6, 43, 388, 904]
"""A drain of one drive, while the other was about to be replaced; one where every drive had a mirror; a drive that was
to be replaced, and whose place got a new disk before; one that was called off while it got its vote."""


@pytest.mark.parametrize("seed", seeds(KEPT, 1))
def test_what_was_acknowledged_is_there_while_drives_join_and_leave(tmp_path: Path, board: Board, seed: int) -> None:
    asyncio.run(JoiningHistory(tmp_path, board, seed).play())


def test_a_drive_is_emptied_where_every_drive_has_a_mirror(tmp_path: Path, board: Board) -> None:
    """There are more mirrors than are kept, since the parity was lowered: no other drive could take this one."""

    async def main() -> None:
        world = JoiningWorld(tmp_path, board, drives=5, parity=2, punches=True)
        async with world.life() as house:
            assert isinstance(house, JoiningHouse)
            await make_buckets(house.store)
            await fill(house)
            await house.settle(1)
            for _ in range(3):
                status = house.catalog.status()
                bare = [one for one in house.catalog.ballot().drives if one not in status.members]
                await house.order("PUT", drive=(bare or status.members)[0], action="drain", remove="true")
                await house.finish()
            assert house.answers == {"PUT action remove": 3}
            house.left()
            await house.recover()
            assert len(house.pool.drives) == len(house.catalog.status().members) == 2
            assert await found(house)
            await house.verify()

    asyncio.run(main())


@contextlib.asynccontextmanager
async def some_drives(
    folder: Path, board: Board, count: int = 2, parity: int = 1
) -> AsyncIterator[tuple[JoiningWorld, JoiningHouse]]:
    """A second life on drives that have buckets, beside folders that may join."""
    world = JoiningWorld(folder, board, drives=count, parity=parity, punches=True)
    async with world.life() as house:
        await make_buckets(house.store)
    world.lose_power("0", lambda _: world.provide())
    async with world.life() as house:
        assert isinstance(house, JoiningHouse)
        yield world, house


def test_of_two_drives_one_is_not_drained_while_the_other_is_about_to_be_replaced(tmp_path: Path, board: Board) -> None:
    """The new one has its vote, and the one that it replaces is not drained yet: it does not count any more."""

    async def main() -> None:
        async with some_drives(tmp_path, board) as (world, house):
            await fill(house)
            old, other, new = map(str, world.paths[:3])
            await house.order("POST", path=new, replaces=old)
            while len(house.catalog.ballot().drives) < 3:
                await membership.carry_out(house.pool, house.catalog, lambda _: None)
                await house.catalog.maintain()
            assert [one.stage for one in house.catalog.read(courses).values()] == [Stage.JOINING]
            await house.order("PUT", drive=other, action="drain")
            assert house.answers == {"POST replaces": 1, "PUT action InvalidRequest": 1}
            await house.finish()
            assert sorted(house.catalog.ballot().places.values()) == [other, new]

    asyncio.run(main())


def test_one_that_replaces_a_drive_that_was_lost_meanwhile_is_filled(tmp_path: Path, board: Board) -> None:
    """The lost one's place got a new disk: nothing is left that could be drained."""

    async def main() -> None:
        async with some_drives(tmp_path, board) as (world, house):
            await fill(house)
            await house.order("POST", path=str(world.paths[2]), replaces=str(world.paths[0]))
        world.lose_power("1", lambda paths: empty(paths[0]))
        async with world.life() as house:
            assert isinstance(house, JoiningHouse)
            await house.finish()
            assert house.catalog.read(courses) == {}
            assert house.catalog.read(balancing.standing) is not None
            assert sorted(house.catalog.ballot().places.values()) == [*map(str, world.paths[:3])]

    asyncio.run(main())


def test_a_drive_that_is_replaced_leaves_though_it_was_only_drained_meanwhile(tmp_path: Path, board: Board) -> None:
    async def main() -> None:
        async with some_drives(tmp_path, board) as (world, house):
            await house.catalog.write(lambda tx: parity.want(tx, 0))
            await house.look()
            old, other, new = map(str, world.paths[:3])
            await house.order("POST", path=new, replaces=old)
            await house.order("PUT", drive=old, action="drain")
            await house.finish()
            assert sorted(house.catalog.ballot().places.values()) == [other, new]

    asyncio.run(main())


def test_a_drive_does_not_leave_because_it_had_no_vote_when_that_was_asked_for(tmp_path: Path, board: Board) -> None:
    """Meanwhile it has joined, and the one that it replaces is drained: with both gone too few would stay."""

    async def main() -> None:
        async with some_drives(tmp_path, board) as (world, house):
            old, other, new = map(str, world.paths[:3])
            await house.order("POST", path=new, replaces=old)
            write = house.catalog.write

            async def late(function: Callable[[Transaction], object]) -> object:
                house.catalog.write = write
                while Stage.DRAINING not in {one.stage for one in house.catalog.read(courses).values()}:
                    await house.look()
                return await write(function)

            house.catalog.write = late
            await house.order("DELETE", drive=new)
            assert house.answers == {"POST replaces": 1, "DELETE InvalidRequest": 1}
            await house.finish()
            assert sorted(house.catalog.ballot().places.values()) == [other, new]

    asyncio.run(main())


def test_parity_is_not_raised_because_of_a_drive_that_is_about_to_leave(tmp_path: Path, board: Board) -> None:
    async def main() -> None:
        async with some_drives(tmp_path, board, 3) as (world, house):
            await house.order("POST", path=str(world.paths[3]), replaces=str(world.paths[0]))
            while len(house.catalog.ballot().drives) < 4:
                await membership.carry_out(house.pool, house.catalog, lambda _: None)
                await house.catalog.maintain()
            with pytest.raises(AwsError, match="from 0 to 1, half of the 3 drives"):
                await house.parities("PUT", {"parity": "2"})

    asyncio.run(main())


def test_the_parity_that_settings_say_waits_where_too_few_drives_stay_for_it(tmp_path: Path, board: Board) -> None:
    """They may say it since a start, when drives were being emptied already."""

    async def main() -> None:
        async with some_drives(tmp_path, board, 4) as (_, house):
            parities = []
            for action in ("drain", "keep"):
                await house.order("PUT", drive=str(house.pool.drives[0].path), action=action)
                await membership.carry_out(house.pool, house.catalog, lambda _: None, told=2)
                await house.catalog.maintain()
                parities.append(house.catalog.ballot().parity)
            assert parities == [1, 2]

    asyncio.run(main())


def test_a_replaced_drive_is_made_again_while_another_one_is_away_since_before_the_start(
    tmp_path: Path, board: Board
) -> None:
    async def main() -> None:
        async with some_drives(tmp_path, board, 5, parity=2) as (world, house):
            await fill(house)

        def lose(paths: list[Path]) -> None:
            gone(paths[0])
            empty(paths[1])

        world.lose_power("1", lose)
        async with world.life() as house:
            for _ in range(3):
                await house.keep()
            assert house.missing() == []
            assert {*house.catalog.read(lambda tx: repair.drives_of(tx, "shards"))} <= {*house.catalog.ballot().drives}
        world.lose_power("2", lambda paths: gone(paths[2]))
        async with world.life() as house:
            assert await found(house) == list(KEYS)

    asyncio.run(main())


def test_a_drive_is_called_off_as_it_gets_its_vote(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it marked as removed then, its vote would be missed for ever where no drive may fail."""

    async def main() -> None:
        async with some_drives(tmp_path, board, 1, parity=0) as (world, house):
            await house.order("POST", path=str(world.paths[1]))
            await membership.carry_out(house.pool, house.catalog, lambda _: None)
            await house.order("DELETE", drive=str(world.paths[1]))
            loop, enough = asyncio.get_running_loop(), ballots.enough

            def promised(ballot: Ballot, took: Collection[str]) -> bool:
                patched.undo()
                asyncio.run_coroutine_threadsafe(membership.follow(house.pool, house.catalog), loop).result()
                return enough(ballot, took)

            with monkeypatch.context() as patched, contextlib.suppress(CatalogError):
                patched.setattr(ballots, "enough", promised)
                await house.catalog.maintain()
            world.medium.off = True
        world.lose_power("1")
        async with world.life() as house:
            assert isinstance(house, JoiningHouse)
            await house.finish()
            house.left()
            await fill(house)

    asyncio.run(main())


def test_a_drive_that_cannot_join_is_not_missed(tmp_path: Path, board: Board) -> None:
    """It is gone before it was made a drive: writes and healing need no more drives because of it."""

    async def main() -> None:
        async with some_drives(tmp_path, board, 3) as (world, house):
            await fill(house)
            await house.order("POST", path=str(world.paths[3]))
            gone(world.paths[3])
            await house.look()
            assert [one.problem != "" for one in house.catalog.read(courses).values()] == [True]
            gone(world.paths[2])
            await house.look()
            await fill(house, b"y")
            world.paths[2].mkdir()
            await house.recover()
            assert await found(house, b"y")
            assert {*house.catalog.read(lambda tx: repair.drives_of(tx, "shards"))} <= {*house.catalog.ballot().drives}
            world.paths[3].mkdir()
            await house.finish()
            assert sorted(house.catalog.ballot().places.values()) == [*map(str, world.paths[:4])]

    asyncio.run(main())


def test_a_drive_takes_nothing_before_it_has_its_vote(tmp_path: Path, board: Board) -> None:
    """Else a start that does not look for it would lack what is on it."""

    async def main() -> None:
        async with some_drives(tmp_path, board) as (world, house):
            voters = {*house.catalog.ballot().drives}
            await house.order("POST", path=str(world.paths[2]))
            await membership.follow(house.pool, house.catalog)
            await membership.carry_out(house.pool, house.catalog, lambda _: None)
            assert len(house.pool.online()) == 3
            for _ in range(2):
                await fill(house)
                await membership.follow(house.pool, house.catalog)
            assert {drive for info in house.infos() for drive in info.drives} == voters
            await house.finish()
            await fill(house)
            assert {drive for info in house.infos() for drive in info.drives} > voters

    asyncio.run(main())


def test_a_drive_in_the_place_of_a_lost_one_takes_nothing_before_it_has_its_vote(tmp_path: Path, board: Board) -> None:
    """Nor do others place anything there, who see it appear."""

    async def main() -> None:
        async with some_drives(tmp_path, board, 3) as (world, house):
            await fill(house)
        world.lose_power("1", lambda paths: empty(paths[0]))
        async with world.life() as house:
            assert isinstance(house, JoiningHouse)
            other = Pool.open(world.paths[:3], strict=False, system=world.system)
            for pool in (house.pool, other):
                await membership.follow(pool, house.catalog)
            voters = {*house.catalog.ballot().drives}
            new = await house.pool.format_new(house.pool.drives[0])
            await other.probe()
            assert len(house.pool.online()) == len(other.online()) == 3
            await house.sweep()  # seals what the life before left open
            await house.move()
            assert not house.moved["relocated"], "it is written anew, as if the lost one's place were given up"
            for _ in range(2):
                await fill(house, b"y")
                assert [drive.path for drive in other.writable()] == world.paths[1:3]
                for pool in (house.pool, other):
                    await membership.follow(pool, house.catalog)
            assert {drive for info in house.infos() for drive in info.drives} == voters
            await house.look()
            for pool in (house.pool, other):
                await membership.follow(pool, house.catalog)
                assert len(pool.writable()) == 3
            await fill(house)
            assert new.id in {drive for info in house.infos() for drive in info.drives}
            other.close()

    asyncio.run(main())
