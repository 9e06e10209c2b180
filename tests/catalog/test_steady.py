"""What seldom changes is kept from turn to turn of a loop, and nobody is ever given what is past."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from objstore.catalog import engine
from objstore.catalog.catalog import Catalog, attach
from objstore.catalog.members import Members
from objstore.catalog.schema import MIGRATIONS
from objstore.catalog.session import Recorder
from objstore.catalog.shared import Shared
from objstore.catalog.steady import changed_by
from objstore.catalog.transaction import Row, Transaction
from objstore.iam.identities import generation
from objstore.store import quotas

from .deployment import Deployment

_SELECT = "SELECT record FROM buckets WHERE name = ?"
_UPDATE = "UPDATE buckets SET record = ? WHERE name = x'62'"


@contextlib.contextmanager
def deployed(tmp_path: Path) -> Iterator[tuple[Deployment, Catalog]]:
    """A deployment with a bucket `b`, whose record is b"0", and the catalog of a second process."""
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        deployment.write(lambda tx: tx.run("INSERT INTO buckets (name, owner, record) VALUES (x'62', x'', x'30')"))
        other = attach(deployment.pool, deployment.runtime, strict=False)
        try:
            yield deployment, other
        finally:
            other.close()


def bucket(tx: Transaction) -> bytes:
    row = tx.steady(_SELECT, b"b")
    assert row is not None
    return bytes(row[0])


def change(record: bytes) -> Callable[[Transaction], Any]:
    return lambda tx: tx.run(_UPDATE, record)


def refuse(_: object) -> Any:
    raise AssertionError("the catalog was asked")


@pytest.mark.parametrize("asked", [bucket, quotas.anywhere, generation.current], ids=["bucket", "quotas", "identities"])
def test_a_row_is_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: Callable[[Transaction], Any]
) -> None:
    """Also whether there are quotas and identities where there are none."""

    async def reading() -> None:
        first = catalog.read(asked)
        await asyncio.sleep(0)
        monkeypatch.setattr(catalog._readers, "_begin", refuse)
        assert catalog.read(asked) == first
        with pytest.raises(AssertionError, match="was asked"):
            catalog.read(lambda tx: tx.one(_SELECT, b"b"))

    with deployed(tmp_path) as (_, catalog):
        catalog._readers._sampler._next = float("inf")
        asyncio.run(reading())


def test_what_another_process_changed_is_seen_by_whoever_looks_after_it(tmp_path: Path) -> None:
    async def taking_turns() -> None:
        for number in range(1, 30):
            record = str(number).encode()
            writer, reader = (other, deployment.catalog) if number % 2 else (deployment.catalog, other)
            await writer.write(change(record))
            assert reader.read(bucket) == writer.read(bucket) == record

    with deployed(tmp_path) as (deployment, other):
        asyncio.run(taking_turns())


def test_a_name_that_is_not_there_is_asked_for_again(tmp_path: Path) -> None:
    def absent(tx: Transaction) -> Row | None:
        return tx.steady(_SELECT, b"c")

    async def reading() -> None:
        assert other.read(absent) is None
        await deployment.catalog.write(
            lambda tx: tx.run("INSERT INTO buckets (name, owner, record) VALUES (x'63', x'', x'31')")
        )
        assert other.read(absent) == (b"1",)

    with deployed(tmp_path) as (deployment, other):
        asyncio.run(reading())


def test_readers_know_of_a_change_before_any_of_it_is_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = engine._publish

    def publishing(members: Members, *args: Any) -> None:
        on_the_way.append(members.shared.edition % 2 == 1)
        publish(members, *args)

    on_the_way: list[bool] = []
    monkeypatch.setattr(engine, "_publish", publishing)
    with deployed(tmp_path) as (deployment, _):
        on_the_way.clear()
        deployment.put("x")
        deployment.write(change(b"1"))
        deployment.put("y")
    assert on_the_way == [False, True, False]


@pytest.mark.parametrize("refused", [False, True])
def test_a_function_never_sees_half_of_a_change(tmp_path: Path, refused: bool) -> None:
    """The bucket's row as it was kept, and what the same transaction wrote elsewhere: it is run again."""

    def both(tx: Transaction) -> None:
        tx.run(_UPDATE, b"1")
        tx.run("INSERT INTO settings VALUES ('with it', x'31')")

    def looking(tx: Transaction) -> tuple[bytes, Row | None]:
        seen.append(bucket(tx))
        if len(seen) == 1:
            writer = threading.Thread(target=lambda: asyncio.run(other.write(both)))
            writer.start()
            writer.join()
        found = tx.one("SELECT value FROM settings WHERE name = 'with it'")
        if refused and found is not None and seen[-1] == b"0":
            raise LookupError("the bucket has not heard of it")
        return seen[-1], found

    async def reading() -> None:
        deployment.catalog.read(bucket)
        await asyncio.sleep(0)
        assert deployment.catalog.read(looking) == (b"1", (b"1",))

    seen: list[bytes] = []
    with deployed(tmp_path) as (deployment, other):
        asyncio.run(reading())
    assert seen == [b"0", b"1"]


def test_while_a_change_is_on_its_way_nothing_is_kept(tmp_path: Path) -> None:
    """Nor after one that went wrong, until a commit has made whole what is left of it."""

    async def reading() -> None:
        assert catalog.read(bucket) == b"0"
        with pytest.raises(RuntimeError), shared.changing(True):
            raise RuntimeError
        assert shared.edition % 2
        for _ in range(3):
            await asyncio.sleep(0)
            assert catalog.read(bucket) == b"0"
            await asyncio.sleep(0)
            with monkeypatch.context() as patch:
                patch.setattr(catalog._readers, "_begin", refuse)
                with pytest.raises(AssertionError, match="was asked"):
                    catalog.read(bucket)
        await catalog.write(lambda tx: tx.run("INSERT INTO settings VALUES ('x', x'')"))
        assert not shared.edition % 2
        assert catalog.read(bucket) == b"0"

    monkeypatch = pytest.MonkeyPatch()
    with deployed(tmp_path) as (deployment, catalog), contextlib.closing(Shared(deployment.runtime)) as shared:
        asyncio.run(reading())


def test_functions_of_one_commit_see_what_those_before_them_changed() -> None:
    def changing_in_vain(tx: Transaction) -> None:
        tx.run(_UPDATE, b"2")
        assert bucket(tx) == b"2"
        raise LookupError

    connection = empty()
    connection.execute("INSERT INTO buckets (name, owner, record) VALUES (x'62', x'', x'30')")
    connection.execute("BEGIN")
    recorder = Recorder(connection)
    assert recorder.call(bucket) == recorder.call(bucket) == b"0"
    assert not recorder.unsteady
    recorder.call(change(b"1"))
    assert recorder.unsteady
    assert recorder.call(bucket) == b"1"
    with pytest.raises(LookupError):
        recorder.call(changing_in_vain)
    assert recorder.call(bucket) == b"1"


def empty() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for migration in MIGRATIONS:
        for statement in migration:
            connection.execute(statement)
    return connection


@pytest.mark.parametrize(
    ("sql", "changes"),
    [
        ("INSERT INTO buckets (name, owner, record) VALUES (?, ?, ?)", True),
        ("update buckets set record = ?", True),
        ("WITH one AS (SELECT 1) DELETE FROM buckets WHERE id IN (SELECT * FROM one)", True),
        ("INSERT INTO iam_generation VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET number = number + 1", True),
        ("INSERT INTO quotas (scope, bucket, name) VALUES (?, ?, ?)", True),
        ("DELETE FROM quotas WHERE bucket = ?", True),
        ("UPDATE quotas SET objects = objects + 1", False),
        ("UPDATE usage SET objects = (SELECT count(*) FROM buckets)", False),
        ("INSERT INTO objects (bucket, key, ord, record) VALUES (?, ?, ?, ?)", False),
        ("CREATE TABLE usage (a)", True),
    ],
)
def test_what_changes_them(sql: str, changes: bool) -> None:
    assert changed_by(empty(), sql) is changes
