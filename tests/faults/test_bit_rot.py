"""Bytes flipped anywhere on the drives: nobody is given them, and one scrub finds and mends them all."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

from objstore.catalog import pages
from tests.admin import run
from tests.faults.cluster import CLI_ENVIRONMENT, as_promised, check, command, fill, info, remove, sql, states
from tests.faults.test_verify import flip, verify
from tests.front.wire import until
from tests.harness import Running, serving


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, list[str]]]:
    """A server with objects of all sizes, which every test leaves whole."""
    with serving(tmp_path_factory.mktemp("rot")) as server:
        yield server, fill(server, 16)


def scrub(server: Running) -> tuple[int, dict[str, Any]]:
    """The exit status and the report of one round at once."""
    done = command("admin", "--endpoint", server.endpoint, "scrub", "--now", "--json", environment=CLI_ENVIRONMENT)
    assert done.stdout, done.stderr + server.output()
    return done.returncode, json.loads(done.stdout)


def files(drive: Path) -> list[Path]:
    return sorted(path for path in (drive / "shards").rglob("*") if path.is_file())


def test_a_scrub_of_what_is_whole_finds_nothing_and_is_shown(filled: tuple[Running, list[str]]) -> None:
    server, _ = filled
    assert scrub(server) == (
        0,
        {"ok": True, "bytes": info(server)["scrub"]["total"]}
        | dict.fromkeys(("damaged_shards", "damaged_mirrors"), 0)
        | {"left": []},
    )
    shown = command("admin", "--endpoint", server.endpoint, "info", environment=CLI_ENVIRONMENT).stdout
    assert "0 damaged shards" in shown
    metrics = server.request("GET", "/-/metrics").data.decode()  # type: ignore[attr-defined]
    assert f"objstore_scrub_done_bytes {float(info(server)['scrub']['total'])}" in metrics or "e+0" in metrics


@pytest.mark.parametrize("seed", range(2))
def test_bytes_flipped_in_shards_while_serving(filled: tuple[Running, list[str]], seed: int) -> None:
    """In two of four drives, at random places and in the headers."""
    server, keys = filled
    chance = Random(seed)
    for drive in chance.sample(server.drives, 2):
        for path in chance.choices(files(drive), k=4):
            flip(path, chance.choice([chance.randrange(4096), chance.randrange(path.stat().st_size)]))
    check(server, keys)
    status, report = scrub(server)
    assert (status, report["left"]) == (0, []), server.output()
    assert verify(server)[0] == 0
    check(server, keys)


def test_every_shard_of_a_blob_is_damaged_somewhere(filled: tuple[Running, list[str]]) -> None:
    """More shards than there is parity, but of each append no more than that: all of it is read, and mended."""
    server, keys = filled
    most = "SELECT blob FROM extents GROUP BY blob ORDER BY count(*) DESC LIMIT 1"
    blob = sql(server, most)[0][0]
    places = sql(server, f"SELECT offset, head FROM extents WHERE blob = x'{blob.hex()}' ORDER BY offset LIMIT 4")
    assert len(places) == 4
    paths = sorted(path for drive in server.drives for path in files(drive) if path.name.startswith(blob.hex()))
    for path, (offset, head) in zip(paths, places, strict=True):
        flip(path, offset + head)
    check(server, keys)
    status, report = scrub(server)
    assert (status, report["left"]) == (0, []), server.output()
    assert verify(server)[0] == 0
    check(server, keys)


def test_mirrors_that_differ_while_serving(filled: tuple[Running, list[str]]) -> None:
    """Rows changed behind the server's back, with page checksums that match: only the comparison can tell."""
    server, keys = filled
    scrub(server)  # the round that a first start begins could find them before the one that is looked at
    for number, change in ((1, "UPDATE usage SET bytes = bytes + 1"), (0, "DELETE FROM usage")):
        until(lambda: info(server)["healing"]["mirrors"] == 0, "all mirrors are there")
        drive = [Path(one["path"]) for one in info(server)["drives"] if one["mirror"]][number]
        with contextlib.closing(pages.connect(drive / "catalog.db")) as connection:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.execute(change)
        done = run(server, "scrub", "--now")
        assert done.status == 0 and "1 damaged mirror of" in done.out and "all is mended" in done.out, server.output()
        until(lambda: verify(server)[0] == 0, "the mirror is made again")
    check(server, keys)


@pytest.mark.parametrize("seed", range(2))
def test_bytes_flipped_everywhere_at_rest(filled: tuple[Running, list[str]], seed: int) -> None:
    """Of two drives every file: shards, catalog, format, ballot, promise. The server starts, and heals."""
    server, keys = filled
    chance = Random(100 + seed)
    server.stop()
    for drive in chance.sample(server.drives, 2 if seed % 2 else 1):
        names = [drive / name for name in ("catalog.db", "ballot", "promise")]
        for path in [*(path for path in names if path.exists()), *chance.choices(files(drive), k=6)]:
            for _ in range(3):
                flip(path, chance.randrange(path.stat().st_size))
    server.start(ready=False)
    server.wait()
    check(server, keys)
    assert scrub(server)[0] == 0, server.output()
    until(lambda: verify(server)[0] == 0, "all is well again")
    check(server, keys)


def test_what_cannot_be_mended_is_told(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        fill(server, 8)
        remove(server.drives[3])
        until(lambda: states(server)[3] != "online", "the drive is missed")
        status, report = scrub(server)
        assert status == 1
        assert "not looked at" in report["left"][-1]
        server.drives[3].mkdir()
        as_promised(server)
        largest = max(files(server.drives[0]), key=lambda path: path.stat().st_size)
        blob = largest.name.rpartition(".")[0]
        for drive in server.drives[:3]:
            next(path for path in files(drive) if path.name.startswith(blob)).unlink()
        status, report = scrub(server)
        assert status == 1
        assert len(report["left"]) == 3
