"""A transaction function is whole or absent, alone or in company."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from objstore.catalog.errors import CatalogError
from objstore.catalog.transaction import Transaction

from .deployment import Deployment

PUT = "INSERT INTO settings (name, value) VALUES (?, ?)"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("deployment"), 4)
    with deployment.running():
        yield deployment


@pytest.fixture
def deployment(shared: Deployment) -> Deployment:
    shared.write(lambda tx: tx.run("DELETE FROM settings"))
    return shared


def test_a_write_is_read_at_once_and_is_on_every_mirror(deployment: Deployment) -> None:
    deployment.put("a", b"1")
    assert deployment.catalog.read(lambda tx: tx.one("SELECT value FROM settings WHERE name = ?", "a")) == (b"1",)
    assert deployment.catalog.read(lambda tx: tx.one("SELECT value FROM settings WHERE name = ?", "b")) is None
    deployment.assert_equal()


def test_the_result_of_the_function_is_the_result_of_the_write(deployment: Deployment) -> None:
    assert deployment.write(lambda tx: (tx.run(PUT, "a", None), tx.run(PUT, "b", None), "yes")) == (1, 1, "yes")
    assert deployment.write(lambda tx: tx.run("DELETE FROM settings")) == 2
    assert deployment.write(lambda tx: tx.run("DELETE FROM settings")) == 0


def test_a_function_that_raises_is_undone_alone(deployment: Deployment) -> None:
    def writing(name: str, *, fail: bool) -> Callable[[Transaction], str]:
        def run(tx: Transaction) -> str:
            tx.run(PUT, name, b"")
            if fail:
                raise KeyError(name)
            return name

        return run

    async def all_at_once() -> list[object]:
        writes = [deployment.catalog.write(writing(f"n{i}", fail=i % 3 == 0)) for i in range(50)]
        return await asyncio.gather(*writes, return_exceptions=True)

    outcomes = asyncio.run(all_at_once())
    for i, outcome in enumerate(outcomes):
        if i % 3 == 0:
            assert isinstance(outcome, KeyError)
        else:
            assert outcome == f"n{i}"
    assert deployment.names() == {f"n{i}" for i in range(50) if i % 3}
    deployment.assert_equal()


def test_functions_of_one_commit_see_each_other_in_order(deployment: Deployment) -> None:
    def count(tx: Transaction) -> int:
        row = tx.one("SELECT count(*) FROM settings")
        assert row is not None
        tx.run(PUT, f"n{row[0]}", None)
        return int(row[0])

    async def all_at_once() -> list[int]:
        return await asyncio.gather(*(deployment.catalog.write(count) for _ in range(100)))

    assert asyncio.run(all_at_once()) == list(range(100))


def test_many_writers_share_commits(deployment: Deployment) -> None:
    before = deployment.catalog.status().seq

    async def all_at_once() -> None:
        await asyncio.gather(
            *(deployment.catalog.write(lambda tx, i=i: tx.run(PUT, f"n{i}", None)) for i in range(200))
        )

    asyncio.run(all_at_once())
    assert deployment.catalog.status().seq - before < 20


def test_what_writes_nothing_costs_no_commit(deployment: Deployment) -> None:
    before = deployment.catalog.status().seq
    deployment.write(lambda tx: tx.one("SELECT 1"))
    deployment.write(lambda tx: tx.run("DELETE FROM settings WHERE name = 'absent'"))
    with pytest.raises(KeyError):
        deployment.write(lambda tx: {}[tx.run(PUT, "a", None)])
    assert deployment.catalog.status().seq == before
    assert deployment.names() == set()


def test_constraints_are_the_callers_error(deployment: Deployment) -> None:
    deployment.put("a")
    with pytest.raises(apsw.ConstraintError):
        deployment.put("a")
    with pytest.raises(apsw.SQLError):
        deployment.write(lambda tx: tx.run("INSERT INTO nowhere VALUES (1)"))
    assert len(deployment.catalog.status().members) == 3


def test_a_write_that_goes_round_the_recorder_is_refused(deployment: Deployment) -> None:
    with pytest.raises(CatalogError, match="must go through"):
        deployment.write(lambda tx: tx.one(PUT, "sneaked", None))
    deployment.put("a")
    assert deployment.names() == {"a"}
    deployment.assert_equal()


def test_a_reader_cannot_write(deployment: Deployment) -> None:
    with pytest.raises(CatalogError):
        deployment.catalog.read(lambda tx: tx.run(PUT, "a", None))
    with pytest.raises(CatalogError):
        deployment.catalog.read(lambda tx: tx.one(PUT, "a", None))
    deployment.put("b")
    assert deployment.names() == {"b"}
    assert len(deployment.catalog.status().members) == 3


def test_a_reader_sees_one_snapshot(deployment: Deployment) -> None:
    deployment.put("a")

    def read(tx: Transaction) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
        before = tx.all("SELECT name FROM settings")
        thread = threading.Thread(target=deployment.put, args=("b",))
        thread.start()
        thread.join()
        return before, tx.all("SELECT name FROM settings")

    before, after = deployment.catalog.read(read)
    assert before == after == [("a",)]
    assert deployment.names() == {"a", "b"}


def test_one_turn_of_the_loop_reads_one_snapshot_and_the_next_one_what_was_written(deployment: Deployment) -> None:
    async def turns() -> None:
        seen = deployment.names()
        elsewhere = threading.Thread(target=deployment.put, args=("later",))
        elsewhere.start()
        elsewhere.join()
        assert deployment.names() == seen
        await asyncio.sleep(0)
        assert deployment.names() == seen | {"later"}

    asyncio.run(turns())
    deployment.put("last")
    assert deployment.names() >= {"later", "last"}


def test_a_reader_may_raise_and_readers_may_nest(deployment: Deployment) -> None:
    deployment.put("a")
    with pytest.raises(ZeroDivisionError):
        deployment.catalog.read(lambda tx: 1 // 0)
    assert deployment.catalog.read(lambda tx: (tx.one("SELECT 1"), deployment.names())) == ((1,), {"a"})


def test_ids_are_never_given_twice(deployment: Deployment) -> None:
    def put(tx: Transaction) -> int:
        tx.run("INSERT INTO buckets (name, owner, record) VALUES (?, ?, ?)", b"x", b"", b"")
        row = tx.one("SELECT max(id) FROM buckets")
        assert row is not None
        return int(row[0])

    first = deployment.write(put)
    deployment.write(lambda tx: tx.run("DELETE FROM buckets"))
    assert deployment.write(put) > first
    deployment.assert_equal()


def test_keys_are_in_byte_order(deployment: Deployment) -> None:
    keys = ["a", "a/", "a/b", "ab", "é", "\uffff", "\U00010000", ""]
    for key in keys:
        deployment.write(
            lambda tx, k=key: tx.run("INSERT INTO objects (bucket, key, ord, record) VALUES (7, ?, 1, x'')", k.encode())
        )
    rows = deployment.catalog.read(lambda tx: tx.all("SELECT key FROM objects WHERE bucket = 7 ORDER BY key"))
    assert [row[0] for row in rows] == sorted(key.encode() for key in keys)


def test_a_closed_catalog_refuses(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 1)
    with deployment.running() as catalog:
        deployment.put("a")
    with pytest.raises(CatalogError, match="closed"):
        asyncio.run(catalog.write(lambda tx: None))
    with deployment.running():
        assert deployment.names() == {"a"}


def test_a_turn_of_the_loop_reads_one_snapshot_and_the_next_turn_what_was_acknowledged(deployment: Deployment) -> None:
    deployment.put("name", b"first")

    def update() -> None:
        deployment.write(lambda tx: tx.run("UPDATE settings SET value = ? WHERE name = ?", b"second", "name"))

    async def turns() -> list[bytes]:
        def value() -> bytes:
            row = deployment.catalog.read(lambda tx: tx.one("SELECT value FROM settings WHERE name = ?", "name"))
            assert row is not None
            return bytes(row[0])

        seen = [value()]
        other = threading.Thread(target=update)
        other.start()
        other.join()
        seen.append(value())
        await asyncio.sleep(0)
        return [*seen, value()]

    assert asyncio.run(turns()) == [b"first", b"first", b"second"]
