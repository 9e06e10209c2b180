"""Whatever happens to one mirror, at rest or while the store runs: nothing is lost, and it is made whole again."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from objstore.catalog import upkeep
from objstore.catalog.errors import CorruptRecord
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction

from .deployment import Deployment, contents

ROWS = 300


def fill(deployment: Deployment) -> None:
    def put(tx: Transaction) -> None:
        for number in range(ROWS):
            tx.run("INSERT INTO settings VALUES (?, ?)", f"row{number:04}", pack({"number": number, "text": "x" * 200}))

    deployment.write(put)


def assert_whole(deployment: Deployment) -> None:
    """Every row reads right, from whichever mirror can give it."""
    for number in range(ROWS):

        def read(tx: Transaction, number: int = number) -> dict[str, object]:
            row = tx.one("SELECT value FROM settings WHERE name = ?", f"row{number:04}")
            if row is None:
                raise CorruptRecord("a row is missing")
            return unpack(row[0], dict[str, object])

        assert deployment.catalog.read(read)["number"] == number


def deleted(deployment: Deployment, slot: int) -> None:
    for path in deployment.paths[slot].glob("catalog.db*"):
        path.unlink()


def truncated(deployment: Deployment, slot: int) -> None:
    with deployment.file(slot).open("r+b") as file:
        file.truncate(deployment.file(slot).stat().st_size // 2)


def emptied(deployment: Deployment, slot: int) -> None:
    deployment.file(slot).write_bytes(b"")


def overwritten(deployment: Deployment, slot: int) -> None:
    deployment.file(slot).write_bytes(random.Random(slot).randbytes(50_000))


def folder_gone(deployment: Deployment, slot: int) -> None:
    shutil.rmtree(deployment.paths[slot])


def replaced_by_an_old_copy(deployment: Deployment, slot: int) -> None:
    old = deployment.root / "old.db"
    beside = deployment.paths[slot] / "beside"
    shutil.copy(old, beside)
    beside.rename(deployment.file(slot))


at_rest = [deleted, truncated, emptied, overwritten, folder_gone, replaced_by_an_old_copy]
running = [deleted, truncated, folder_gone, replaced_by_an_old_copy]


def made(tmp_path: Path) -> Deployment:
    """A stopped deployment with rows, and an old copy of a mirror beside it."""
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("old")
    shutil.copy(deployment.file(0), tmp_path / "old.db")
    with deployment.running():
        fill(deployment)
    return deployment


@pytest.mark.parametrize("slot", [0, 2])
@pytest.mark.parametrize("harm", at_rest, ids=lambda harm: harm.__name__)
def test_at_rest(tmp_path: Path, harm: Callable[[Deployment, int], None], slot: int) -> None:
    deployment = made(tmp_path)
    harm(deployment, slot)
    with deployment.running():
        assert_whole(deployment)
        deployment.put("after")
        assert_whole(deployment)
        deployment.assert_equal()
    with deployment.running():
        assert_whole(deployment)
        assert "after" in deployment.names()


@pytest.mark.parametrize("slot", [0, 1, 2])
@pytest.mark.parametrize("harm", running, ids=lambda harm: harm.__name__)
def test_while_running(tmp_path: Path, harm: Callable[[Deployment, int], None], slot: int) -> None:
    deployment = made(tmp_path)
    with deployment.running():
        assert deployment.members() == [0, 1, 2]
        deployment.put("before")
        harm(deployment, slot)
        deployment.put("after")
        assert slot not in deployment.members()
        assert_whole(deployment)
        deployment.notice()
        assert_whole(deployment)
        deployment.assert_equal()
        assert {"old", "before", "after"} < deployment.names()
    with deployment.running():
        deployment.assert_equal()
        assert {"old", "before", "after"} < deployment.names()


@pytest.mark.parametrize("seed", range(12))
def test_bits_flipped_in_one_mirror_never_reach_a_reader(tmp_path: Path, seed: int) -> None:
    deployment = made(tmp_path)
    rng = random.Random(seed)
    slot = rng.choice([0, 0, 1])
    data = bytearray(deployment.file(slot).read_bytes())
    for _ in range(rng.choice([1, 20, 200])):
        data[rng.randrange(100, len(data))] ^= 1 << rng.randrange(8)
    deployment.file(slot).write_bytes(data)
    with deployment.running():
        assert_whole(deployment)
        deployment.put("after")
        assert_whole(deployment)
        deployment.notice()
        assert_whole(deployment)
        assert "after" in deployment.names()


def test_a_row_with_another_rows_whole_record_never_reaches_a_reader(tmp_path: Path) -> None:
    """What a flipped bit in a table's structure can do: each record is right, and in the wrong place."""
    deployment = made(tmp_path)
    data = deployment.file(0).read_bytes()
    one, other = b"row0100", b"row0200"
    assert one in data
    assert other in data
    deployment.file(0).write_bytes(data.replace(one, b"between").replace(other, one).replace(b"between", other))
    with deployment.running():
        assert_whole(deployment)
        deployment.notice()
        assert_whole(deployment)
        deployment.assert_equal()


def test_a_mirror_without_checksums_on_its_pages_is_none(tmp_path: Path) -> None:
    deployment = made(tmp_path)
    data = bytearray(deployment.file(0).read_bytes())
    assert data[20] == 8  # bytes reserved at the end of each page
    data[20] = 0
    deployment.file(0).write_bytes(data)
    with deployment.running():
        assert_whole(deployment)
        deployment.notice()
        deployment.assert_equal()


def test_a_mirror_with_a_bad_record_is_reported_and_copied_afresh(tmp_path: Path) -> None:
    deployment = made(tmp_path)
    data = deployment.file(0).read_bytes()
    deployment.file(0).write_bytes(data.replace(b"xxxx" * 20, b"xxxx" * 19 + b"xxyx"))
    with deployment.running():
        assert deployment.members() == [0, 1, 2]
        assert_whole(deployment)
        deployment.notice()
        assert_whole(deployment)
        deployment.assert_equal()
        for slot in deployment.members():  # drive 0 again, or the one that had none, whichever is emptier
            assert b"xxyx" not in b"".join(row[1] or b"" for row in contents(deployment.file(slot))["settings"])


def test_a_writer_that_meets_a_bad_record_goes_on_with_another_leader(tmp_path: Path) -> None:
    deployment = made(tmp_path)
    data = deployment.file(0).read_bytes()
    deployment.file(0).write_bytes(data.replace(b"xxxx" * 20, b"xxxx" * 19 + b"xxyx"))

    def copy(tx: Transaction) -> None:
        row = tx.one("SELECT value FROM settings WHERE name = 'row0000'")
        assert row is not None
        tx.run("INSERT INTO settings VALUES ('copy', ?)", pack(unpack(row[0], dict[str, object])))

    with deployment.running():
        deployment.write(copy)
        assert deployment.members()[0] != 0
        deployment.notice()
        deployment.notice()
        deployment.assert_equal()
        assert_whole(deployment)


def test_a_record_that_is_bad_everywhere_is_the_callers_error_and_costs_no_mirror(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("bad", b"not a record")

        def read(tx: Transaction) -> object:
            row = tx.one("SELECT value FROM settings WHERE name = 'bad'")
            assert row is not None
            return unpack(row[0], dict[str, object])

        with pytest.raises(CorruptRecord):
            deployment.catalog.read(read)
        with pytest.raises(CorruptRecord):
            deployment.write(read)
        deployment.notice()
        assert deployment.members() == [0, 1, 2]
        deployment.put("more")


def test_a_reader_never_opens_an_old_copy(tmp_path: Path) -> None:
    deployment = made(tmp_path)
    with deployment.running():
        replaced_by_an_old_copy(deployment, 0)
        assert_whole(deployment)  # before anything was written, so before anybody has noticed
        deployment.notice()
        assert_whole(deployment)
        deployment.assert_equal()


@pytest.mark.parametrize("harm", ["cut", "flipped"])
def test_a_log_that_lost_what_is_in_the_file_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """Killed after a checkpoint, and the middle of one log is bad: the file is then newer than the rest of its log."""
    monkeypatch.setattr(upkeep, "CHECKPOINT_BYTES", 1_000)
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.write(lambda tx: tx.run("INSERT INTO usage (bucket) VALUES (1)"))
    with deployment.running() as catalog:
        for number in range(20):
            deployment.put(f"row{number}", bytes(3_000))
        for _ in range(20):
            deployment.write(lambda tx: tx.run("UPDATE usage SET objects = objects + 1 WHERE bucket = 1"))
        asyncio.run(catalog.maintain())
        for path in deployment.paths:
            shutil.copytree(path, tmp_path / "killed" / path.name)
    for path in deployment.paths:
        shutil.rmtree(path)
        (tmp_path / "killed" / path.name).rename(path)
    log = deployment.file(0).with_name("catalog.db-wal")
    data = bytearray(log.read_bytes())
    data[len(data) // 4] ^= 1
    log.write_bytes(data[: len(data) // 4] if harm == "cut" else data)
    for _ in range(2):
        with deployment.running() as catalog:
            assert catalog.read(lambda tx: tx.one("SELECT objects FROM usage WHERE bucket = 1")) == (20,)
            assert deployment.names() == {f"row{number}" for number in range(20)}
            deployment.assert_equal()
