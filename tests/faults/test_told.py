"""What an operator is told while drives are away, come and go: numbers that are right, and what to do."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from objstore.cli.main import main
from tests.admin import admin, run
from tests.faults.cluster import BUCKET, as_promised, body, check, command, fill, info, refused_start, states, stopped
from tests.front.wire import refused, until
from tests.harness import serving


def test_a_drive_that_was_lost_before_the_start_is_known_by_its_place(tmp_path: Path) -> None:
    with serving(tmp_path, drives=5) as server:
        keys = fill(server, 12)
        lost = server.drives[2]
        name = info(server)["drives"][2]["id"]
        with stopped(server):
            lost.rename(tmp_path / "away")
        now = info(server)
        assert (now["drives"][2]["id"], now["drives"][2]["state"]) == (name, "missing")
        assert now["redundancy"]["shards_lacking"] > 0
        assert now["healing"]["shards"] == 0, "they wait for their drive"
        table = run(server, "drive", "list").out
        assert next(line.split() for line in table.splitlines() if str(lost) in line).count("-") == 2, table
        metrics = server.request("GET", "/-/metrics").data.decode()  # type: ignore[attr-defined]
        assert f'objstore_drive_online{{drive="{lost}"}} 0.0' in metrics
        assert f'objstore_drive_free_bytes{{drive="{lost}"}}' not in metrics

        drained = next(one for one in admin(server, "drive", "drain", name, "--wait")["drives"] if one["id"] == name)
        assert (drained["stage"], drained["left"]) == ("draining", 0)
        assert info(server)["redundancy"]["shards_lacking"] == 0, "what it held is on the others"
        admin(server, "drive", "remove", str(lost))
        as_promised(server)
        check(server, keys)
        assert run(server, "verify").status == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_an_empty_folder_that_is_named_instead_of_a_lost_drive_takes_its_place(tmp_path: Path, workers: int) -> None:
    with serving(tmp_path, workers=workers) as server:
        keys = fill(server, 8)
        with stopped(server):
            server.drives[2].rename(tmp_path / "lost")
            server.drives[2] = tmp_path / "new"
            server.drives[2].mkdir()
        until(lambda: states(server) == ["online"] * 4, "it is taken in")
        as_promised(server)
        assert {one["path"] for one in info(server)["drives"]} == set(map(str, server.drives))
        with stopped(server):
            pass
        assert {one["path"] for one in info(server)["drives"]} == set(map(str, server.drives))
        as_promised(server)
        check(server, keys)


def test_draining_takes_no_redundancy_away(tmp_path: Path) -> None:
    """Whenever one looks; and as many drives as promised may be lost before it, and after it."""
    with serving(tmp_path, drives=5) as server:
        keys = fill(server, 16)
        as_promised(server)
        drive = info(server)["drives"][4]
        run(server, "drive", "drain", drive["path"])
        looked = 0

        def drained() -> bool:
            nonlocal looked
            now = info(server)
            looked += 1
            assert (now["redundancy"]["blobs_below"], now["may_fail"]) == (0, 2), now
            one = now["drives"][4]
            return not one["left"] and not one["mirror"]

        until(drained, "it is empty")
        assert looked > 1
        check(server, keys)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        away = [(drive, drive.with_name(f"{drive.name}.away")) for drive in server.drives[1:]]
        for drive, aside in away:
            drive.rename(aside)
        until(lambda: states(server)[1:] == ["missing"] * 3, "they are missed")
        server.wait(status=503)
        done = run(server, "scrub", "--now")
        assert done.status == 1
        assert "503: ServiceUnavailable: the store is read-only: 1 of 4 drives is online, 3 are needed" in done.err
        assert "Traceback" not in server.output()
        server.stop()
        said = refused_start(server)
        assert "--accept-loss" in said
        assert [said.count(f"{drive}") for drive, _ in away] == [1, 1, 1], said
        for drive, aside in away:
            aside.rename(drive)
        server.start()


def test_when_all_mirrors_are_deleted_beside_a_server_it_says_what_to_do(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        keys = fill(server, 4)
        assert run(server, "catalog", "snapshot").status == 0
        for drive in server.drives:
            for file in drive.glob("catalog.db*"):
                file.unlink()
        server.wait(status=503)
        with refused("ServiceUnavailable", 503):
            server.client().list_objects_v2(Bucket=BUCKET)
        with refused("ServiceUnavailable", 503):
            server.client().put_object(Bucket=BUCKET, Key="more", Body=b"more")
        done = run(server, "info")
        assert done.status == 1 and "answered 503" in done.err and "objstore admin catalog restore" in done.err
        for page in ("health/redundancy", "metrics"):
            answer = server.request("GET", f"/-/{page}")
            assert (answer.status, b"catalog restore" in answer.data) == (503, True)  # type: ignore[attr-defined]
        assert "Traceback" not in server.output()
        server.stop()
        assert "objstore admin catalog restore" in refused_start(server)
        assert command("admin", "catalog", "restore", *map(str, server.drives)).returncode == 0
        server.start()
        check(server, keys)


@pytest.mark.parametrize("words", [("drain",), ("replace", "/new")], ids=["drain", "replace"])
def test_whoever_waits_for_a_drain_is_told_that_it_was_called_off(words: tuple[str, ...]) -> None:
    def answer(options: Any, path: str, method: str = "GET") -> dict[str, Any]:
        asked.append(method)
        stage = "draining" if len(asked) < 4 else None
        old = {"id": "a" * 32, "path": "/old", "stage": stage, "left": 5, "mirror": False, "problem": None}
        return {"drives": [old, old | {"id": "b" * 32, "path": "/new", "stage": None}], "rebalancing": None}

    asked: list[str] = []
    said = io.StringIO()
    verb, *rest = words
    with mock.patch("objstore.cli.drives.ask", answer), contextlib.redirect_stderr(said):
        assert main(["admin", "drive", verb, "/old", *rest, "--wait"]) == 1
    assert "/old stays: meanwhile somebody asked to keep it" in said.getvalue()
    assert len(asked) == 4


def test_health_stays_green_when_an_empty_drive_is_added(tmp_path: Path) -> None:
    """Nothing is on it that could be wrong."""
    with serving(tmp_path) as server:
        new = tmp_path / "new"
        new.mkdir()
        assert run(server, "drive", "add", str(new)).status == 0
        for _ in range(20):
            answer = server.request("GET", "/-/health/redundancy")
            assert (answer.status, answer.data) == (200, b"as promised\n")  # type: ignore[attr-defined]
        assert "is being verified" not in run(server, "info").out


def test_an_old_copy_of_a_drive_that_was_in_use_is_looked_through_at_a_start(tmp_path: Path) -> None:
    """It knows the latest ballot, and has a file for every shard: one lacks what was appended since."""
    with serving(tmp_path) as server:
        keys = fill(server, 1)
        s3 = server.client()
        s3.put_object(Bucket=BUCKET, Key="packed", Body=bytes(20_000))
        drive = server.drives[1]
        shutil.copytree(drive, tmp_path / "copy")
        later = [f"later-{number}" for number in range(3)]
        for key in later:
            s3.put_object(Bucket=BUCKET, Key=key, Body=body(key)[:30_000].ljust(20_000))
        with stopped(server):
            drive.rename(tmp_path / "away")
            (tmp_path / "copy").rename(drive)
        until(lambda: f"drive {drive} was looked through" in server.output(), "it is doubted")
        as_promised(server)
        assert json.loads(run(server, "verify", "--json").out)["ok"]
        check(server, keys)
