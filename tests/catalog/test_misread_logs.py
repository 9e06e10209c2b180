"""Logs of which a part reads as it once was, as another part, with a flipped bit, or not at all: never taken for more
or for something else than was written. The redo log is chained; so is SQLite's own, which is verified at a start."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from objstore.catalog import redo, upkeep
from objstore.catalog.errors import MirrorFailed
from objstore.catalog.mirror import FILE, Mirror
from objstore.catalog.replaying import replay
from tests.faults.misreads import FRAME, LOG_HEADER

from .deployment import Deployment, contents

LOG = f"{FILE}-wal"


def flipped(log: bytearray, old: bytes, chance: Random) -> None:
    log[chance.randrange(len(log))] ^= 1 << chance.randrange(8)


def cut(log: bytearray, old: bytes, chance: Random) -> None:
    del log[chance.randrange(len(log)) :]


def stale(log: bytearray, old: bytes, chance: Random) -> None:
    """Some of it as it was before the log began anew: each frame has a checksum, and page numbers that are right."""
    first, last = sorted(chance.sample(range(0, len(old) + 1, 512), 2))
    log[first:last] = old[first:last]


def astray(log: bytearray, old: bytes, chance: Random) -> None:
    """A frame in the place of another."""
    here, there = (LOG_HEADER + FRAME * number for number in chance.sample(range(len(log) // FRAME), 2))
    log[here : here + FRAME] = log[there : there + FRAME]


@pytest.mark.parametrize("harm", [flipped, cut, stale, astray], ids=lambda harm: harm.__name__)
def test_a_log_that_reads_wrong_at_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Callable[[bytearray, bytes, Random], None]
) -> None:
    monkeypatch.setattr(upkeep, "CHECKPOINT_BYTES", 1_000)
    monkeypatch.setattr(upkeep, "RESTART_BYTES", 1_000)
    deployment = Deployment(tmp_path, 4)
    killed = tmp_path / "killed"
    with deployment.running() as catalog:
        for number in range(12):
            deployment.put(f"old{number}", bytes(3_000))
        old = {slot: deployment.file(slot).with_name(LOG).read_bytes() for slot in deployment.members()}
        asyncio.run(catalog.maintain())
        for number in range(6):
            deployment.put(f"new{number}", bytes(3_000))
        names, members = deployment.names(), deployment.members()
        for path in deployment.paths:
            shutil.copytree(path, killed / path.name)
    chance = Random(harm.__name__)
    for _ in range(8):
        for path in deployment.paths:
            shutil.rmtree(path)
            shutil.copytree(killed / path.name, path)
        slot = chance.choice(members)
        file = deployment.file(slot).with_name(LOG)
        log = bytearray(file.read_bytes())
        assert len(log) == len(old[slot]), "it was begun anew"
        harm(log, old[slot], chance)
        file.write_bytes(log)
        with deployment.running():
            assert deployment.names() == names
            deployment.assert_equal()


def alterations(chance: Random, rows: list[tuple[int, int, bytes]]) -> tuple[str, tuple[object, ...]]:
    """One row of the redo log, of those after the first, as something that was not written there."""
    (seq, epoch, packed), (other, _, another) = chance.sample(rows, 2)
    bit = bytearray(packed)
    bit[chance.randrange(len(bit))] ^= 1 << chance.randrange(8)
    return chance.choice(
        [
            ("UPDATE redo SET statements = ? WHERE seq = ?", (bytes(bit), seq)),
            ("UPDATE redo SET statements = ? WHERE seq = ?", (another, seq)),
            ("UPDATE redo SET epoch = ? WHERE seq = ?", (epoch ^ 1 << chance.randrange(20), seq)),
            ("DELETE FROM redo WHERE seq = ?", (seq,)),
            ("DELETE FROM redo WHERE seq >= ?", (seq,)),
            ("UPDATE redo SET seq = -seq WHERE seq IN (?, ?)", (seq, other)),
            ("UPDATE redo SET seq = seq + 100 WHERE seq = ?", (seq,)),
        ]
    )


def test_a_redo_log_that_reads_wrong_is_not_replayed(tmp_path: Path) -> None:
    """Not a statement of it is executed: a flipped bit may make any other of one."""
    deployment = Deployment(tmp_path, 2)
    with deployment.running():
        deployment.put("a")
    shutil.copy(deployment.file(1), tmp_path / "old.db")
    with deployment.running():
        for number in range(8):
            deployment.put(f"b{number}", bytes(number))
            deployment.write(lambda tx, n=number: tx.run(redo.ADD_PAYLOAD, n, bytes(redo.REFERRED)))  # type: ignore[misc]
    before = contents(tmp_path / "old.db")
    source, target = (Mirror("", path, None, strict=False) for path in (deployment.file(0), tmp_path / "old.db"))
    start = target.position().seq
    rows = source.connection.execute("SELECT seq, epoch, statements FROM redo WHERE seq > ?", (start,)).fetchall()
    executed: list[str] = []
    target.connection.exec_trace = lambda _, sql, __: not executed.append(sql)
    for seed in range(200):
        source.connection.execute("BEGIN")
        source.connection.execute(*alterations(Random(seed), rows))  # type: ignore[arg-type]
        with pytest.raises(MirrorFailed):
            replay(target, source)
        source.connection.execute("ROLLBACK")
        assert target.position().seq == start
    assert not [sql for sql in executed if not sql.startswith("SELECT")]
    replay(target, source)
    source.close()
    target.close()
    assert contents(tmp_path / "old.db") == contents(deployment.file(0)) != before
