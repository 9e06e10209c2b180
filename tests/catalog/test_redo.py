"""A mirror that lagged becomes equal to the leader by replaying its redo log; one of another history never does."""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objstore.catalog import redo
from objstore.catalog.errors import MirrorFailed, OutOfStep
from objstore.catalog.mirror import FILE, Mirror
from objstore.catalog.replaying import replay
from objstore.catalog.transaction import Transaction

from .deployment import Deployment, contents

small = st.integers(0, 12)
blob = st.binary(max_size=40)
payload = st.tuples(st.binary(max_size=2), st.sampled_from([1, redo.REFERRED])).map(lambda drawn: drawn[0] * drawn[1])
steps = st.one_of(
    st.tuples(
        st.just("INSERT OR REPLACE INTO objects (bucket, key, ord, record) VALUES (?, ?, ?, ?)"),
        st.tuples(small, blob, small, blob),
    ),
    st.tuples(st.just("DELETE FROM objects WHERE bucket = ?"), st.tuples(small)),
    st.tuples(st.just("UPDATE objects SET ord = ord + 1, record = ? WHERE ord < ?"), st.tuples(blob, small)),
    st.tuples(st.just(redo.ADD_PAYLOAD), st.tuples(small, payload)),
    st.tuples(st.just("DELETE FROM payloads WHERE id % 3 = ?"), st.tuples(small)),
    st.tuples(st.just("INSERT OR IGNORE INTO settings VALUES (?, ?)"), st.tuples(st.text(max_size=3), blob)),
    st.tuples(
        st.just("INSERT INTO usage (bucket, bytes) VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + ?"),
        st.tuples(small, small, small),
    ),
)
functions = st.tuples(st.lists(steps, max_size=6), st.booleans())


class Undo(Exception):
    """Raised by a function on purpose."""


Batches = list[list[tuple[list[tuple[str, tuple[object, ...]]], bool]]]


def with_new_ids(batches: Batches, ids: Iterator[int]) -> Batches:
    """The same, but no payload has an id that another one had before: the store gives none twice either."""

    def renamed(sql: str, params: tuple[object, ...]) -> tuple[str, tuple[object, ...]]:
        return sql, (next(ids), params[1]) if sql == redo.ADD_PAYLOAD else params

    return [[([renamed(*one) for one in statements], undo) for statements, undo in batch] for batch in batches]


def run(deployment: Deployment, batches: Batches) -> None:
    async def all_batches() -> None:
        for batch in batches:
            writes = []
            for statements, undo in batch:

                def function(tx: Transaction, statements=statements, undo=undo) -> None:  # type: ignore[no-untyped-def]
                    for sql, params in statements:
                        tx.run(sql, *params)
                    if undo:
                        raise Undo

                writes.append(deployment.catalog.write(function))
            for outcome in await asyncio.gather(*writes, return_exceptions=True):
                assert outcome is None or isinstance(outcome, Undo | apsw.ConstraintError)

    asyncio.run(all_batches())


@settings(max_examples=12)
@given(before=st.lists(st.lists(functions, max_size=4), max_size=4), after=st.lists(st.lists(functions, max_size=4)))
def test_replay_gives_the_same_content(
    tmp_path_factory: pytest.TempPathFactory,
    before: Batches,
    after: Batches,
) -> None:
    deployment = Deployment(tmp_path_factory.mktemp("replay"), 2)
    ids = itertools.count()
    try:
        with deployment.running():
            run(deployment, with_new_ids(before, ids))
        old = deployment.root / "old.db"
        shutil.copy(deployment.file(1), old)
        with deployment.running():
            run(deployment, with_new_ids(after, ids))
            deployment.assert_equal()
        shutil.copy(old, deployment.file(1))
        inode = deployment.file(1).stat().st_ino
        with deployment.running():
            deployment.assert_equal()
            assert deployment.file(1).stat().st_ino == inode, "was copied instead of replayed"
    finally:
        shutil.rmtree(deployment.root)


def test_the_log_is_bounded_and_trimmed_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redo, "KEEP_TRANSACTIONS", 100)
    monkeypatch.setattr(redo, "KEEP_BYTES", 40_000)
    deployment = Deployment(tmp_path, 2)
    with deployment.running():

        async def many(size: int) -> None:
            for number in range(200):
                await deployment.catalog.write(
                    lambda tx, n=number: tx.run("INSERT OR REPLACE INTO settings VALUES (?, ?)", f"{n}", bytes(size))
                )

        asyncio.run(many(1))
        deployment.assert_equal()
        assert 100 <= len(contents(deployment.file(0))["redo"]) <= 100 + redo.TRIM_EVERY
        asyncio.run(many(1000))
        deployment.assert_equal()
        rows = contents(deployment.file(0))["redo"]
        assert 40_000 <= sum(len(row[-1]) for row in rows) <= 40_000 + (redo.TRIM_EVERY + 1) * 1_100


def test_a_mirror_too_far_behind_is_copied_afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redo, "KEEP_TRANSACTIONS", 10)
    deployment = Deployment(tmp_path, 2)
    with deployment.running():
        deployment.put("first")
    shutil.copy(deployment.file(1), tmp_path / "old.db")
    with deployment.running():
        for number in range(100):
            deployment.put(f"{number}")
    shutil.copy(tmp_path / "old.db", deployment.file(1))
    with deployment.running():
        deployment.assert_equal()
        assert len(deployment.names()) == 101


def test_another_history_is_never_continued(tmp_path: Path) -> None:
    one, other = Deployment(tmp_path / "one", 1), Deployment(tmp_path / "other", 1)
    with one.running(), other.running():
        for number in range(5):
            one.put(f"{number}")
        other.put("0", b"another")
        before = contents(other.file(0))
        source, target = (Mirror("", deployment.file(0), None, strict=False) for deployment in (one, other))
        with pytest.raises(OutOfStep):
            replay(target, source)
        with pytest.raises(OutOfStep):
            replay(source, target)
        source.close()
        target.close()
        assert contents(other.file(0)) == before


def test_a_damaged_redo_log_is_not_replayed(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 2)
    with deployment.running():
        deployment.put("a")
    shutil.copy(deployment.file(1), tmp_path / "old.db")
    with deployment.running():
        for number in range(20):
            deployment.put(f"b{number:02}", b"right" if number == 10 else bytes(1000))
    shutil.copy(tmp_path / "old.db", deployment.file(1))
    data = bytearray(deployment.file(0).read_bytes())
    at = [found.start() for found in re.finditer(b"right", data)]
    in_log = [place for place in at if b"INSERT INTO" in data[place - 200 : place]]
    assert (len(at), len(in_log)) == (2, 1)
    data[in_log[0]] ^= 1
    deployment.file(0).write_bytes(data)
    with deployment.running():  # copied, all but the log; and then so is the mirror that had it
        deployment.notice()
        deployment.assert_equal()
        assert contents(deployment.file(0))["settings"][11] == ("b10", b"right")
    assert (deployment.paths[1] / FILE).exists()


def test_what_is_damaged_on_the_only_mirror_is_copied_nowhere(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 2)
    with deployment.running():
        deployment.put("a")
    shutil.copy(deployment.file(1), tmp_path / "old.db")
    with deployment.running():
        deployment.put("b", b"right")
    shutil.copy(tmp_path / "old.db", deployment.file(1))
    data = deployment.file(0).read_bytes()
    deployment.file(0).write_bytes(data.replace(b"right", b"wrong"))
    with deployment.running():
        deployment.notice()
        assert deployment.members() == [0]
        with pytest.raises(MirrorFailed):
            deployment.names()


def test_a_payload_that_the_source_has_not_is_not_made_up(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 2)
    with deployment.running():
        deployment.put("a")
    shutil.copy(deployment.file(1), tmp_path / "old.db")
    with deployment.running():
        for number in (1, 2):
            deployment.write(lambda tx, n=number: tx.run(redo.ADD_PAYLOAD, n, bytes(redo.REFERRED)))  # type: ignore[misc]
        deployment.write(lambda tx: tx.run("DELETE FROM payloads WHERE id = 1"))
    source, target = (Mirror("", path, None, strict=False) for path in (deployment.file(0), tmp_path / "old.db"))
    with source.connection:
        source.connection.execute("UPDATE payloads SET data = x'00' WHERE id = 2")
        with pytest.raises(OutOfStep, match="payload 2"):
            replay(target, source)
        source.connection.execute("UPDATE payloads SET data = zeroblob(?) WHERE id = 2", (redo.REFERRED,))
        replay(target, source)
    source.close()
    target.close()
    assert contents(tmp_path / "old.db") == contents(deployment.file(0))
