"""Mirrors of a server's catalog deleted, cut, flipped or replaced by an old one, at rest and while clients are served:
noticed, left out, made again, and no client hears of it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest
from botocore.exceptions import ClientError

from objstore.catalog import pages
from objstore.catalog.records import pack
from objstore.jobs import mirror_checks
from objstore.store.store import now_us
from tests.admin import run
from tests.faults.cluster import BUCKET, Load, body, check, fill, info, sql, stopped
from tests.front.wire import until
from tests.harness import Running, serving


def deleted(mirror: Path, old: Path) -> None:
    mirror.unlink()


def cut(mirror: Path, old: Path) -> None:
    with mirror.open("r+b") as file:
        file.truncate(mirror.stat().st_size // 2)


def flipped(mirror: Path, old: Path) -> None:
    """A bit in every page but the first, which says what the file is."""
    chance = random.Random(7)
    with mirror.open("r+b") as file:
        for page in range(4_096, mirror.stat().st_size, 4_096):
            file.seek(page + chance.randrange(4_096))
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes((byte[0] ^ 1 << chance.randrange(8),)))


def old_one(mirror: Path, old: Path) -> None:
    beside = mirror.with_name("beside")
    shutil.copy(old, beside)
    beside.rename(mirror)


def mirrors(server: Running) -> list[Path]:
    """The mirrors that are in use."""
    return [Path(drive["path"], "catalog.db") for drive in info(server)["drives"] if drive["mirror"]]


@contextlib.contextmanager
def after(harm: Callable[[Path, Path], None], mirror: Path, old: Path) -> Iterator[int]:
    """Do the harm; the number of the file that is there then, which no other file gets meanwhile."""
    harm(mirror, old)
    if not mirror.exists():
        yield 0
        return
    with mirror.open("rb") as file:
        yield os.fstat(file.fileno()).st_ino


def made_again(server: Running, mirror: Path, harmed: int) -> None:
    """Wait until there are as many mirrors as there should be, and the harmed file is none of them."""

    def whole() -> bool:
        now = info(server)
        if now["healing"]["mirrors"] or not now["writable"]:
            return False
        with contextlib.suppress(FileNotFoundError):  # it is being replaced at this moment
            return mirror not in mirrors(server) or mirror.stat().st_ino != harmed
        return False

    until(whole, f"{mirror} is made again", 60)


def looked_through(server: Running) -> None:
    """What is in a page that nobody has read since is found by whoever looks, which is not always a client."""
    run(server, "verify")


class Pool(NamedTuple):
    """A server, what it holds, and a mirror from before it held anything."""

    server: Running
    keys: list[str]
    old: Path


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """One pool for every harm: each is mended before the next."""
    folder = tmp_path_factory.mktemp("mirrors")
    with serving(folder / "pool", workers=2) as server:
        with stopped(server):
            shutil.copy(server.drives[0] / "catalog.db", folder / "old.db")
        yield Pool(server, fill(server, 6), folder / "old.db")


@pytest.mark.parametrize("harm", [deleted, cut, flipped, old_one], ids=lambda harm: harm.__name__)
def test_no_client_hears_of_it(pool: Pool, harm: Callable[[Path, Path], None]) -> None:
    server, keys, old = pool
    with Load(server, harm.__name__, keys, writers=2) as load:
        load.progress(10, 10)
        leader = mirrors(server)[0]
        with after(harm, leader, old) as harmed:
            load.progress(10, 10)
            if harm is flipped:
                looked_through(server)
            made_again(server, leader, harmed)
        load.progress(5, 5)
    assert load.failed_reads == []
    assert all("ServiceUnavailable" in one for one in load.failed_writes), load.failed_writes
    leader, *_, last = mirrors(server)
    with contextlib.ExitStack() as stack:  # as many at once as the parity: one is left that is right
        with stopped(server):
            harmed = stack.enter_context(after(harm, leader, old))
            harmed_too = stack.enter_context(after(harm, last, old))
        if harm in (cut, flipped):
            looked_through(server)
        if harm is not old_one:  # one that only lags is caught up, and stays
            made_again(server, leader, harmed)
            made_again(server, last, harmed_too)
    check(server, keys + load.acknowledged)
    verified = run(server, "verify")
    assert verified.status == 0, verified.out + verified.err


def test_two_mirrors_that_contradict_each_other(tmp_path: Path) -> None:
    """As after a page that its drive never wrote: one holds an older version of an object, or none, and every checksum
    matches. What stands on it waits until they have been compared; the one that contradicts itself is made again,
    leader or not, and where neither does, the one that does not lead."""
    with serving(tmp_path, drives=2, workers=1) as server:
        keys = fill(server, 6)
        s3 = server.client()
        harms = (
            (1, "UPDATE objects SET ord = ord - 1 WHERE key = ?", keys[0]),
            (0, "DELETE FROM objects WHERE key = ?", keys[1]),
        )
        for drive, harm, key in harms:
            until(lambda: info(server)["healing"]["mirrors"] == 0, "both mirrors are there")
            mirror = server.drives[drive] / "catalog.db"
            with mirror.open("rb") as before:
                with contextlib.closing(pages.connect(mirror)) as connection:
                    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                    connection.execute(harm, (key.encode(),))
                with pytest.raises(ClientError) as refused:
                    s3.put_object(Bucket=BUCKET, Key=key, Body=body(key))
                assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
                assert "contradict each other" in str(refused.value)
                made_again(server, mirror, os.fstat(before.fileno()).st_ino)
            s3.put_object(Bucket=BUCKET, Key=key, Body=body(key))
        check(server, keys)

        # what nobody writes, and clients read: drive 1 leads now
        until(lambda: info(server)["healing"]["mirrors"] == 0, "both mirrors are there")
        mirror = server.drives[0] / "catalog.db"
        with mirror.open("rb") as before:
            with contextlib.closing(pages.connect(mirror)) as connection:
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                connection.execute("DELETE FROM objects WHERE key = ?", (keys[2].encode(),))

            def made_again_by_reading() -> bool:
                check(server, keys[2:3])
                with contextlib.suppress(FileNotFoundError):
                    return mirror.stat().st_ino != os.fstat(before.fileno()).st_ino
                return False

            until(made_again_by_reading, "a client's reads show it", 60)
        verified = run(server, "verify")
        assert verified.status == 0, verified.out + verified.err


def test_mirrors_are_compared_every_day(tmp_path: Path) -> None:
    """Whether anybody reads or writes what is wrong, or not; a restart does not put it off."""
    config = tmp_path / "config.toml"
    config.write_text("[catalog_snapshots]\ninterval = 0.3\n")  # what can wait waits so long after a start, no minute
    compared = f"SELECT value FROM settings WHERE name = '{mirror_checks.ROW}'"
    with serving(tmp_path / "pool", drives=2, workers=1, arguments=("--config", str(config))) as server:
        keys = fill(server, 2)
        until(lambda: sql(server, compared), "they are compared for the first time")
        mirror = server.drives[1] / "catalog.db"
        with stopped(server):
            yesterday = pack((now_us() - mirror_checks.PERIOD_US, 0))
            for drive in server.drives:
                with contextlib.closing(pages.connect(drive / "catalog.db")) as connection:
                    connection.execute("UPDATE settings SET value = ? WHERE name = ?", (yesterday, mirror_checks.ROW))
                    if drive == server.drives[1]:
                        connection.execute("UPDATE objects SET ord = ord - 1")
            before = mirror.open("rb")
        with before:
            until(lambda: sql(server, compared) != [(yesterday,)], "they are compared")
            made_again(server, mirror, os.fstat(before.fileno()).st_ino)
        check(server, keys)
