"""Mirrors on which a transaction does something else than on the others: those that most agree with are believed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from objstore.catalog import pages, sampling
from objstore.catalog.errors import Contradiction

from .deployment import Deployment


def alter(deployment: Deployment, slot: int, sql: str) -> None:
    """What a page does that its drive never wrote: a row is as it was, though all checksums match."""
    with contextlib.closing(pages.connect(deployment.file(slot))) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute(sql)


LOST = "DELETE FROM settings WHERE name = 'a'"
WRITES = {
    "refused": "INSERT INTO settings VALUES ('a', x'02')",
    "rows": "INSERT INTO settings SELECT name || '2', value FROM settings WHERE name IN ('a', 'b')",
}


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_one_of_three_is_outvoted(tmp_path: Path, slot: int) -> None:
    """Also the leader: what it lacks is not taken from the others."""
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a")
        deployment.put("b")
        alter(deployment, slot, LOST)
        deployment.write(lambda tx: tx.run(WRITES["rows"]))
        assert slot not in deployment.members()
        assert deployment.names() == {"a", "b", "a2", "b2"}
        deployment.notice()
        deployment.assert_equal()


def test_a_leader_that_takes_what_all_others_refuse_is_outvoted(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.put("a", b"first")
        alter(deployment, 0, LOST)
        with pytest.raises(apsw.ConstraintError):
            deployment.write(lambda tx: tx.run(WRITES["refused"]))
        assert 0 not in deployment.members()
        assert deployment.catalog.read(lambda tx: tx.all("SELECT * FROM settings")) == [("a", b"first")]
        deployment.notice()
        deployment.assert_equal()


@pytest.mark.parametrize(("slot", "write"), [(0, "rows"), (1, "rows"), (0, "refused")])
def test_one_of_two_is_compared_first(tmp_path: Path, slot: int, write: str) -> None:
    deployment = Deployment(tmp_path, 2)
    with deployment.running() as catalog:
        deployment.put("a")
        deployment.put("b")
        alter(deployment, slot, LOST)
        with pytest.raises(Contradiction):
            deployment.write(lambda tx: tx.run(WRITES[write]))
        assert deployment.members() == [0, 1], "nobody is given up yet"
        assert catalog.doubted
        deployment.put("c")  # what does not stand on it goes on
        drive = deployment.pool.drives[slot].id
        assert drive is not None
        catalog.settle([drive])
        assert not catalog.doubted
        deployment.notice()
        deployment.assert_equal()
        assert deployment.names() == {"a", "b", "c"}


def test_where_a_comparison_finds_nothing_the_leader_is_believed(tmp_path: Path) -> None:
    """Else a write that can never be done alike would wait for ever."""
    deployment = Deployment(tmp_path, 2)
    with deployment.running() as catalog:
        deployment.put("a")
        deployment.put("b")
        alter(deployment, 1, LOST)
        for _ in range(2):
            with pytest.raises(Contradiction):
                deployment.write(lambda tx: tx.run(WRITES["rows"]))
        catalog.settle([])
        deployment.write(lambda tx: tx.run(WRITES["rows"]))
        assert deployment.members() == [0]
        deployment.notice()
        deployment.assert_equal()
        assert deployment.names() == {"a", "b", "a2", "b2"}


def read_for_a_while(deployment: Deployment, until: Callable[[], bool]) -> bool:
    """Ask for one row, turn after turn, until it is so; False where it never is."""

    async def turns() -> bool:
        for _ in range(500):
            deployment.catalog.read(lambda tx: tx.one("SELECT value FROM settings WHERE name = ?", "a"))
            await asyncio.sleep(0.002)
            if until():
                return True
        return False

    return asyncio.run(turns())


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_what_is_read_again_and_again_is_asked_of_the_others_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slot: int
) -> None:
    monkeypatch.setattr(sampling, "EVERY_SECONDS", 0.0)
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        deployment.put("a")
        alter(deployment, slot, "UPDATE settings SET value = x'00' WHERE name = 'a'")
        assert read_for_a_while(deployment, lambda: catalog.doubted)
        assert deployment.members() == [0, 1, 2], "nobody is given up yet"
        for _ in range(2):  # and again, once others take part
            catalog.settle([deployment.pool.drives[slot].id or ""])
            deployment.notice()
            deployment.assert_equal()
            assert not catalog.doubted
            slot = deployment.members()[-1]
            alter(deployment, slot, "UPDATE settings SET value = x'00' WHERE name = 'a'")
            assert read_for_a_while(deployment, lambda: catalog.doubted)


def test_mirrors_that_are_alike_are_never_doubted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They commit one after the other: they are asked at one transaction, or not at all."""
    monkeypatch.setattr(sampling, "EVERY_SECONDS", 0.0)
    deployment = Deployment(tmp_path, 4)
    with deployment.running() as catalog:
        deployment.put("a")
        over = threading.Event()
        asked: list[object] = []
        real = sampling._different

        def different(*arguments: Any) -> str | None:
            asked.append(arguments)
            return real(*arguments)

        monkeypatch.setattr(sampling, "_different", different)

        def write() -> None:
            for number in itertools.count():
                deployment.write(lambda tx, n=number: tx.run("UPDATE settings SET value = ?", b"%d" % n))
                if over.is_set():
                    return

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert not read_for_a_while(deployment, lambda: catalog.doubted)
        finally:
            over.set()
            writer.join()
        assert len(asked) > 3
