"""Drives that are not what they should be: taken, swapped, somebody else's, read-only, rotten."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

from tests.admin import run
from tests.faults.cluster import (
    Load,
    as_promised,
    check,
    command,
    fill,
    info,
    mounted,
    refused_start,
    remove,
    states,
    stopped,
)
from tests.front.wire import until
from tests.harness import Running, serving


def test_a_second_server_on_the_same_drives_is_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        keys = fill(server, 3)
        said = refused_start(server)
        assert str(server.drives[0]) in said and "another" in said.lower()
        one = Running(drives=server.drives[2:3], log=tmp_path / "second.log")
        assert str(server.drives[2]) in refused_start(one)
        check(server, keys)


def test_of_two_first_starts_on_the_same_drives_one_is_refused(tmp_path: Path) -> None:
    drives = [tmp_path / f"drive{number}" for number in range(1, 5)]
    both = [Running(drives=drives, log=tmp_path / f"log{number}", workers=1) for number in range(2)]
    with contextlib.ExitStack() as stack:
        for server in both:
            server.wait = lambda *_args, **_options: None  # type: ignore[method-assign]
            stack.callback(server.kill)
            server.start()
        refused = until(lambda: [one for one in both if one.process and one.process.poll() is not None], "one ends")
        assert len(refused) == 1
        assert "in use by another server" in refused[0].output()
        refused[0].process = None
        winner = next(one for one in both if one not in refused)
        Running.wait(winner)
        check(winner, fill(winner, 3))


def test_a_drive_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    nowhere = Running(drives=[tmp_path / "one", Path("/proc/nowhere/drive")], log=tmp_path / "log")
    assert "drive /proc/nowhere/drive: the folder cannot be made" in refused_start(nowhere)
    with mounted(tmp_path / "two", "-t", "tmpfs", "-o", "ro", "objstore-test"):
        fixed = Running(drives=[tmp_path / "one", tmp_path / "two"], log=tmp_path / "log")
        assert f"drive {tmp_path / 'two'}: cannot be" in refused_start(fixed)


def test_two_drives_that_changed_places_work(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        keys = fill(server, 10)
        with stopped(server):
            aside = tmp_path / "aside"
            server.drives[0].rename(aside)
            server.drives[2].rename(server.drives[0])
            aside.rename(server.drives[2])
        assert states(server) == ["online"] * 4
        looked_through(server, 0, 2)
        check(server, keys)
        with Load(server, "swapped") as load:
            load.progress(5)
        assert load.failed_writes == []
        check(server, load.acknowledged)


def looked_through(server: Running, *drives: int) -> None:
    """These drives, and no others, were looked through since the start; then all is well."""
    wanted = {str(server.drives[number]) for number in drives}
    as_promised(server)
    since = server.output().rpartition("serves S3 at")[2]
    assert set(re.findall(r'"drive (\S+) was looked through"', since)) == wanted, since
    assert run(server, "verify").status == 0


def test_a_drive_with_the_shards_of_another_is_looked_through(tmp_path: Path) -> None:
    """The drive knows who it is; what lies on it is not its own."""
    with serving(tmp_path) as server:
        keys = fill(server, 10)
        with stopped(server):
            first, second = (server.drives[number] / "shards" for number in (1, 3))
            first.rename(tmp_path / "aside")
            second.rename(first)
            (tmp_path / "aside").rename(second)
        looked_through(server, 1, 3)
        check(server, keys)


def test_an_old_copy_of_a_drive_is_looked_through(tmp_path: Path) -> None:
    """It has a file for every shard, and knows an earlier ballot; one of the files is not whole."""
    with serving(tmp_path) as server:
        keys = fill(server, 10)
        with stopped(server):
            shutil.copytree(server.drives[1], tmp_path / "copy")
        with stopped(server):
            remove(server.drives[1])
            (tmp_path / "copy").rename(server.drives[1])
            shard = next(path for path in (server.drives[1] / "shards").rglob("*.*") if path.is_file())
            os.truncate(shard, shard.stat().st_size // 2)
        looked_through(server, 1)
        with stopped(server):  # nothing has happened meanwhile
            pass
        looked_through(server)
        check(server, keys)


def test_an_old_copy_that_takes_its_drives_place_while_clients_work_is_looked_through(tmp_path: Path) -> None:
    """In less time than anybody needs to miss the drive; nobody reads what it lacks."""
    with serving(tmp_path, workers=2) as server:
        keys = fill(server, 6)
        drive = server.drives[1]
        shutil.copytree(drive, tmp_path / "copy")
        with Load(server, "since") as load:
            load.progress(12)
        drive.rename(tmp_path / "away")
        (tmp_path / "copy").rename(drive)
        until(lambda: f"drive {drive} was looked through" in server.output(), "it is noticed")
        as_promised(server)
        found = run(server, "verify", "--json")
        assert found.status == 0, found.output
        check(server, keys + load.acknowledged)


def test_the_start_says_which_drives_are_of_which_deployment(tmp_path: Path) -> None:
    with serving(tmp_path / "one", drives=1) as one, serving(tmp_path / "two", drives=2) as two:
        one.stop(), two.stop()
        said = refused_start(Running(drives=[*one.drives, *two.drives], log=tmp_path / "log"))
        assert f"drive {one.drives[0]} belongs to another deployment" in said
        assert f"than {two.drives[0]}" in said and "name the drives of one" in said


def test_a_drive_of_another_deployment_is_never_written(tmp_path: Path) -> None:
    with serving(tmp_path / "other", drives=1) as other:
        fill(other, 2)
        other.stop()
        with serving(tmp_path / "ours") as server:
            keys = fill(server, 6)
            server.drives[1].rename(tmp_path / "ours1")
            shutil.copytree(other.drives[0], server.drives[1])
            before = snapshot(server.drives[1])
            until(lambda: states(server)[1] == "foreign", "the foreign drive is noticed")
            drive = info(server)["drives"][1]
            assert "another deployment" in drive["problem"]
            with Load(server, "load") as load:
                load.progress(5)
            assert load.failed_writes == []
            check(server, keys + load.acknowledged)
            assert snapshot(server.drives[1]) == before
            server.stop()
            said = command("server", "--address", "127.0.0.1:0", str(server.drives[0]), str(server.drives[1]))
            assert said.returncode != 0
            assert str(server.drives[1]) in said.stdout + said.stderr
            assert snapshot(server.drives[1]) == before


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_with_other_files_is_not_taken(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("do not touch")
    said = refused_start(Running(drives=[mine], log=tmp_path / "log"))
    assert str(mine) in said and "empty" in said
    assert [path.name for path in mine.iterdir() if path.name != "lock"] == ["thesis.txt"]


def test_rotten_shards_read_back_right(tmp_path: Path) -> None:
    """Bytes flipped, a file cut short, a file gone, each on up to two drives of four."""
    with serving(tmp_path) as server:
        keys = fill(server, 20)
        with Load(server, "more") as load:
            load.progress(10)
        chance, counts = random.Random(1), [0, 0, 0]
        for drive in server.drives[:2]:
            for file in sorted(path for path in (drive / "shards").rglob("*") if path.is_file()):
                kind = sum(counts) % 3
                counts[kind] += 1
                if kind == 0:
                    flip(file, chance)
                elif kind == 1:
                    os.truncate(file, file.stat().st_size // 2)
                else:
                    file.unlink()
        assert all(counts), counts
        check(server, keys + load.acknowledged)
        server.stop()
        server.start()
        check(server, keys + load.acknowledged)


def flip(file: Path, chance: random.Random) -> None:
    """Turn a bit in every block of 4 KiB behind the header."""
    with file.open("r+b") as handle:
        for offset in range(4096, file.stat().st_size, 4096):
            place = offset + chance.randrange(4096)
            handle.seek(place)
            old = handle.read(1)
            if old:
                handle.seek(place)
                handle.write(bytes([old[0] ^ 1 << chance.randrange(8)]))


def test_a_read_only_drive_is_worked_around(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path))
        keys = fill(server, 6)
        with stopped(server):
            drive = server.drives[1]
            stack.enter_context(mounted(drive, "--bind", str(drive)))
            subprocess.run(["mount", "-o", "remount,bind,ro", str(drive)], check=True)
        check(server, keys)
        with Load(server, "load", keys) as load:
            load.progress(10, 10)
        assert (load.failed_writes, load.failed_reads) == ([], [])
        check(server, load.acknowledged)
        server.stop()
