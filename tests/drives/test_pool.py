"""The pool follows its disks: they vanish, return, come back empty, swap places; identities stay apart."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError, DriveOffline, ShardNotFound
from objstore.drives.format import Ballot, format_drive, read_format, write_ballot
from objstore.drives.inspection import inspect
from objstore.drives.pool import Pool, default_parity, format_new_drives, start_quorum, write_quorum
from objstore.drives.state import DriveState
from tests.drives.faults import FaultySystem

BLOB, HEADER = bytes(range(16)), b"H" * 4096


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"d{number}" for number in range(4)]
    format_new_drives(inspect(made))
    return made


@pytest.fixture
def pool(paths: list[Path]) -> Iterator[Pool]:
    made = Pool.open(paths)
    yield made
    made.close()


def states(pool: Pool) -> list[str]:
    return [drive.state for drive in pool.drives]


def test_default_parity_is_what_the_readme_says() -> None:
    assert [default_parity(n) for n in range(1, 17)] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4]


@given(st.integers(1, 64).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n // 2))))
def test_quorums_meet_and_parity_drives_may_vanish(case: tuple[int, int]) -> None:
    drives, parity = case
    write, start = write_quorum(drives, parity), start_quorum(drives, parity)
    assert write + write > drives, "two writes meet"
    assert write + start > drives, "a start meets every write"
    assert drives - parity >= start, "with parity drives away it starts"
    assert write <= drives


def test_a_first_start_makes_one_deployment_and_can_be_interrupted(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    paths[1].mkdir()
    first = format_drive(paths[0], "d" * 32)  # an earlier start came this far
    formats = format_new_drives(inspect(paths))
    assert formats[0] == first
    assert {one.deployment for one in formats} == {"d" * 32}
    assert len({one.drive for one in formats}) == 3


def test_nothing_is_formatted_in_a_deployment_that_has_run(paths: list[Path], tmp_path: Path) -> None:
    write_ballot(paths[0], Ballot(1, ("a",), ("a",), 0))
    with pytest.raises(DriveError):
        format_new_drives(inspect([*paths, tmp_path / "new"]))
    assert not (tmp_path / "new").exists()


def test_nothing_is_formatted_beside_a_foreign_drive(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(DriveError, match=r"thesis\.txt"):
        format_new_drives(inspect([tmp_path / "new", tmp_path / "mine"]))
    assert not (tmp_path / "new").exists()


def test_parity_is_that_of_the_latest_ballot(paths: list[Path]) -> None:
    write_ballot(paths[1], Ballot(3, ("a",), ("a",), 1))
    write_ballot(paths[2], Ballot(2, ("a",), ("a",), 2))
    pool = Pool.open(paths)
    assert (pool.parity, pool.write_quorum, pool.start_quorum) == (1, 3, 2)
    pool.close()


def test_a_folder_that_vanishes_and_returns_is_the_same_drive(pool: Pool) -> None:
    seen: list[tuple[str | None, str, str]] = []

    async def main() -> None:
        pool.on_change(lambda drive, old, new: seen.append((drive.id, old, new)))
        drive = pool.drives[2]
        await drive.create(BLOB, 0, HEADER, 0)
        drive.path.rename(drive.path.with_name("away"))
        await pool.probe()
        assert states(pool) == ["online", "online", "missing", "online"]
        assert pool.by_id(drive.id or "") is drive
        assert drive not in pool.online()
        drive.path.with_name("away").rename(drive.path)
        await pool.probe()
        assert pool.drives[2] is drive
        assert await drive.read(BLOB, 0, 0, 4) == b"HHHH"
        await asyncio.sleep(0)
        assert seen == [(drive.id, "online", "missing"), (drive.id, "missing", "online")]

    asyncio.run(main())


@pytest.mark.parametrize("faulty", [False, True])
def test_a_copy_in_the_place_of_a_drive_is_noticed_as_an_absence(pool: Pool, faulty: bool) -> None:
    """However fast hands were, and whatever number its file has: whoever relies on what the drive held has to know."""
    seen: list[tuple[str, str]] = []

    async def main() -> None:
        drive = pool.drives[1]
        await drive.create(BLOB, 0, HEADER, 0)
        shutil.copytree(drive.path, drive.path.with_name("copy"))
        await drive.create(bytes(16), 0, HEADER, 0)
        pool.on_change(lambda _, old, new: seen.append((old, new)))
        if faulty:
            drive.fault("a trial")
        shutil.rmtree(drive.path)
        drive.path.with_name("copy").rename(drive.path)
        for _ in range(4):
            await pool.probe()
        await asyncio.sleep(0)
        assert seen[-2:] == [("online", "missing"), ("missing", "online")]
        assert pool.drives[1] is drive
        assert await drive.read(BLOB, 0, 0, 4) == b"HHHH"
        with pytest.raises(ShardNotFound):
            await drive.read(bytes(16), 0, 0, 4)

    asyncio.run(main())


def test_what_goes_into_a_folder_that_was_exchanged_for_a_copy_is_not_durable(pool: Pool) -> None:
    async def main() -> None:
        drive = pool.drives[1]
        await drive.create(BLOB, 0, HEADER, 1 << 20)
        shutil.copytree(drive.path, drive.path.with_name("copy"))
        drive.path.rename(drive.path.with_name("away"))
        drive.path.with_name("copy").rename(drive.path)
        with pytest.raises(DriveOffline, match="a copy of it"):
            await drive.append(BLOB, 0, 4096, [b"x"])

    asyncio.run(main())


def test_a_folder_that_comes_back_empty_is_new_and_gets_another_identity(pool: Pool) -> None:
    seen: list[tuple[str | None, str, str]] = []

    async def main() -> None:
        pool.on_change(lambda drive, old, new: seen.append((drive.id, old, new)))
        old = pool.drives[1]
        shutil.rmtree(old.path)
        old.path.mkdir()
        await pool.probe()
        assert old.state is DriveState.NEW
        assert list(old.path.iterdir()) == [], "a look writes nothing"
        new = await pool.format_new(old)
        assert new is pool.drives[1]
        assert new.state is DriveState.ONLINE
        assert new.id != old.id
        assert pool.by_id(new.id or "") is new
        assert pool.by_id(old.id or "") is None
        assert new.format and new.format.deployment == pool.deployment
        assert new.free > 0
        await new.create(BLOB, 0, HEADER, 0)
        with pytest.raises(DriveOffline):
            await old.append(BLOB, 0, 4096, [b"x"])
        await asyncio.sleep(0)
        assert seen == [
            (old.id, "online", "new"),
            (old.id, "new", "missing"),
            (new.id, "new", "online"),
        ]

    asyncio.run(main())


def test_another_process_sees_the_drive_that_was_formatted(pool: Pool, paths: list[Path]) -> None:
    other = Pool.open(paths)

    async def main() -> None:
        shutil.rmtree(paths[3])
        paths[3].mkdir()
        await pool.probe()
        new = await pool.format_new(pool.drives[3])
        await other.probe()
        assert other.by_id(new.id or "") is other.drives[3]
        assert states(other) == ["online"] * 4

    asyncio.run(main())
    other.close()


def test_only_a_new_folder_is_formatted(pool: Pool) -> None:
    async def main() -> None:
        drive = pool.drives[0]
        with pytest.raises(DriveOffline, match="online"):
            await pool.format_new(drive)
        shutil.rmtree(drive.path)
        drive.path.mkdir()
        await pool.probe()
        (drive.path / "thesis.txt").write_text("x")
        with pytest.raises(DriveOffline, match="foreign"):
            await pool.format_new(drive)
        shutil.rmtree(drive.path)
        with pytest.raises(DriveOffline, match="missing"):
            await pool.format_new(drive)

    asyncio.run(main())


def test_swapped_disks_keep_their_identities(pool: Pool, paths: list[Path]) -> None:
    async def main() -> None:
        first, second = pool.drives[0], pool.drives[1]
        await first.create(BLOB, 0, HEADER, 0)
        paths[0].rename(paths[0].with_name("t"))
        paths[1].rename(paths[0])
        paths[0].with_name("t").rename(paths[1])
        await pool.probe()
        assert states(pool) == ["online"] * 4
        moved = pool.by_id(first.id or "")
        assert moved is pool.drives[1]
        assert [index for _, index, _, _ in await moved.shards()] == [0]
        assert pool.by_id(second.id or "") is pool.drives[0]

    asyncio.run(main())


def test_a_disk_that_moved_to_an_empty_slot_is_found_there(pool: Pool, paths: list[Path]) -> None:
    async def main() -> None:
        lost, moving = pool.drives[0], pool.drives[1]
        shutil.rmtree(paths[0])
        paths[1].rename(paths[0])
        await pool.probe()
        assert states(pool) == ["online", "missing", "online", "online"]
        assert pool.by_id(moving.id or "") is pool.drives[0]
        assert pool.by_id(lost.id or "") is None

    asyncio.run(main())


def test_a_copy_that_turns_up_does_not_take_the_original_down(pool: Pool, paths: list[Path]) -> None:
    async def main() -> None:
        original = pool.drives[0]
        shutil.rmtree(paths[1])
        shutil.copytree(paths[0], paths[1])
        await pool.probe()
        assert states(pool) == ["online", "duplicate", "online", "online"]
        assert pool.by_id(original.id or "") is original

    asyncio.run(main())


def test_a_drive_of_another_deployment_is_never_written(pool: Pool, paths: list[Path]) -> None:
    async def main() -> None:
        shutil.rmtree(paths[2])
        format_drive(paths[2], "e" * 32)
        before = sorted(paths[2].rglob("*"))
        await pool.probe()
        assert pool.drives[2].state is DriveState.FOREIGN
        with pytest.raises(DriveError):
            await pool.format_new(pool.drives[2])
        with pytest.raises(DriveError):
            await pool.drives[2].create(BLOB, 0, HEADER, 0)
        assert sorted(paths[2].rglob("*")) == before

    asyncio.run(main())


def test_a_drive_that_was_away_at_the_start_joins(paths: list[Path]) -> None:
    paths[0].rename(paths[0].with_name("away"))
    pool = Pool.open(paths)

    async def main() -> None:
        assert states(pool) == ["missing", "online", "online", "online"]
        paths[0].with_name("away").rename(paths[0])
        await pool.probe()
        assert states(pool) == ["online"] * 4
        assert pool.by_id(read_format(paths[0]).drive) is pool.drives[0]

    asyncio.run(main())
    pool.close()


def test_a_faulty_drive_is_tried_before_it_is_taken_back(paths: list[Path]) -> None:
    system = FaultySystem()
    pool = Pool.open(paths[:1], system=system)

    async def main() -> None:
        drive = pool.drives[0]
        await drive.create(BLOB, 0, HEADER, 0)
        system.fail("pwritev", errno.EIO)
        with pytest.raises(DriveError):
            await drive.append(BLOB, 0, 4096, [b"x"])
        await pool.probe()
        assert drive.state == "faulty", "its folder can be read, but it takes no write"
        system.heal()
        await pool.probe()
        assert drive.state == "online"
        await drive.append(BLOB, 0, 4096, [b"x"])
        assert {entry for entry in os.listdir(drive.path) if entry.startswith("probe")} == set()

    asyncio.run(main())
    pool.close()


def test_a_drive_that_keeps_failing_stays_away_longer(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool.open(paths)

    async def main() -> None:
        drive: Drive = pool.drives[0]
        drive.fault("first")
        await pool.probe()
        assert drive.state == "online"
        drive.fault("second")
        await pool.probe()
        assert drive.state == "faulty"
        pool._fault_times[drive] -= 3
        await pool.probe()
        assert drive.state == "online"

    asyncio.run(main())
    pool.close()


def test_a_listener_without_a_loop_is_called_by_who_notices(pool: Pool) -> None:
    seen: list[str] = []
    pool.on_change(lambda drive, old, new: seen.append(f"{old} {new}"))
    pool.drives[0].fault("for a test")
    assert seen == ["online faulty"]
