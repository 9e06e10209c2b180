"""A drive that fails one process is tried by the others, before a client has to wait for it there."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from objstore.drives.errors import DriveError, DriveReadOnly
from objstore.drives.inspection import inspect
from objstore.drives.pool import Pool, format_new_drives
from objstore.drives.state import DriveState
from objstore.drives.system import System
from objstore.server.faults import Faults
from tests.drives.faults import BLOB, HEADER, FaultySystem
from tests.faults.test_hanging import WRITES, HangingDrive

ONLINE, FAULTY = DriveState.ONLINE, DriveState.FAULTY


def test_who_hears_of_a_drive_that_takes_no_writes_leaves_it_alone(tmp_path: Path) -> None:
    system = HangingDrive()
    paths = [tmp_path / f"drive{number}" for number in range(2)]
    format_new_drives(inspect(paths))
    writer, other = (Pool.open(paths, system=system, deadline=0.5) for _ in range(2))

    async def scene() -> None:
        told, hears = Faults(writer, tmp_path), Faults(other, tmp_path)
        system.hang_below(paths[1], WRITES)
        try:
            await other.probe(hears.heard())
            assert [drive.state for drive in other.drives] == [ONLINE, ONLINE], "it answers whoever looks"
            with pytest.raises(DriveError):
                await writer.drives[1].create(BLOB, 1, HEADER)
            await asyncio.sleep(0)  # it is told by the loop
            assert writer.drives[1].state is FAULTY
            await other.probe(hears.heard())
            assert [drive.state for drive in other.drives] == [ONLINE, FAULTY]
            assert told.heard() == Faults(writer, tmp_path).heard(), "whoever begins later hears of it too"
            (note,) = tmp_path.glob("faulty-*")
            os.utime(note, (0, time.time() - 100))
            assert not Faults(writer, tmp_path).heard(), "but not of what is long ago"
        finally:
            system.release()
        while any(pool.drives[1].state is not ONLINE for pool in (writer, other)):
            await writer.probe(told.heard())
            await other.probe(hears.heard())
        assert not hears.heard() and not told.heard()
        await other.probe(hears.heard())
        assert other.drives[1].state is ONLINE

    asyncio.run(scene())
    writer.close()
    other.close()


def test_who_hears_of_a_drive_that_is_read_only_knows_it_too_until_it_is_not(tmp_path: Path) -> None:
    system = FaultySystem()
    paths = [tmp_path / f"drive{number}" for number in range(2)]
    format_new_drives(inspect(paths))
    writer, other = (Pool.open(paths, system=system) for _ in range(2))

    def read_only(path: str, flags: int, *rest: Any) -> Any:
        if flags & os.O_CREAT and path.startswith(str(paths[1])):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return System().open(path, flags, *rest)

    async def scene() -> None:
        told, hears = Faults(writer, tmp_path), Faults(other, tmp_path)
        system.hook("open", read_only)
        with pytest.raises(DriveReadOnly):
            await writer.drives[1].create(BLOB, 1, HEADER)
        await writer.probe(told.heard())
        await other.probe(hears.heard())
        assert [drive.read_only for drive in other.drives] == [False, True]
        assert not other.drives[1].writable
        system.heal("open")
        for _ in range(2):
            await writer.probe(told.heard())
            await other.probe(hears.heard())
        assert not any(drive.read_only for pool in (writer, other) for drive in pool.drives)

    asyncio.run(scene())
    writer.close()
    other.close()
