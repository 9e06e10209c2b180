"""A dump gives the same catalog back, or says that it cannot: no byte of it may be missing or wrong unnoticed."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from objstore.catalog.dumping import DumpBroken, Head, dump, load
from objstore.catalog.errors import CorruptRecord
from objstore.catalog.records import pack
from objstore.catalog.schema import MIGRATIONS, VERSION
from objstore.catalog.session import Reading
from tests.catalog.deployment import TABLES, Deployment

CONTENT = [table for table in TABLES if table not in ("mirror", "redo")]


def made(rows: int = 0) -> apsw.Connection:
    """A catalog in memory with something of every kind of value."""
    connection = apsw.Connection(":memory:")
    for migration in MIGRATIONS:
        for sql in migration:
            connection.execute(sql)
    connection.execute("INSERT INTO mirror VALUES (1, 3, 7, x'00', 0, '')")
    connection.pragma("user_version", VERSION)
    chance = random.Random(rows)
    for number in range(rows):
        record = pack({"number": number, "text": "x" * chance.randrange(2_000)})
        connection.execute("INSERT INTO buckets (name, owner, record) VALUES (?, ?, ?)", (b"%d" % number, b"", record))
        connection.execute("INSERT INTO settings VALUES (?, ?)", (f"näme{number}", None if number % 2 else b"\xff"))
    connection.execute("DELETE FROM buckets WHERE id > ?", (rows - 2,))
    return connection


def dumped(connection: apsw.Connection) -> bytes:
    pieces: list[bytes] = []
    dump(Reading(connection), "deployment", 5, pieces.append)
    return b"".join(pieces)


def loaded(content: bytes, size: int = 1 << 16) -> tuple[Head, apsw.Connection]:
    connection = apsw.Connection(":memory:")
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    return load(pieces, connection), connection


def contents(connection: apsw.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in CONTENT}


@pytest.mark.parametrize("rows", [0, 5, 3_000])
def test_what_was_dumped_is_loaded(rows: int) -> None:
    connection = made(rows)
    head, again = loaded(dumped(connection))
    assert (head.deployment, head.taken_us, head.epoch, head.seq) == ("deployment", 5, 3, 7)
    assert contents(again) == contents(connection)
    assert again.pragma("user_version") == VERSION
    schema = "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2"
    assert again.execute(schema).fetchall() == connection.execute(schema).fetchall()
    for each in (connection, again):  # an id is not given twice
        each.execute("INSERT INTO buckets (name, owner, record) VALUES (x'01', x'', x'')")
    assert contents(again) == contents(connection)


SMALL = dumped(made(5))
SMALL_CONTENTS = contents(made(5))


@given(st.integers(0, len(SMALL) - 1), st.integers(1, 200))
def test_one_that_is_cut_short_is_not_loaded(length: int, size: int) -> None:
    with pytest.raises(DumpBroken):
        loaded(SMALL[:length], size)


@given(st.integers(0, len(SMALL) * 8 - 1))
@example(len(SMALL) * 8 - 33)  # padding behind the last block that is deflated: what is held is the same
def test_one_in_which_a_bit_is_flipped_is_not_loaded_unless_it_holds_the_same(bit: int) -> None:
    content = bytearray(SMALL)
    content[bit // 8] ^= 1 << bit % 8
    try:
        _, again = loaded(bytes(content))
    except DumpBroken:
        return
    assert contents(again) == SMALL_CONTENTS


def test_a_row_that_does_not_match_its_checksum_is_not_dumped() -> None:
    connection = made(3)
    connection.execute("UPDATE buckets SET record = CAST(substr(record, 1, 20) || 'x' AS BLOB) WHERE id = 1")
    with pytest.raises(CorruptRecord):
        dumped(connection)


@contextlib.contextmanager
def running(tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        yield deployment


def test_it_stands_at_one_transaction_while_others_commit(tmp_path: Path) -> None:
    with running(tmp_path) as deployment:
        for number in range(20):
            deployment.put(f"before{number}")
        pieces: list[bytes] = []

        def read(tx: object) -> Head:
            assert isinstance(tx, Reading)

            def write(piece: bytes) -> None:
                deployment.put(f"meanwhile{len(pieces)}")
                pieces.append(piece)

            return dump(tx, "deployment", 1, write)

        head = deployment.catalog.read(read)
        _, again = loaded(b"".join(pieces))
        names = {row[0] for row in again.execute("SELECT name FROM settings")}
        assert len(names) == 20 and not any(name.startswith("meanwhile") for name in names)
        assert head.seq < deployment.catalog.status().seq
