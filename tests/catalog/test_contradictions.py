"""Mirrors on which a transaction does something else than on the others: those that most agree with are believed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import apsw
import pytest

from objstore.catalog import pages
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
