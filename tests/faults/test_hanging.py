"""A drive that hangs, and does not fail: those who wait for it go on without it, and nobody asks it again."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

from objstore.drives.state import DriveState
from tests.drives.faults import FaultySystem
from tests.jobs.house import House, play

DEADLINE = 0.5
_CALLS = ("open", "pread", "preadv", "pwritev", "fdatasync", "fsync", "preallocate", "ftruncate", "rename", "stat")


class HangingDrive(FaultySystem):
    """Calls on what is below a folder do not return until it is released. `entered` counts those that came in."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = 0
        self._release = threading.Event()

    def hang_below(self, folder: Path) -> None:
        for name in _CALLS:
            self.hook(name, self._hanging(name, folder))

    def _hanging(self, name: str, folder: Path) -> Any:
        real = self._real[name]

        def call(*arguments: Any) -> Any:
            place = arguments[0]
            path = os.readlink(f"/proc/self/fd/{place}") if isinstance(place, int) else str(place)
            if path.startswith(f"{folder}/") and not self._release.is_set():
                if name == "preadv" and len(arguments) > 3:
                    raise BlockingIOError  # it is not in memory, and the caller will not wait
                self.entered += 1
                self._release.wait(60)
            return real(*arguments)

        return call

    def release(self) -> None:
        self._release.set()


def test_requests_wait_for_it_once_and_then_leave_it_alone(tmp_path: Path) -> None:
    system = HangingDrive()

    async def scene(house: House) -> None:
        bodies = {f"key{number}": os.urandom(300_000 if number else 6 << 20) for number in range(6)}
        for key, data in bodies.items():
            await house.put(key, data)
        drive = house.pool.drives[0]
        system.hang_below(drive.path)
        try:
            found = await asyncio.gather(*(house.get(key) for key in bodies))
            assert found == list(bodies.values()), "reads go round it"
            await asyncio.gather(*(house.put(f"while {key}", data) for key, data in bodies.items()))
            while drive.state is DriveState.ONLINE:  # noqa: ASYNC110 - its watchdog is a thread
                await asyncio.sleep(0.01)
            assert drive.state is DriveState.FAULTY
            assert all(one.state is DriveState.ONLINE for one in house.pool.drives[1:])
            waiting = system.entered
            for key, data in bodies.items():
                await house.put(f"after {key}", data)
                assert (
                    await house.get(f"after {key}") == await house.get(key) == await house.get(f"while {key}") == data
                )
            assert system.entered == waiting, "nobody asked it again"
            for _ in range(3):
                await house.pool.probe()
            assert drive.state is DriveState.FAULTY
            assert system.entered <= waiting + 1, "but for one look"
        finally:
            system.release()
        while drive.state is not DriveState.ONLINE:
            await house.pool.probe()
        await house.put("again", bodies["key0"])
        assert drive.id in house.info(house.blob_of("again")).drives
        assert await house.get("again") == bodies["key0"]

    play(tmp_path, scene, system=system, deadline=DEADLINE)
