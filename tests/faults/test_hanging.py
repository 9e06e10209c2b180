"""A drive that hangs, and does not fail: those who wait for it go on without it, and nobody asks it again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from objstore.blobs import container, quorum
from objstore.catalog.upkeep import CHECKPOINT_BYTES
from objstore.drives.errors import DriveError
from objstore.drives.inspection import inspect
from objstore.drives.pool import Pool, format_new_drives
from objstore.drives.state import DriveState
from tests.catalog.deployment import contents
from tests.drives.faults import FaultySystem
from tests.faults.cluster import BUCKET, check, fill, info, remove, states
from tests.faults.gate import gate
from tests.front.wire import until
from tests.harness import Running, serving
from tests.jobs.house import House, play

DEADLINE = 0.5
_CALLS = ("open", "pread", "preadv", "pwritev", "fdatasync", "fsync", "preallocate", "ftruncate", "rename", "stat")
WRITES = ("pwritev", "fdatasync", "fsync", "preallocate", "ftruncate", "rename")


class HangingDrive(FaultySystem):
    """Calls on what is below a folder do not return until it is released. `entered` counts those that came in, `files`
    has their names."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = 0
        self.files: set[str] = set()
        self._release = threading.Event()

    def hang_below(self, folder: Path, calls: Sequence[str] = _CALLS) -> None:
        for name in calls:
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
                self.files.add(Path(path).name)
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


@pytest.mark.parametrize("calls", [WRITES, _CALLS], ids=["writes", "all"])
def test_a_folder_that_hangs_and_is_to_join_is_asked_once(tmp_path: Path, calls: Sequence[str]) -> None:
    """It has no slot between two tries: nobody waits for it again as long as the first call has not returned."""
    system = HangingDrive()
    *paths, third = (tmp_path / f"drive{number}" for number in range(3))
    format_new_drives(inspect(paths))
    third.mkdir()
    (third / "lost+found").mkdir()
    pool = Pool.open(paths, system=system, deadline=0.3)

    async def tried() -> DriveState:
        slot = await pool.join(third)
        with contextlib.suppress(DriveError):
            if slot.state is DriveState.NEW:
                slot = await pool.format_new(slot)
        found = slot.state
        pool.forget(slot)
        return found

    async def scene() -> None:
        system.hang_below(third, calls)
        try:
            assert await tried() is not DriveState.ONLINE
            asked, threads = system.entered, threading.active_count()
            assert asked
            for _ in range(3):
                assert await tried() is DriveState.FAULTY
            assert system.entered == asked and threading.active_count() <= threads
        finally:
            system.release()
        while await tried() is not DriveState.ONLINE:  # noqa: ASYNC110 - its watchdog is a thread
            await asyncio.sleep(0.01)

    asyncio.run(scene())
    pool.close()


def test_who_comes_while_it_is_waited_for_goes_round_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drive takes no more writes, and has not been given up yet: one request waits for it, and no other."""
    system = HangingDrive()
    for module in (quorum, container):
        monkeypatch.setattr(module, "GRACE", 1.0)

    async def scene(house: House) -> None:
        drive = house.pool.drives[0]
        await house.put("before", bytes(300_000))
        system.hang_below(drive.path, WRITES)
        try:
            await house.put("waits", bytes(300_000))
            await house.put("waits too", bytes(6 << 20))
            while not drive.late(0.5):  # noqa: ASYNC110 - its watchdog is a thread
                await asyncio.sleep(0.01)
            waited_for = {name.partition(".")[0] for name in system.files}
            for number in range(3):
                await house.put(f"small {number}", bytes(300_000))
                await house.put(f"large {number}", bytes(6 << 20))
                for key in (f"small {number}", f"large {number}"):
                    assert drive.id not in house.info(house.blob_of(key)).drives
            assert {name.partition(".")[0] for name in system.files} == waited_for
            assert drive.state is DriveState.ONLINE
        finally:
            system.release()
        while drive.late(0.0):  # noqa: ASYNC110 - its threads end
            await asyncio.sleep(0.01)
        await house.put("again", bytes(6 << 20))
        assert drive.id in house.info(house.blob_of("again")).drives

    play(tmp_path, scene, system=system, deadline=30.0)


def mirrors(server: Running) -> list[int]:
    """The numbers of the drives that hold the catalog."""
    return [number for number, drive in enumerate(info(server)["drives"], 1) if drive["mirror"]]


def settings(folder: Path, deadline: float) -> tuple[str, str]:
    path = folder / "settings.toml"
    path.write_text(f"drive_deadline = {deadline}\n")
    return "--config", str(path)


def test_upkeep_goes_on_while_a_disk_hangs_to_which_a_mirror_is_copied(tmp_path: Path) -> None:
    """Others get the mirrors of drives that fail, and logs are moved; when the disk wakes, nothing newer is lost."""
    hangs = tmp_path / "drive4"
    with gate(hangs) as disk, serving(tmp_path, 5, arguments=settings(tmp_path, 4.0)) as server:
        (hangs / "catalog.db").write_bytes(b"what was here")  # so it is tried first
        keys = fill(server, 12)
        assert mirrors(server) == [1, 2, 3]
        disk.shut(lambda name: name == "catalog.db.new")
        remove(server.drives[0])
        until(lambda: disk.waiting, "the copy hangs")
        until(lambda: mirrors(server) == [2, 3, 5], "another drive has it")
        remove(server.drives[1])
        until(lambda: mirrors(server) == [3, 5], "who has failed is voted out")
        s3, file = server.client(), server.drives[2] / "catalog.db"
        before, count = file.stat().st_mtime_ns, 0
        while file.with_name("catalog.db-wal").stat().st_size < CHECKPOINT_BYTES:
            s3.put_object(Bucket=BUCKET, Key=f"small {count}", Body=bytes(8_000))
            count += 1
        until(lambda: file.stat().st_mtime_ns > before, "its log is moved into the file")
        keys += fill(server, 4, "while it hangs")
        assert disk.waiting and mirrors(server) == [3, 5]
        disk.open()
        until(lambda: mirrors(server) == [3, 4, 5], "it is taken in when it answers")
        assert not (hangs / "catalog.db.new").exists()
        keys += fill(server, 2, "later")
        check(server, keys)
        server.stop()
        first, *others = [contents(server.drives[slot] / "catalog.db") for slot in (2, 3, 4)]
        assert others == [first, first]


def test_a_disk_that_takes_no_writes_is_found_out_by_one_process_for_all(tmp_path: Path) -> None:
    frozen = tmp_path / "drive4"
    with gate(frozen) as disk, serving(tmp_path, 4, workers=2, arguments=settings(tmp_path, 4.0)) as server:
        keys = fill(server, 8)
        known = {file.name for file in frozen.glob("shards/*/*")}
        disk.shut(lambda name: name not in known and name.rpartition(".")[2].isdigit())  # new shards, and trials
        server.client().put_object(Bucket=BUCKET, Key="waits", Body=bytes(6 << 20))
        until(lambda: {states(server)[3] for _ in range(12)} == {"faulty"}, "every process leaves it alone")
        check(server, keys)
        disk.open()
        until(lambda: {tuple(states(server)) for _ in range(12)} == {("online",) * 4}, "it is used again by all")
        check(server, keys)
