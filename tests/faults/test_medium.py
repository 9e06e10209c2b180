"""The disk that tests lose power on: what was synced is there, what was not may be gone in every way."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from objstore.catalog import pages
from tests.faults.injection import Board, Faults, FaultySystem, plugged
from tests.faults.medium import SECTOR, Medium

STATES = 200


class Disk(NamedTuple):
    board: Board
    system: FaultySystem
    root: Path
    medium: Medium

    def make(self, name: str, content: bytes = b"", *, flags: int = 0) -> int:
        fd = self.system.open(self.root / name, os.O_RDWR | os.O_CREAT | flags, 0o600)
        if content:
            assert self.system.pwritev(fd, [content], 0) == len(content)
        return fd

    def sync_names(self) -> None:
        fd = self.system.open(self.root, os.O_RDONLY)
        self.system.fsync(fd)
        os.close(fd)

    def states(self, name: str = "file") -> set[bytes | None]:
        """What a file may hold after a power loss, in so many draws; None where it is not there."""
        seen: set[bytes | None] = set()
        for seed in range(STATES):
            target = self.root.parent / f"after{seed}"
            self.medium.crash(target, f"{seed}")
            seen.add((target / name).read_bytes() if (target / name).exists() else None)
        return seen


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    root = tmp_path / "disk"
    root.mkdir()
    with plugged() as board:
        medium = Medium(root)
        board.mediums.append(medium)
        yield Disk(board, FaultySystem(board), root, medium)
        assert medium.off or medium.missed() == []


def test_what_was_synced_is_there_and_nothing_else(disk: Disk) -> None:
    fd = disk.make("file", b"old")
    disk.system.fsync(fd)
    disk.sync_names()
    assert disk.states() == {b"old"}


def test_a_name_that_was_not_synced_may_be_gone(disk: Disk) -> None:
    disk.system.fsync(disk.make("file", b"old"))
    assert disk.states() == {b"old", None}


def test_bytes_that_were_not_synced_may_be_gone(disk: Disk) -> None:
    disk.make("file", b"new")
    disk.sync_names()
    assert disk.states() == {b"", b"\0\0\0", b"new"}


def test_a_write_is_torn_at_sectors_in_any_combination(disk: Disk) -> None:
    fd = disk.make("file", b"o" * 3 * SECTOR)
    disk.system.fsync(fd)
    disk.sync_names()
    disk.system.pwritev(fd, [b"n" * 2 * SECTOR], SECTOR // 2)
    half, one = SECTOR // 2, SECTOR
    old, new = b"o", b"n"
    possible = {
        old * half + a * half + b * one + c * half + old * half
        for a in (old, new)
        for b in (old, new)
        for c in (old, new)
    }
    assert disk.states() == possible


def test_a_truncation_that_was_not_synced_may_not_have_happened(disk: Disk) -> None:
    fd = disk.make("file", b"long")
    disk.system.fsync(fd)
    disk.sync_names()
    disk.system.ftruncate(fd, 1)
    assert disk.states() == {b"long", b"l"}


def test_a_rename_happened_or_not_and_nothing_between(disk: Disk) -> None:
    disk.system.fsync(disk.make("file", b"old"))
    disk.system.fsync(disk.make("file.tmp", b"new"))
    disk.sync_names()
    disk.system.rename(disk.root / "file.tmp", disk.root / "file")
    assert disk.states() == {b"old", b"new"}


def test_a_failed_sync_forgets_and_the_next_one_does_not_help(disk: Disk) -> None:
    """https://wiki.postgresql.org/wiki/Fsync_Errors"""
    disk.sync_names()
    fd = disk.make("file", b"new")
    disk.sync_names()
    disk.board.faults = Faults("", ["file"], error=1.0)
    with pytest.raises(OSError, match="injected"):
        disk.system.fsync(fd)
    disk.board.faults.end()
    disk.system.fsync(fd)
    assert disk.states() in ({b""}, {b"\0\0\0"}, {b"new"})
    assert disk.medium.at(disk.root / "file").size == 3  # type: ignore[union-attr]


def test_from_a_moment_on_nothing_works(disk: Disk) -> None:
    fd = disk.make("file", b"old")
    disk.system.fsync(fd)
    disk.medium.off_at = disk.medium.changes + 2
    disk.system.pwritev(fd, [b"1"], 0)
    for call in (
        lambda: disk.system.pwritev(fd, [b"2"], 0),
        lambda: disk.system.pread(fd, 1, 0),
        lambda: disk.make("b"),
    ):
        with pytest.raises(OSError) as raised:
            call()
        assert raised.value.errno == errno.EIO


def test_sqlite_keeps_what_it_synced_and_loses_what_it_did_not(disk: Disk) -> None:
    def rows(path: Path) -> int:
        connection = apsw.Connection(str(path))
        try:
            return int(connection.execute("SELECT count(*) FROM t").get)
        finally:
            connection.close()

    connection = apsw.Connection(str(disk.root / "file"))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.execute("CREATE TABLE t (x)")
    disk.sync_names()
    connection.execute("INSERT INTO t VALUES (1)")
    for seed in range(20):
        disk.medium.crash(disk.root.parent / f"synced{seed}", f"{seed}")
        assert rows(disk.root.parent / f"synced{seed}" / "file") == 1
    disk.medium.off = False
    connection.pragma("synchronous", "normal")
    connection.execute("INSERT INTO t VALUES (2)")
    counts = set()
    for seed in range(20):
        disk.medium.crash(disk.root.parent / f"loose{seed}", f"{seed}")
        counts.add(rows(disk.root.parent / f"loose{seed}" / "file"))
    assert counts == {1, 2}
    disk.medium.off = False
    connection.close()


@pytest.mark.parametrize(("kind", "error"), [("error", apsw.IOError), ("full", apsw.FullError)])
def test_sqlite_hears_of_faults(disk: Disk, kind: str, error: type[Exception]) -> None:
    connection = apsw.Connection(str(disk.root / "file"))
    connection.execute("CREATE TABLE t (x)")
    disk.board.faults = Faults("", ["file", "file-journal"], **{kind: 1.0})
    with pytest.raises(error):
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    disk.board.faults.end()
    connection.close()
    assert apsw.Connection(str(disk.root / "file")).execute("SELECT count(*) FROM t").get == 0


def test_the_same_seed_strikes_the_same_calls() -> None:
    def struck(seed: str) -> list[bool]:
        faults = Faults(seed, ["d"], error=0.5)
        return [faults.strikes(faults.of("d", "fsync"), "error") for _ in range(50)]

    assert struck("1") == struck("1") != struck("2")
    assert {True, False} == set(struck("1"))


def test_reads_that_give_something_else(disk: Disk) -> None:
    fd = disk.make("file", b"o" * 8192)
    disk.system.fsync(fd)
    disk.system.pwritev(fd, [b"n" * 4096], 0)
    for kind, expected in (("stale", b"o" * 4096), ("astray", b"o" * 4096)):
        disk.board.faults = Faults("", ["file"], **{kind: 1.0})
        assert expected in {disk.system.pread(fd, 4096, 0) for _ in range(20)}, kind
    disk.board.faults = Faults("", ["file"], rot=1.0)
    spoilt = disk.system.pread(fd, 4096, 0)
    assert sum((byte ^ ord("n")).bit_count() for byte in spoilt) == 1
    disk.board.faults.end()
    assert disk.system.pread(fd, 4096, 0) == b"n" * 4096


def test_sqlite_notices_pages_that_read_wrong(disk: Disk) -> None:
    path = disk.root / "file"
    connection = pages.create(path)
    connection.execute("CREATE TABLE t (x)")
    connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    connection.close()
    connection = pages.connect(path)
    disk.board.faults = Faults("", ["file"], rot=1.0)
    with pytest.raises(apsw.Error) as told:
        connection.execute("SELECT sum(length(x)) FROM t").fetchall()
    assert pages.is_damage(told.value)
    disk.board.faults.end()
    connection.close()
    assert pages.connect(path).execute("SELECT length(x) FROM t").get == 100_000


def test_sqlite_is_given_old_and_other_pages_and_loses_writes(disk: Disk) -> None:
    """All with checksums that match: nothing is said."""
    path = disk.root / "file"
    connection = pages.create(path)
    connection.execute("CREATE TABLE t (x)")
    connection.execute("CREATE TABLE u (x)")
    for table, value in (("t", 1), ("u", 2)):
        connection.execute(f"INSERT INTO {table} VALUES (?)", (value,))
    connection.execute("UPDATE t SET x = 3")
    connection.close()

    def read(**rates: float) -> set[int]:
        """What t holds, by many connections."""
        disk.board.faults = Faults("", ["file"], **rates)
        seen = set()
        for _ in range(30):
            connection = pages.connect(path)
            seen.update(row[0] for row in connection.execute("SELECT x FROM t"))
            connection.close()
        disk.board.faults.end()
        return seen

    assert read() == {3}
    assert read(page_stale=0.5) == {1, 3}
    seen: set[int] = set()
    with contextlib.suppress(apsw.Error):  # it may be noticed, or not
        seen = read(page_astray=0.1)
    assert seen <= {2, 3}
    connection = pages.connect(path)
    disk.board.faults = Faults("", ["file"], page_lost=1.0)
    connection.execute("UPDATE u SET x = 4")
    disk.board.faults.end()
    connection.close()
    connection = pages.connect(path)
    assert connection.execute("SELECT x FROM u").get == 2
    connection.close()


@pytest.mark.parametrize("kind", ["log_rot", "log_stale", "log_astray", "log_short"])
def test_what_a_log_gives_is_not_what_was_written(disk: Disk, kind: str) -> None:
    """SQLite verifies a log when it is recovered, and takes what precedes the first frame that is not whole."""
    path = disk.root / "file"
    connection = pages.create(path)
    connection.pragma("journal_mode", "wal")
    connection.pragma("wal_autocheckpoint", 0)
    connection.execute("CREATE TABLE t (x)")
    for turn in range(2):
        for number in range(5):
            connection.execute("INSERT INTO t VALUES (?)", (10 * turn + number,))
        if not turn:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.close()
    struck = False
    for seed in range(20):
        disk.board.faults = Faults(f"{seed}", ["file-wal"], **{kind: 0.2})
        path.with_name("file-shm").unlink(missing_ok=True)
        try:
            recovered = pages.connect(path)
        except apsw.Error:
            continue  # noticed
        finally:
            struck |= bool(disk.board.faults.struck)
            disk.board.faults.end()
        connection = pages.connect(path)
        seen = [row[0] for row in connection.execute("SELECT x FROM t")]
        assert seen == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14][: len(seen)]
        assert len(seen) >= 5, "these are in the file itself"
        for one in (connection, recovered):
            one.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            one.close()
    assert struck
