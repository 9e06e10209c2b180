"""What must be true of the drives of a server that has ended: equal mirrors, every shard there, none without a row."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def _opened(mirror: Path) -> Iterator[sqlite3.Connection]:
    """A copy of a mirror, with what is still in its log."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("catalog.db", "catalog.db-wal"):
            if mirror.with_name(name).exists():
                shutil.copy(mirror.with_name(name), folder)
        connection = sqlite3.connect(f"{folder}/catalog.db")
        try:
            yield connection
        finally:
            connection.close()


def problems(drives: Sequence[Path]) -> list[str]:
    """Everything that is wrong; the catalog's own checks, and shards against rows in both directions."""
    known = {json.loads((drive / "format.json").read_text())["drive"]: drive for drive in drives}
    members, found = _mirrors(drives)
    if not members:
        return [*found, "no drive has a mirror of the catalog"]
    with _opened(members[0]) as catalog:
        found += _references(catalog)
        rows = catalog.execute("SELECT blob, idx, drive, missing FROM shards").fetchall()
    expected: dict[Path, set[str]] = {drive: set() for drive in drives}
    for blob, index, drive, missing in rows:
        name = f"{blob.hex()}.{index}"
        if missing is not None:
            found.append(f"shard {name} is still to be healed")
        elif (place := known.get(drive.decode())) is None:
            found.append(f"shard {name} is on a drive that is not there")
        else:
            expected[place].add(name)
    for drive, names in expected.items():
        there = {path.name for path in (drive / "shards").rglob("*") if path.is_file()}
        found += [f"{drive}: shard {name} is not there" for name in sorted(names - there)]
        found += [f"{drive}: no row knows {name}" for name in sorted(there - names)]
    return found


def _mirrors(drives: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The mirrors that stand where the furthest one does, and what is wrong with them."""
    stands: dict[Path, tuple[int, int, str]] = {}
    digests: dict[Path, str] = {}
    found: list[str] = []
    for file in [drive / "catalog.db" for drive in drives if (drive / "catalog.db").exists()]:
        try:
            with _opened(file) as catalog:
                epoch, seq, members = catalog.execute("SELECT epoch, seq, members FROM mirror").fetchone()
                stands[file] = (epoch, seq, members)
                verdict = catalog.execute("PRAGMA integrity_check").fetchone()[0]
                if verdict != "ok":
                    found.append(f"{file}: {verdict}")
                digests[file] = _digest(catalog)
        except (sqlite3.DatabaseError, TypeError) as error:
            found.append(f"{file}: {error}")
    newest = max(stands.values(), default=None)
    members = [file for file, stand in stands.items() if stand == newest]
    if len({digests[file] for file in members}) > 1:
        found.append(f"mirrors at one transaction differ: { {str(file): digests[file] for file in members} }")
    return members, found


def _digest(catalog: sqlite3.Connection) -> str:
    """A hash over all rows of all tables."""
    total = hashlib.sha256()
    tables = catalog.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        width = len(catalog.execute(f"PRAGMA table_info({table})").fetchall())
        order = ", ".join(str(column) for column in range(1, width + 1))
        total.update(table.encode())
        for row in catalog.execute(f"SELECT * FROM {table} ORDER BY {order}"):
            total.update(repr(row).encode())
    return total.hexdigest()[:16]


_NONE_OF = (
    ("extents of no blob", "SELECT hex(blob), offset FROM extents WHERE blob NOT IN (SELECT id FROM blobs)"),
    ("garbage of no blob", "SELECT hex(blob), offset FROM garbage WHERE blob NOT IN (SELECT id FROM blobs)"),
    ("blobs without shards", "SELECT hex(id) FROM blobs WHERE id NOT IN (SELECT blob FROM shards)"),
    ("shards of no blob", "SELECT hex(blob), idx FROM shards WHERE blob NOT IN (SELECT id FROM blobs)"),
    ("extents without references", "SELECT hex(blob), offset FROM extents WHERE refs < 1"),
    ("usage of no bucket", "SELECT bucket FROM usage WHERE bucket NOT IN (SELECT id FROM buckets)"),
    ("objects of no bucket", "SELECT bucket, key FROM objects WHERE bucket NOT IN (SELECT id FROM buckets)"),
    ("versions of no bucket", "SELECT bucket, key FROM versions WHERE bucket NOT IN (SELECT id FROM buckets)"),
    ("parts of no upload", "SELECT hex(upload) FROM parts WHERE upload NOT IN (SELECT id FROM uploads)"),
    (
        "usage that is not what there is",
        "SELECT bucket, objects, versions FROM usage WHERE"
        " objects <> (SELECT count(*) FROM objects WHERE objects.bucket = usage.bucket) OR"
        " versions <> (SELECT count(*) FROM versions WHERE versions.bucket = usage.bucket)",
    ),
    (
        "extents that overlap",
        "SELECT hex(a.blob), a.offset, b.offset FROM extents a JOIN extents b ON a.blob = b.blob"
        " AND a.offset < b.offset AND b.offset < a.offset + a.span",
    ),
)


def _references(catalog: sqlite3.Connection) -> list[str]:
    return [f"{what}: {rows[:5]}" for what, sql in _NONE_OF if (rows := catalog.execute(sql).fetchall())]


def waiting(drives: Sequence[Path]) -> int:
    """How much garbage and how many dead blobs a running server still has to give back."""
    members, _ = _mirrors(drives)
    with _opened(members[0]) as catalog:
        row = catalog.execute(
            "SELECT (SELECT count(*) FROM garbage JOIN blobs ON blobs.id = garbage.blob WHERE sealed = 1) +"
            " (SELECT count(*) FROM leftovers) + (SELECT count(*) FROM shards WHERE missing IS NOT NULL)"
        ).fetchone()
    return int(row[0])
