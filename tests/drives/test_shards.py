"""Shard files: what was acknowledged is there, in few system calls, through few descriptors."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from objstore.drives import shardfiles
from objstore.drives.drive import Drive
from objstore.drives.errors import ShardExists, ShardNotFound, ShardShort
from objstore.drives.inspection import look
from objstore.drives.shardfiles import Punched
from tests.drives.faults import BLOB, HEADER, OTHER, FaultySystem, new_drive, reached


def test_a_shard_is_made_with_its_header_and_its_space(drive: Drive, system: FaultySystem) -> None:
    async def main() -> None:
        await drive.create(BLOB, 3, HEADER, 1 << 20)
        assert await drive.read(BLOB, 3, 0, 8192) == HEADER + bytes(4096)
        file = drive.path / "shards" / "0f" / f"{BLOB.hex()}.3"
        assert file.stat().st_size == 1 << 20
        assert file.stat().st_blocks * 512 >= 1 << 20
        assert system.calls["fsync"] == 3, "the file, its folder, and the folder of that, which is new"
        await drive.create(BLOB, 4, HEADER, 0)
        assert system.calls["fsync"] == 5
        with pytest.raises(ShardExists):
            await drive.create(BLOB, 3, HEADER, 0)

    asyncio.run(main())


async def _create(drive: Drive, **options: Any) -> None:
    await drive.create(BLOB, 0, HEADER, 0, **options)


def test_appends_that_wait_share_one_write_and_one_sync(drive: Drive, system: FaultySystem) -> None:
    async def main() -> None:
        await drive.create(BLOB, 0, HEADER, 1 << 20)
        loop = asyncio.get_running_loop()
        wakes, real = [0], loop.call_soon_threadsafe

        def counting(*arguments: Any, **options: Any) -> Any:
            wakes[0] += 1
            return real(*arguments, **options)

        release = system.hang("pwritev")
        first = drive.append(BLOB, 0, 4096, [b"0" * 100])
        await reached(system, "pwritev", 2)
        rest = [drive.append(BLOB, 0, 4096 * (n + 1), [b"h" * 16, b"%d" % n]) for n in range(1, 64)]
        loop.call_soon_threadsafe = counting  # type: ignore[method-assign, assignment]
        release.set()
        await asyncio.gather(first, *rest)
        assert system.calls["pwritev"] == 3
        assert system.calls["fdatasync"] == 2
        assert wakes[0] <= 2
        assert await drive.read(BLOB, 0, 4096 * 40, 18) == b"h" * 16 + b"39"

    asyncio.run(main())


def test_relaxed_durability_syncs_nothing(tmp_path: Path, system: FaultySystem) -> None:
    drive = new_drive(tmp_path / "relaxed", system, strict=False)

    async def main() -> None:
        await _create(drive)
        await drive.append(BLOB, 0, 4096, [b"x"])
        await drive.write(BLOB, 0, 8192, [b"x"])
        await drive.sync(BLOB, 0)
        await drive.finish(BLOB, 0, 8193)
        assert system.calls["fsync"] == system.calls["fdatasync"] == 0
        assert await drive.read(BLOB, 0, 8192, 1) == b"x"

    asyncio.run(main())
    drive.close()


def test_a_stream_is_written_synced_and_cut_to_length(drive: Drive) -> None:
    async def main() -> None:
        await drive.create(BLOB, 0, HEADER, 8 << 20)
        for step in range(3):
            await drive.write(BLOB, 0, 4096 + (step << 20), [bytes([step]) * (1 << 20)])
        await drive.sync(BLOB, 0)
        await drive.finish(BLOB, 0, 4096 + (3 << 20))
        ((blob, index, size, mtime),) = await drive.shards()
        assert (blob, index, size) == (BLOB, 0, 4096 + (3 << 20))
        assert mtime > 1e9
        assert await drive.read(BLOB, 0, 4096 + (2 << 20), 1 << 20) == b"\2" * (1 << 20)

    asyncio.run(main())


def test_a_read_now_never_waits(drive: Drive, system: FaultySystem) -> None:
    async def main() -> None:
        await _create(drive)
        drive.forget(BLOB, 0)
        assert drive.read_now(BLOB, 0, 0, 10) is None, "the file is not open"
        await drive.read(BLOB, 0, 0, 10)
        assert drive.read_now(BLOB, 0, 0, 10) == b"H" * 10
        assert drive.read_now(BLOB, 0, 4090, 10) is None, "the file is shorter"
        system.fail("preadv", errno.EAGAIN)
        assert drive.read_now(BLOB, 0, 0, 10) is None, "not in the page cache"
        system.heal()
        assert drive.read_now(BLOB, 0, 0, 10) is not None
        system.fail("preadv", errno.EOPNOTSUPP)
        assert drive.read_now(BLOB, 0, 0, 10) is None
        system.heal()
        asked = system.calls["preadv"]
        assert drive.read_now(BLOB, 0, 0, 10) is None
        assert system.calls["preadv"] == asked, "the file system cannot: it is not asked again"

    asyncio.run(main())


def test_reads_are_whole_or_say_why_not(drive: Drive, system: FaultySystem) -> None:
    async def main() -> None:
        await _create(drive)
        real = system.hook("pread", lambda fd, length, offset: real(fd, min(length, 1000), offset))
        assert await drive.read(BLOB, 0, 0, 4096) == HEADER, "short reads are continued"
        system.heal()
        with pytest.raises(ShardShort):
            await drive.read(BLOB, 0, 4000, 200)
        with pytest.raises(ShardNotFound):
            await drive.read(OTHER, 0, 0, 1)
        assert drive.state == "online"

    asyncio.run(main())


def test_punched_ranges_read_as_zeros_and_give_space_back(drive: Drive, system: FaultySystem) -> None:
    async def main() -> None:
        await _create(drive)
        await drive.append(BLOB, 0, 4096, [b"x" * 65536])
        before = os.stat(drive.path / "shards" / "0f" / f"{BLOB.hex()}.0").st_blocks
        assert await drive.punch(BLOB, 0, [(4096, 32768), (0, 0)]) is Punched.DONE
        assert await drive.read(BLOB, 0, 4096, 65536) == bytes(32768) + b"x" * 32768
        assert os.stat(drive.path / "shards" / "0f" / f"{BLOB.hex()}.0").st_blocks < before
        system.hook("punch", lambda *_: False)
        assert await drive.punch(BLOB, 0, [(4096, 4096)]) is Punched.UNSUPPORTED
        with pytest.raises(ShardNotFound):
            await drive.punch(OTHER, 0, [(4096, 4096)])

    asyncio.run(main())


def test_unlinking_says_whether_there_was_anything(drive: Drive) -> None:
    async def main() -> None:
        await _create(drive)
        assert await drive.unlink(BLOB, 0) is True
        assert await drive.unlink(BLOB, 0) is False
        assert await drive.shards() == []

    asyncio.run(main())


def test_a_rebuilt_shard_takes_the_place_of_the_old_one_for_every_process(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shardfiles, "_TRUSTED_SECONDS", 0.0)
    other_process = Drive(look(drive.path))

    async def main() -> None:
        await _create(drive)
        await drive.append(BLOB, 0, 4096, [b"old"])
        assert await other_process.read(BLOB, 0, 4096, 3) == b"old"
        for attempt in (b"dead", b"new!"):  # the first rebuild was killed: its file is no obstacle
            await _create(drive, temporary=True)
            await drive.write(BLOB, 0, 4096, [attempt], temporary=True)
        assert [index for _, index, _, _ in await drive.shards()] == [0], "a temporary file is no shard"
        assert await drive.read(BLOB, 0, 4096, 4, temporary=True) == b"new!"
        await drive.place(BLOB, 0)
        assert await drive.read(BLOB, 0, 4096, 4) == b"new!"
        assert await other_process.read(BLOB, 0, 4096, 4) == b"new!"
        assert await drive.discard_temporaries() == 0
        await _create(drive, temporary=True)
        assert await drive.discard_temporaries() == 1

    asyncio.run(main())
    other_process.close()


def test_a_file_that_another_process_removed_gives_its_space_back(drive: Drive) -> None:
    async def main() -> None:
        await drive.create(BLOB, 0, HEADER, 0)
        await drive.create(OTHER, 0, HEADER, 0)
        os.unlink(shardfiles.shard_path(str(drive.path), BLOB, 0))
        await drive.look()
        held = [os.readlink(file) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
        assert [name for name in held if name.startswith(f"{drive.path}/shards")] == [
            shardfiles.shard_path(str(drive.path), OTHER, 0)
        ]

    asyncio.run(main())


def test_files_that_are_no_shards_are_not_listed(drive: Drive) -> None:
    async def main() -> None:
        await _create(drive)
        folder = drive.path / "shards" / "0f"
        for name in ("README", f"{BLOB.hex()}", f"{BLOB.hex()}.x", f"{'g' * 32}.1", f"{BLOB.hex()}.1.bak"):
            (folder / name).write_text("x")
        (drive.path / "shards" / "file").write_text("x")
        assert [(blob, index) for blob, index, _, _ in await drive.shards()] == [(BLOB, 0)]

    asyncio.run(main())


def test_descriptors_are_bounded_and_never_mixed_up(tmp_path: Path) -> None:
    drive = new_drive(tmp_path / "few", open_files=3)
    blobs = [bytes([number]) * 16 for number in range(24)]

    async def check(blob: bytes) -> None:
        for _ in range(20):
            data = drive.read_now(blob, 0, 4096, 16) or await drive.read(blob, 0, 4096, 16)
            assert data == blob

    async def main() -> None:
        for blob in blobs:
            await drive.create(blob, 0, HEADER, 0)
            await drive.append(blob, 0, 4096, [blob])
        await asyncio.gather(*(check(blob) for blob in blobs * 3))
        links = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
        assert sum(link.startswith(f"{drive.path}/shards") for link in links) <= 3

    asyncio.run(main())
    drive.close()


@pytest.mark.parametrize("last", ["sync", "finish", "place"])
def test_a_stream_is_synced_through_the_descriptor_that_it_was_written_through(tmp_path: Path, last: str) -> None:
    """The kernel tells of bytes that it could not write to who had the file open then."""
    system = FaultySystem()
    drive = new_drive(tmp_path / "few", open_files=1, system=system)
    opened: list[str] = []
    held: list[str] = []
    temporary = last == "place"

    def open_file(path: str, *arguments: int) -> int:
        opened.append(path)
        return really_open(path, *arguments)

    def sync(fd: int) -> None:
        held.append(os.readlink(f"/proc/self/fd/{fd}"))

    really_open = system.hook("open", open_file)

    async def main() -> None:
        await drive.create(BLOB, 0, HEADER, 0, temporary=temporary)
        await drive.write(BLOB, 0, 4096, [bytes(4096)], temporary=temporary)
        await drive.create(OTHER, 0, HEADER, 0)  # it takes the place of the other among those that are kept open
        for name in ("fsync", "fdatasync"):
            system.hook(name, sync)
        opened.clear()
        if last == "sync":
            await drive.sync(BLOB, 0)
        elif last == "finish":
            await drive.finish(BLOB, 0, 8192)
        else:
            await drive.place(BLOB, 0)
        path = shardfiles.shard_path(str(drive.path), BLOB, 0) + (".tmp" if temporary else "")
        assert held[0] == path
        assert path not in opened

    asyncio.run(main())
    links = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert sum(link.startswith(f"{drive.path}/shards") for link in links) <= 1, "once it is synced it may be closed"
    drive.close()


def test_usage_is_the_file_systems(drive: Drive) -> None:
    async def main() -> None:
        await asyncio.to_thread(drive.run, drive.measure)
        usage, found = drive.usage, os.statvfs(drive.path)
        assert usage.total == found.f_blocks * found.f_frsize
        assert 0 < usage.free <= usage.total
        assert usage.used <= usage.total

    asyncio.run(main())


APPENDER = """
    import asyncio, sys
    from pathlib import Path
    from objstore.drives.drive import Drive
    from objstore.drives.inspection import look

    async def client(drive, blob, lane):
        for turn in range(100000):
            number = turn * 8 + lane
            await drive.append(blob, 0, 4096 * (number + 1), [number.to_bytes(8, "big") * 200])
            print(number, flush=True)

    async def main():
        drive, blob = Drive(look(Path(sys.argv[1]))), bytes(16)
        await drive.create(blob, 0, b"H" * 4096, 64 << 20)
        await asyncio.gather(*(client(drive, blob, lane) for lane in range(8)))

    asyncio.run(main())
"""


def test_a_killed_process_leaves_every_acknowledged_append_whole(tmp_path: Path) -> None:
    new_drive(tmp_path / "drive").close()
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(APPENDER), str(tmp_path / "drive")], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = [int(child.stdout.readline()) for _ in range(300)]
    child.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in child.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
    drive = Drive(look(tmp_path / "drive"))

    async def main() -> None:
        for number in acknowledged:
            data = await drive.read(bytes(16), 0, 4096 * (number + 1), 1600)
            assert data == number.to_bytes(8, "big") * 200

    asyncio.run(main())
    drive.close()
