"""A drive that fails says so by type, hurts nobody else, and never calls durable what is not."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objstore.drives.drive import Drive
from objstore.drives.errors import (
    DriveError,
    DriveFaulty,
    DriveFull,
    DriveOffline,
    DriveReadOnly,
    ShardNotFound,
    ShardUnreadable,
)
from objstore.drives.format import Ballot, format_drive, mark_removed
from objstore.drives.inspection import inspect, look
from objstore.drives.pool import Pool, format_new_drives
from objstore.drives.state import DriveState
from tests.drives.faults import BLOB, HEADER, OTHER, FaultySystem, new_drive, reached


@pytest.fixture
def drive(drive: Drive) -> Drive:
    """With two shard files."""
    asyncio.run(_prepare(drive))
    return drive


async def _prepare(drive: Drive) -> None:
    for blob in (BLOB, OTHER):
        await drive.create(blob, 0, HEADER, 0)


ERRORS = [
    (errno.ENOSPC, DriveFull, "online"),
    (errno.EDQUOT, DriveFull, "online"),
    (errno.EROFS, DriveReadOnly, "online"),
    (errno.EACCES, DriveReadOnly, "online"),
    (errno.EMFILE, DriveFaulty, "online"),
    (errno.EIO, DriveFaulty, "faulty"),
    (errno.EBADF, DriveFaulty, "faulty"),
]

WRITES: dict[str, tuple[str, Callable[[Drive], Any]]] = {
    "append": ("pwritev", lambda drive: drive.append(BLOB, 0, 4096, [b"x"])),
    "append's sync": ("fdatasync", lambda drive: drive.append(BLOB, 0, 4096, [b"x"])),
    "create": ("open", lambda drive: drive.create(b"n" * 16, 0, HEADER, 1 << 20)),
    "create's space": ("preallocate", lambda drive: drive.create(b"n" * 16, 0, HEADER, 1 << 20)),
    "create's sync": ("fsync", lambda drive: drive.create(b"n" * 16, 0, HEADER, 1 << 20)),
    "write": ("pwritev", lambda drive: drive.write(BLOB, 0, 4096, [b"x"])),
    "sync": ("fdatasync", lambda drive: drive.sync(BLOB, 0)),
    "finish": ("ftruncate", lambda drive: drive.finish(BLOB, 0, 4096)),
    "unlink": ("unlink", lambda drive: drive.unlink(BLOB, 0)),
    "punch": ("punch", lambda drive: drive.punch(BLOB, 0, [(4096, 4096)])),
}


@pytest.mark.parametrize(("code", "kind", "state"), ERRORS, ids=lambda value: str(value))
@pytest.mark.parametrize("operation", WRITES)
def test_every_error_has_its_type_and_its_state(
    drive: Drive, system: FaultySystem, operation: str, code: int, kind: type[DriveError], state: str
) -> None:
    call, attempt = WRITES[operation]
    system.fail(call, code)

    async def main() -> None:
        with pytest.raises(kind) as raised:
            await attempt(drive)
        assert type(raised.value) is kind
        assert raised.value.drive == str(drive.path)

    asyncio.run(main())
    assert drive.state == state
    assert drive.writable == (state == "online" and kind is DriveFaulty)


def test_a_shard_that_could_not_be_made_leaves_no_file(drive: Drive, system: FaultySystem) -> None:
    async def main() -> None:
        system.fail("preallocate", errno.ENOSPC)
        with pytest.raises(DriveFull):
            await drive.create(b"n" * 16, 0, HEADER, 1 << 20)
        system.heal()
        await drive.create(b"n" * 16, 0, HEADER, 1 << 20)

    asyncio.run(main())


def test_a_file_that_fails_does_not_take_its_batch_with_it(drive: Drive, system: FaultySystem) -> None:
    async def main() -> None:
        release = system.hang("fdatasync")
        first = drive.append(BLOB, 0, 4096, [b"x"])
        await reached(system, "fdatasync", 1)
        bad = [drive.append(BLOB, 0, 4096 * turn, [b"bad"]) for turn in (2, 3)]
        good = [drive.append(OTHER, 0, 4096 * turn, [b"good"]) for turn in (1, 2)]
        real = system.hook("fdatasync", lambda fd: real(fd))
        target = os.path.realpath(drive.path / "shards" / "0f" / f"{BLOB.hex()}.0")

        def write(fd: int, buffers: Any, offset: int) -> int:
            if os.path.realpath(f"/proc/self/fd/{fd}") == target:
                raise OSError(errno.ENOSPC, "full")
            return int(real_write(fd, buffers, offset))

        real_write = system.hook("pwritev", write)
        release.set()
        await first
        outcome = await asyncio.gather(*bad, *good, return_exceptions=True)
        assert [type(one) for one in outcome] == [DriveFull, DriveFull, type(None), type(None)]
        assert await drive.read(OTHER, 0, 8192, 4) == b"good"

    asyncio.run(main())


def test_a_failed_sync_is_not_believed_the_second_time(drive: Drive, system: FaultySystem) -> None:
    system.fail("fdatasync", errno.EIO, times=1)

    async def main() -> None:
        with pytest.raises(DriveFaulty):
            await drive.append(BLOB, 0, 4096, [b"x"])
        with pytest.raises(DriveFaulty):
            await drive.append(BLOB, 0, 4096, [b"x"])
        assert system.calls["fdatasync"] == 1

    asyncio.run(main())


def test_a_hung_call_fails_at_its_deadline_and_the_drive_comes_back(tmp_path: Path, system: FaultySystem) -> None:
    paths = [tmp_path / f"d{number}" for number in range(2)]
    format_new_drives(inspect(paths))
    pool = Pool.open(paths)
    sick = pool.drives[0] = Drive(inspect(paths)[0], system=system)
    well, patient = pool.drives[1], sick.deadline

    async def main() -> None:
        await asyncio.gather(_prepare(sick), _prepare(well))
        sick.deadline = 0.3  # only for what hangs: a busy machine takes longer for other calls, now and then
        release = system.hang("fdatasync")
        hung = asyncio.gather(
            sick.append(BLOB, 0, 4096, [b"x"]), sick.append(OTHER, 0, 4096, [b"x"]), return_exceptions=True
        )
        await well.append(BLOB, 0, 4096, [b"x"])
        waiting = sick.append(BLOB, 0, 8192, [b"x"])
        assert {type(one) for one in await hung} == {DriveFaulty}
        with pytest.raises(DriveFaulty):
            await waiting
        assert sick.state == "faulty"
        with pytest.raises(DriveFaulty):
            await sick.read(BLOB, 0, 0, 1)
        sick.deadline = patient
        system.heal()  # the thread still hangs, the drive answers others
        await pool.probe()
        assert sick.state == "online"
        await sick.append(BLOB, 0, 12288, [b"fresh"])
        assert await sick.read(BLOB, 0, 12288, 5) == b"fresh"
        release.set()

    asyncio.run(main())
    pool.close()


def test_a_drive_whose_call_still_hangs_does_not_come_back_before_it_returns(
    tmp_path: Path, system: FaultySystem
) -> None:
    """What it does late would be done to a newer file: half a rebuilt one was given the shard's name."""
    format_new_drives(inspect(paths := [tmp_path / "drive"]))
    pool = Pool.open(paths, system=system)
    (drive,) = pool.drives

    async def rebuild(content: bytes) -> None:
        await drive.create(BLOB, 0, HEADER, temporary=True)
        await drive.write(BLOB, 0, 4096, [content], temporary=True)

    async def main() -> None:
        await rebuild(b"older")
        drive.deadline = 0.05
        release = system.hang("rename")
        with pytest.raises(DriveFaulty):
            await drive.place(BLOB, 0)
        drive.deadline = 10.0
        system.heal()  # the thread still hangs, the drive answers others
        await pool.probe()
        if drive.state is not DriveState.ONLINE:
            release.set()
        while drive.state is not DriveState.ONLINE:
            await pool.probe()
        await rebuild(b"newer")
        release.set()
        while drive.busy:  # noqa: ASYNC110 - a thread
            await asyncio.sleep(0.001)
        assert await drive.read(BLOB, 0, 4096, 5) == b"older"
        await drive.place(BLOB, 0)
        assert await drive.read(BLOB, 0, 4096, 5) == b"newer"

    asyncio.run(main())
    pool.close()


def test_a_drive_that_hangs_at_every_look_costs_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from objstore.drives import inspection

    drive = new_drive(tmp_path / "drive", deadline=0.2)
    pool = Pool([inspection.look(drive.path)], deadline=0.2)
    release, looks, real = threading.Event(), [0], inspection.look

    def hanging(path: Path, system: Any) -> Any:
        looks[0] += 1
        release.wait(60)
        return real(path, system)

    async def main() -> None:
        monkeypatch.setattr(inspection, "look", hanging)
        for _ in range(4):
            await pool.probe()
            assert pool.drives[0].state == "faulty"
        assert looks[0] == 1
        monkeypatch.setattr(inspection, "look", real)
        release.set()
        while pool.drives[0].state != "online":
            await pool.probe()

    asyncio.run(main())
    pool.close()
    drive.close()


def test_an_append_to_a_removed_file_does_not_succeed(drive: Drive) -> None:
    async def main() -> None:
        await drive.append(BLOB, 0, 4096, [b"x"])
        (drive.path / "shards" / "0f" / f"{BLOB.hex()}.0").unlink()
        with pytest.raises(ShardNotFound):
            await drive.append(BLOB, 0, 8192, [b"x"])
        with pytest.raises(ShardNotFound):
            await drive.sync(BLOB, 0)
        assert drive.state == "online"

    asyncio.run(main())


def _gone(path: Path) -> None:
    shutil.rmtree(path)


def _emptied(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def _moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def _replaced(path: Path) -> None:
    _moved(path)
    format_drive(path, "d" * 32)


def _other_deployment(path: Path) -> None:
    (path / "format.json").unlink()
    format_drive(path, "e" * 32)


def _unformatted(path: Path) -> None:
    (path / "format.json").unlink()


def _damaged(path: Path) -> None:
    (path / "format.json").write_text("{}")


@pytest.mark.parametrize("change", [_gone, _emptied, _moved, _replaced, _other_deployment, _unformatted, _damaged])
@pytest.mark.parametrize("operation", ["append", "append's sync", "create", "sync", "finish", "unlink", "punch"])
def test_nothing_succeeds_on_a_folder_that_is_not_this_drive_any_more(
    drive: Drive, change: Callable[[Path], None], operation: str
) -> None:
    async def main() -> None:
        await drive.append(BLOB, 0, 4096, [b"x"])
        change(drive.path)
        with pytest.raises(DriveOffline):
            await WRITES[operation][1](drive)
        assert drive.state is DriveState.MISSING
        with pytest.raises(DriveOffline):
            await drive.read(BLOB, 0, 0, 1)
        assert drive.read_now(BLOB, 0, 0, 1) is None

    asyncio.run(main())


def test_a_drive_that_another_process_removed_is_not_told_to_be_a_copy(drive: Drive) -> None:
    async def main() -> None:
        await drive.append(BLOB, 0, 4096, [b"x"])
        mark_removed(drive.path)
        with pytest.raises(DriveOffline, match="was removed from its deployment"):
            await drive.sync(BLOB, 0)

    asyncio.run(main())


def test_a_drive_that_was_just_made_is_not_told_to_be_another(tmp_path: Path) -> None:
    new = Drive(look(tmp_path), strict=False)
    format_drive(tmp_path, "d" * 32)
    with pytest.raises(DriveOffline, match="is not taken in yet"):
        new.confirm()
    new.close()


def test_a_ballot_counts_only_on_the_drive_itself(drive: Drive) -> None:
    ballot = Ballot(1, ("a",), ("a",), 0)
    drive.write_ballot(ballot)
    assert drive.read_ballot() == ballot
    _emptied(drive.path)
    with pytest.raises(DriveOffline):
        drive.write_ballot(Ballot(2, ("a",), ("a",), 0))
    assert list(drive.path.iterdir()) == []


def test_one_unreadable_place_costs_a_shard_and_many_cost_the_drive(drive: Drive, system: FaultySystem) -> None:
    async def main() -> None:
        for _ in range(2):
            system.fail("pread", errno.EIO, times=2)
            for _ in range(2):
                with pytest.raises(ShardUnreadable):
                    await drive.read(BLOB, 0, 0, 10)
            assert drive.state == "online"
            await drive.read(BLOB, 0, 0, 10)
        system.fail("pread", errno.EIO)
        for kind in (ShardUnreadable, ShardUnreadable, DriveFaulty):
            with pytest.raises(kind):
                await drive.read(BLOB, 0, 0, 10)
        assert drive.state == "faulty"

    asyncio.run(main())


def test_a_cancelled_call_harms_nobody(drive: Drive, system: FaultySystem) -> None:
    async def main() -> None:
        release = system.hang("fdatasync")
        appends = [drive.append(BLOB, 0, 4096 * turn, [b"x"]) for turn in (1, 2, 3)]
        appends[0].cancel()
        appends[2].cancel()
        release.set()
        await appends[1]
        await drive.append(BLOB, 0, 4 * 4096, [b"y"])

    asyncio.run(main())


def test_a_closed_drive_refuses(drive: Drive) -> None:
    drive.close()

    async def main() -> None:
        with pytest.raises(DriveOffline):
            await drive.append(BLOB, 0, 4096, [b"x"])
        with pytest.raises(DriveOffline):
            await drive.read(BLOB, 0, 0, 1)

    asyncio.run(main())
    with pytest.raises(DriveOffline):
        drive.run(os.getpid)


FAILURES = st.sampled_from(["pwritev", "fdatasync", "fsync", "open", "preallocate", "fstat", "punch", "pread"])
CODES = st.sampled_from([errno.ENOSPC, errno.EROFS, errno.EIO, errno.EMFILE])
STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 30), st.integers(1, 6000)),
    st.tuples(st.just("fail"), FAILURES, CODES),
    st.tuples(st.just("forget"), st.none(), st.none()),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One drive for all examples; each has a blob of its own."""
    path = tmp_path_factory.mktemp("seeded") / "drive"
    format_drive(path, "d" * 32)
    return path


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=25))
def test_whatever_fails_an_acknowledged_append_reads_back(folder: Path, steps: list[tuple[Any, Any, Any]]) -> None:
    system, blob, promised = FaultySystem(), os.urandom(16), {}
    pool = Pool.open([folder], system=system)
    drive = pool.drives[0]

    async def append(first: int, count: int, size: int) -> None:
        places = [first + number * 2 for number in range(count)]
        outcome = await asyncio.gather(
            *(drive.append(blob, 0, 4096 * place, [bytes([place % 251]) * size]) for place in places),
            return_exceptions=True,
        )
        assert all(one is None or isinstance(one, DriveError) for one in outcome)
        promised.update({place: size for place, one in zip(places, outcome, strict=True) if one is None})

    async def main() -> None:
        await drive.create(blob, 0, HEADER, 1 << 20)
        place = 1
        for step, first, second in steps:
            if step == "fail":
                system.fail(first, second, times=1)
            elif step == "forget":
                drive.forget(blob, 0)
            else:
                await append(place, first, second)
                place += 2 * first
                drive.faults = 0  # so that it comes back at once
                await pool.probe()
        system.heal()
        await pool.probe()
        for place, size in promised.items():
            assert await drive.read(blob, 0, 4096 * place, size) == bytes([place % 251]) * size
        await drive.unlink(blob, 0)

    asyncio.run(main())
    pool.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 2 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield path
    while subprocess.run(["umount", "-l", path], capture_output=True).returncode == 0:
        pass


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def test_a_real_disk_fills_turns_read_only_and_is_unmounted(disk: Path) -> None:
    format_drive(disk, "d" * 32)
    pool = Pool.open([disk])
    drive = pool.drives[0]
    assert drive.format is not None and drive.format.mount

    async def main() -> None:
        await drive.create(BLOB, 0, HEADER, 256 << 10)
        with pytest.raises(DriveFull):
            await drive.create(OTHER, 0, HEADER, 4 << 20)
        with pytest.raises(DriveFull):
            for turn in range(1, 1000):
                await drive.append(BLOB, 0, 4096 * turn, [b"x" * 4096])
        assert not drive.writable
        assert await drive.read(BLOB, 0, 4096, 10) == b"x" * 10
        assert await drive.punch(BLOB, 0, [(4096, 1 << 20)]) is not None
        while not drive.writable:
            await pool.probe()
        drive.forget(BLOB, 0)  # or the kernel finds the disk busy
        await asyncio.to_thread(mount, "-o", "remount,ro", disk)
        with pytest.raises(DriveReadOnly):
            await drive.append(BLOB, 0, 4096, [b"x"])
        drive.forget(BLOB, 0)
        assert await drive.read(BLOB, 0, 0, 4) == b"HHHH", "reads go on"
        assert not drive.writable
        await asyncio.to_thread(mount, "-o", "remount,rw", disk)
        await pool.probe()
        assert drive.writable
        await drive.append(BLOB, 0, 4096, [b"y"])
        await asyncio.to_thread(subprocess.run, ["umount", "-l", disk], check=True)
        with pytest.raises(DriveOffline):
            await drive.append(BLOB, 0, 8192, [b"y"])
        await pool.probe()
        assert drive.state == "missing", "the folder below a mount point is never taken for a new drive"
        assert list(disk.iterdir()) == []

    asyncio.run(main())
    pool.close()
