"""Upkeep keeps logs short, and brings a deployment back to full strength without disturbing it."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import apsw
import pytest

from objstore.catalog import upkeep
from objstore.catalog.catalog import attach
from objstore.catalog.errors import SchemaTooNew, StartRefused
from objstore.catalog.mirror import Mirror
from objstore.catalog.schema import MIGRATIONS, VERSION
from objstore.catalog.transaction import Transaction
from objstore.drives.format import read_ballot
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState

from .deployment import Deployment, contents, replace_new_drives


def test_logs_begin_anew_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "CHECKPOINT_BYTES", 100_000)
    monkeypatch.setattr(upkeep, "RESTART_BYTES", 200_000)
    deployment = Deployment(tmp_path, 2)
    with deployment.running() as catalog:

        async def load() -> None:
            for number in range(300):
                await catalog.write(
                    lambda tx, n=number: tx.run("INSERT INTO settings VALUES (?, ?)", f"{n}", bytes(5_000))
                )
                if number % 50 == 0:
                    await catalog.maintain()

        asyncio.run(load())
        for slot in range(2):
            assert deployment.file(slot).with_name("catalog.db-wal").stat().st_size < 2_000_000
        deployment.assert_equal()


def test_a_slow_reader_does_not_stop_the_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "CHECKPOINT_BYTES", 1_000)
    monkeypatch.setattr(upkeep, "RESTART_BYTES", 1_000)
    deployment = Deployment(tmp_path, 2)
    with deployment.running() as catalog:
        deployment.put("a")

        def slow(tx: Transaction) -> list[tuple[object, ...]]:
            tx.one("SELECT 1 FROM settings")
            deployment.put("b", bytes(10_000))
            asyncio.run(catalog.maintain())
            deployment.put("c")
            return tx.all("SELECT name FROM settings")

        assert catalog.read(slow) == [("a",)]
        asyncio.run(catalog.maintain())
        assert deployment.names() == {"a", "b", "c"}
        assert len(catalog.status().members) == 2


def test_a_mirror_is_recruited_while_others_write(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        deployment.put("before", bytes(100_000))
        deployment.lose(1)
        stop = threading.Event()
        written: list[str] = []

        def keep_writing() -> None:
            async def run() -> None:
                while not stop.is_set():
                    name = f"n{len(written)}"
                    await catalog.write(
                        lambda tx, name=name: tx.run("INSERT INTO settings VALUES (?, ?)", name, bytes(100))
                    )
                    written.append(name)

            asyncio.run(run())

        thread = threading.Thread(target=keep_writing)
        thread.start()
        for _ in range(3):
            deployment.notice()
        stop.set()
        thread.join()
        assert sorted(deployment.members()) == [0, 2, 3]
        deployment.assert_equal()
        assert deployment.names() == {"before", *written}


def test_a_drive_that_was_away_learns_the_ballot(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        deployment.lose(3)
        deployment.notice()
        deployment.lose(0)
        deployment.notice()
        deployment.bring_back(3)
        for _ in range(3):
            deployment.notice()
        ballot = read_ballot(deployment.paths[3])
        assert ballot is not None
        assert ballot.epoch == catalog.status().epoch
        deployment.put("a")


def test_a_damaged_ballot_is_no_voice_and_is_written_anew(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a")
    (deployment.paths[0] / "ballot").write_bytes(b"{}")
    with deployment.running():
        assert deployment.names() == {"a"}
        deployment.notice()
        assert read_ballot(deployment.paths[0]) == read_ballot(deployment.paths[1])


def test_a_drive_that_was_faulty_waits_for_its_new_mirror(tmp_path: Path) -> None:
    """Other processes still think it faulty, and would vote it out again."""
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        catalog._upkeep._settle = 3600.0
        deployment.pool.drives[3].faults = 1
        deployment.pool.drives[1].change(DriveState.FAULTY, "injected")
        asyncio.run(catalog.maintain())
        assert deployment.members() == [0, 2]
        deployment.notice()
        deployment.notice()
        assert deployment.members() == [0, 2]
        catalog._upkeep._settle = 0.0
        deployment.notice()
        assert sorted(deployment.members()) in ([0, 1, 2], [0, 2, 3])


def test_a_process_that_has_not_noticed_a_new_drive_writes_and_reads_its_mirror(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        other_pool = Pool.open(deployment.paths, strict=False)
        other = attach(other_pool, deployment.runtime, strict=False)
        try:
            deployment.put("a")
            assert other.read(lambda tx: tx.one("SELECT name FROM settings")) == ("a",)
            deployment.lose(0, 1)
            for slot in (0, 1):
                deployment.paths[slot].mkdir()
            (tmp_path / "lost0").rename(tmp_path / "for good")
            replace_new_drives(deployment)
            deployment.lose(2)
            deployment.notice()
            assert other.read(lambda tx: tx.one("SELECT name FROM settings")) == ("a",)
        finally:
            other.close()
            other_pool.close()


def test_a_catalog_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 2)
    with deployment.running():
        deployment.put("a")
    for slot in range(2):
        connection = apsw.Connection(str(deployment.file(slot)))
        connection.pragma("user_version", VERSION + 1)
        connection.close()
    before = [path.read_bytes() for path in (deployment.file(0), deployment.file(1))]
    with pytest.raises(SchemaTooNew):
        deployment.start()
    assert before == [path.read_bytes() for path in (deployment.file(0), deployment.file(1))]


def test_a_new_release_migrates_all_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a")
    deployment.lose(1)
    more = (*MIGRATIONS, ("CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT", "INSERT INTO more VALUES (7)"))
    monkeypatch.setattr("objstore.catalog.startup.MIGRATIONS", more)
    monkeypatch.setattr("objstore.catalog.mirror.VERSION", len(more))
    deployment.lose(2)
    with pytest.raises(StartRefused, match="change the catalog"):
        deployment.start()
    deployment.bring_back(2)
    with deployment.running() as catalog:
        assert catalog.read(lambda tx: tx.all("SELECT id FROM more")) == [(7,)]
        deployment.bring_back(1)
        deployment.notice()
        deployment.assert_equal()
    for slot in (0, 2, 3):
        connection = apsw.Connection(str(deployment.file(slot)))
        assert connection.pragma("user_version") == len(more)
        connection.close()
        assert contents(deployment.file(slot))["settings"] == [("a", b"")]


def test_catalogs_without_any_ballot_are_not_overwritten(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a")
    for path in deployment.paths:
        (path / "ballot").unlink()
    with pytest.raises(StartRefused, match="ballot"):
        deployment.start()
    with deployment.running(accept_loss=True):
        assert deployment.names() == {"a"}


def test_status_says_what_is_wrong(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        deployment.put("a")
        status = catalog.status()
        assert (status.seq, status.read_only, status.wanted) == (1, None, 3)
        assert [mirror.problem for mirror in status.mirrors] == [None] * 3
        assert status.leader == status.members[0]
        deployment.lose(0, 1)
        deployment.notice()
        status = catalog.status()
        assert status.read_only is not None
        assert "2 of 4" in status.read_only
        assert [bool(mirror.problem) for mirror in status.mirrors] == [True, True, False]


def test_a_catalog_larger_than_the_cache_is_copied_out_of_its_log(tmp_path: Path) -> None:
    """Pages in a log carry no checksum yet: the copy has to give them one, in whatever order they are written."""
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        for turn in range(10):

            def many(tx: Transaction, turn: int = turn) -> None:
                for number in range(200):
                    tx.run("INSERT INTO settings VALUES (?, ?)", f"{turn}-{number}", bytes(1_000))

            deployment.write(many)
        assert deployment.file(0).with_name("catalog.db-wal").stat().st_size > 3_000_000
        deployment.lose(2)
        deployment.notice()
        assert deployment.members() == [0, 1, 3]
        deployment.assert_equal()


def test_a_drive_that_comes_back_as_it_was_long_ago_is_told_the_ballot_again(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 5)
    with deployment.running() as catalog:
        deployment.put("a")
        shutil.copytree(deployment.paths[4], tmp_path / "old")
        deployment.lose(0)
        deployment.notice()
        deployment.notice()
        assert read_ballot(deployment.paths[4]) == catalog.ballot() != read_ballot(tmp_path / "old")
        deployment.lose(4)
        deployment.notice()
        epoch = catalog.status().epoch
        (tmp_path / "old").rename(deployment.paths[4])
        deployment.notice()
        assert catalog.status().epoch == epoch, "no other election told it"
        assert read_ballot(deployment.paths[4]) == catalog.ballot()


@pytest.mark.parametrize("slot", [0, 1])
def test_a_mirror_whose_log_cannot_be_moved_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slot: int
) -> None:
    """Its file fails and its log does not: it would go on until the log has filled the disk."""
    deployment = Deployment(tmp_path, 3)

    def checkpoint(mirror: Mirror) -> int:
        if mirror.path == deployment.file(slot):
            with mirror.failures():
                raise apsw.IOError("injected")
        return real(mirror)

    real = Mirror.checkpoint
    monkeypatch.setattr(upkeep, "CHECKPOINT_BYTES", 1)
    with deployment.running():
        deployment.put("a")
        before = deployment.file(slot).stat().st_ino
        with monkeypatch.context() as patch, deployment.file(slot).open():  # so its number is not given again
            patch.setattr(Mirror, "checkpoint", checkpoint)
            deployment.notice()
            deployment.notice()
            assert not deployment.file(slot).exists() or deployment.file(slot).stat().st_ino != before
        deployment.notice()
        deployment.assert_equal()
        assert deployment.names() == {"a"}


def test_only_drives_that_vote_get_mirrors(tmp_path: Path) -> None:
    """A start does not look for another one. Of two that join at once one gets its vote in a round, and a mirror."""
    deployment = Deployment(tmp_path, 5, 2)
    with deployment.running() as catalog:
        deployment.put("a")
        for drive in deployment.pool.drives[3:]:
            drive.draining = True  # else they would do

        async def join() -> None:
            for path in (tmp_path / "drive5", tmp_path / "drive6"):
                path.mkdir()
                await deployment.pool.format_new(await deployment.pool.join(path))

        asyncio.run(join())
        deployment.lose(0, 1)
        deployment.notice()
        first, second = (deployment.pool.drives[slot].id for slot in (5, 6))
        assert first in catalog.status().members and second not in catalog.status().members
        assert {*catalog.status().members} <= {*catalog.ballot().drives}
        deployment.notice()
        assert {first, second} <= {*catalog.status().members} <= {*catalog.ballot().drives}
