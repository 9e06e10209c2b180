"""A drive that fails one process is tried by the others, before a client has to wait for it there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from objstore.drives.errors import DriveError
from objstore.drives.inspection import inspect
from objstore.drives.pool import Pool, format_new_drives
from objstore.drives.state import DriveState
from objstore.server.faults import Faults
from tests.drives.faults import BLOB, HEADER
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
            assert told.heard()
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
