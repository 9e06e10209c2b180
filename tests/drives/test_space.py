"""New bytes leave a reserve free on a drive, and its ballast makes room for what has to succeed."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from objstore.drives.drive import Drive
from objstore.drives.errors import DriveFull
from objstore.drives.format import Ballot
from objstore.drives.space import BALLAST_FILE, RESERVE, Usage
from tests.drives.faults import BLOB, HEADER, OTHER, FaultySystem

MIB = 1 << 20


class Disk:
    """What `statvfs` says: `free` bytes of a small file system, of which nothing is ever used up."""

    def __init__(self, system: FaultySystem, total: int, free: int) -> None:
        self.total, self.free = total, free
        system.hook("statvfs", self)

    def __call__(self, path: Any) -> Any:
        blocks = (self.total // 4096, self.free // 4096)
        return SimpleNamespace(f_frsize=4096, f_blocks=blocks[0], f_bfree=blocks[1], f_bavail=blocks[1])


def test_the_reserve_is_a_twentieth_of_a_small_disk() -> None:
    small, large = Usage(40 * MIB, 0, 40 * MIB), Usage(1 << 44, 0, 1 << 44)
    assert (small.reserve, small.spare, small.ballast) == (2 * MIB, 38 * MIB, 3 * MIB // 2)
    assert (large.reserve, large.ballast) == (RESERVE, RESERVE * 3 // 4)


def test_a_file_is_not_made_into_the_reserve(drive: Drive, system: FaultySystem) -> None:
    disk = Disk(system, 400 * MIB, 30 * MIB)

    async def main() -> None:
        await drive.create(BLOB, 0, HEADER, 10 * MIB)
        with pytest.raises(DriveFull):
            await drive.create(OTHER, 0, HEADER, 10 * MIB + 4096)
        assert [blob for blob, *_ in await drive.shards()] == [BLOB]
        assert drive.writable, "there is room for smaller ones"
        real = system.hook(
            "preallocate", lambda fd, length: real(fd, length) and setattr(disk, "free", 19 * MIB) is None
        )
        with pytest.raises(DriveFull):  # somebody else took the room at the same moment
            await drive.create(OTHER, 0, HEADER, MIB)
        assert [blob for blob, *_ in await drive.shards()] == [BLOB], "what touched the reserve is given back"

    asyncio.run(main())


@pytest.mark.parametrize("how", ["append", "write"])
def test_a_file_does_not_grow_into_the_reserve(drive: Drive, system: FaultySystem, how: str) -> None:
    disk = Disk(system, 400 * MIB, 300 * MIB)

    async def main() -> None:
        call: Callable[..., Any] = getattr(drive, how)
        await drive.create(BLOB, 0, HEADER, MIB)
        disk.free = 20 * MIB + 8192
        await call(BLOB, 0, MIB - 4096, [bytes(4096)])
        await call(BLOB, 0, MIB, [bytes(4096)])
        with pytest.raises(DriveFull):
            await call(BLOB, 0, 2 * MIB, [bytes(4096)])
        assert not drive.writable
        await call(BLOB, 0, 4096, [bytes(8192)])  # it lies in what was reserved before

    asyncio.run(main())


def test_a_ballast_is_made_where_there_is_room(drive: Drive, system: FaultySystem) -> None:
    disk = Disk(system, 400 * MIB, 34 * MIB)
    file = drive.path / BALLAST_FILE
    assert not drive.run(drive.take_in_ballast) and not file.exists() and not drive.full
    disk.free = 35 * MIB
    assert drive.run(drive.take_in_ballast)
    assert (file.stat().st_size, file.stat().st_blocks * 512) == (15 * MIB, 15 * MIB)
    assert drive.run(drive.give_up_ballast) and not drive.run(drive.give_up_ballast), "once"
    assert file.stat().st_blocks == 0 and drive.full and not drive.writable
    assert drive.run(drive.take_in_ballast) and drive.writable


def test_a_ballast_in_the_making_was_not_given_up(drive: Drive, system: FaultySystem) -> None:
    def others_look(fd: int, length: int) -> bool:
        drive.measure()
        assert drive.writable, "as another process sees it"
        return preallocate(fd, length)

    preallocate = system.hook("preallocate", others_look)
    assert drive.run(drive.take_in_ballast) and drive.writable


def test_no_ballast_where_the_file_system_cannot_preallocate(drive: Drive, system: FaultySystem) -> None:
    system.hook("preallocate", lambda fd, length: False)
    assert not drive.run(drive.take_in_ballast)
    assert not (drive.path / BALLAST_FILE).exists() and drive.writable


def test_no_room_for_the_ballast_is_none_for_data(drive: Drive, system: FaultySystem) -> None:
    system.fail("preallocate", errno.EDQUOT)  # a quota, which statvfs does not show
    with pytest.raises(DriveFull):
        drive.run(drive.take_in_ballast)
    system.heal()
    drive.run(drive.measure)
    assert drive.full


def test_a_ballot_is_written_with_the_room_of_the_ballast(
    drive: Drive, system: FaultySystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    ballot = Ballot(3, ("a",), ("a", "b"), 1)
    assert drive.run(drive.take_in_ballast)
    real = os.fsync

    def full(fd: int) -> None:
        if (drive.path / BALLAST_FILE).stat().st_size:
            raise OSError(errno.ENOSPC, "full")
        real(fd)

    monkeypatch.setattr(os, "fsync", full)
    drive.write_ballot(ballot)
    assert drive.read_ballot() == ballot
