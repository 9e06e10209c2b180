"""The drives of a server that has ended, as `admin verify` finds them, and what a running one has yet to do."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults.cluster import command

_VERIFY_SECONDS = 300.0


def problems(drives: Sequence[Path]) -> list[str]:
    """Everything that is wrong. What the next start would put right is wrong too: this server had time to."""
    done = command("admin", "verify", "--json", *map(str, drives), seconds=_VERIFY_SECONDS)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return [f"verify ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}"]
    found = [json.dumps(one) for one in (*report["problems"], *report["notices"])]
    return found if found or done.returncode == 0 else [f"verify ended with {done.returncode}: {report}"]


def waiting(drives: Sequence[Path]) -> int:
    """Ranges of sealed blobs, leftovers and shards that a running server still has to give back or to heal."""
    with _newest(drives) as catalog:
        row = catalog.execute(
            "SELECT (SELECT count(*) FROM garbage JOIN blobs ON blobs.id = garbage.blob WHERE sealed = 1)"
            " + (SELECT count(*) FROM leftovers) + (SELECT count(*) FROM shards WHERE missing IS NOT NULL)"
        ).fetchone()
    return int(row[0])


@contextlib.contextmanager
def _newest(drives: Sequence[Path]) -> Iterator[sqlite3.Connection]:
    """A copy of the mirror that stands furthest."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        stands = []
        for number, drive in enumerate(drives):
            for name in ("catalog.db", "catalog.db-wal"):
                if (drive / name).exists():
                    shutil.copy(drive / name, f"{folder}/{number}.{name.removeprefix('catalog.')}")
            if (copied := Path(f"{folder}/{number}.db")).exists():
                catalog = stack.enter_context(contextlib.closing(sqlite3.connect(copied)))
                with contextlib.suppress(sqlite3.DatabaseError):  # copied in the middle of a checkpoint
                    stands.append((*catalog.execute("SELECT epoch, seq FROM mirror").fetchone(), number, catalog))
        assert stands, "no mirror of the catalog can be read"
        yield max(stands)[3]
