"""Drives are added, filled, drained, replaced and removed while clients read and write; nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.admin import admin, run
from tests.faults.cluster import Load, check, fill, healed, left, refused_start, remove, stopped
from tests.front.wire import send, until
from tests.harness import Running, serving


def drives(server: Running) -> dict[str, dict[str, Any]]:
    """The drives by the name of their folder, as an administrator sees them."""
    return {Path(one["path"]).name: one for one in admin(server, "drive", "list")["drives"]}


def spread(server: Running, name: str) -> bool:
    """Whether a drive has joined, and has its share of all."""
    now = admin(server, "drive", "list")
    there = [one["stage"] for one in now["drives"] if Path(one["path"]).name == name]
    return there == [None] and now["rebalancing"] is None


def shards(drive: Path) -> int:
    """How many shard files a drive has."""
    return sum(1 for path in (drive / "shards").rglob("*.*") if path.is_file())


def some(load: Load) -> list[str]:
    """Keys of a load, from its whole time: it may have written thousands."""
    return load.acknowledged[:: max(1, len(load.acknowledged) // 100)]


def ask_for(server: Running, method: str, **given: str) -> int:
    """Ask the admin API about drives, without waiting for anything; the status of its answer."""
    return send(server, method, f"/-/admin/v1/drives?{urlencode(given)}").status


def verified(server: Running) -> None:
    """Every mirror and every shard is looked through, and all is well."""
    done = run(server, "verify")
    assert done.status == 0, done.out + done.err


def new_drive(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


def test_a_drive_is_added_and_filled_and_another_one_drained_and_removed(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as server:
        keys = fill(server, 24)
        fifth = new_drive(tmp_path, "drive5")
        with Load(server, "load", keys, writers=1) as load:
            load.progress(3, 3)
            admin(server, "drive", "add", str(fifth), "--wait")
            assert shards(fifth) > 0
            refused = run(server, "drive", "remove", str(server.drives[0]))
            assert refused.status == 1 and "drain it first" in refused.err
            admin(server, "drive", "drain", str(server.drives[0]), "--wait")
            drained = drives(server)["drive1"]
            assert (drained["stage"], drained["left"], drained["mirror"]) == ("draining", 0, False)
            admin(server, "drive", "add", str(new_drive(tmp_path, "drive6")))
            until(lambda: spread(server, "drive6"), "another one is filled while that stays")
            admin(server, "drive", "remove", str(server.drives[0]), "--wait")
            load.progress(3, 3)
        assert (load.failed_reads, load.failed_writes) == ([], [])
        assert sorted(drives(server)) == ["drive2", "drive3", "drive4", "drive5", "drive6"]
        healed(server)
        verified(server)
        check(server, keys + some(load))
        with stopped(server):  # the list still names the one that is gone, and not the one that was added
            pass
        assert "was removed" in server.output() and str(fifth) in server.output()
        assert sorted(drives(server)) == ["drive2", "drive3", "drive4", "drive5", "drive6"]
        server.stop()
        for gone in server.drives[1:3]:
            gone.rename(gone.with_name(f"{gone.name}.away"))
        server.start(ready=False)
        check(server, keys + some(load))


def test_a_drive_is_replaced_while_everything_is_killed_again_and_again(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        keys = fill(server, 30)
        new, old = new_drive(tmp_path, "drive5"), str(server.drives[1])
        drive = drives(server)["drive2"]["id"]
        # as the command asks, which then only looks on
        assert ask_for(server, "POST", path=str(new), replaces=old) == 200
        for reached in (
            lambda now: True,
            lambda now: now["drive5"]["stage"] is None,
            lambda now: "drive2" not in now or now["drive2"]["left"] < now["drive2"]["held"],
            lambda now: "drive2" not in now,
        ):
            until(lambda reached=reached: reached(drives(server)), "a step further", left=lambda: left(server))  # type: ignore[misc]
            server.kill()
            server.start()
        until(
            lambda: sorted(drives(server)) == ["drive1", "drive3", "drive4", "drive5"],
            "it is replaced",
            left=lambda: left(server),
        )
        assert drive not in {one["id"] for one in drives(server).values()}
        assert all(one["stage"] is None for one in drives(server).values())
        healed(server)
        verified(server)
        check(server, keys)
        remove(server.drives[0], server.drives[2])
        check(server, keys)


def test_another_drive_fails_while_one_is_drained(tmp_path: Path) -> None:
    with serving(tmp_path, drives=5) as server:
        keys = fill(server, 30)
        assert ask_for(server, "PUT", drive=str(server.drives[0]), action="drain") == 200
        remove(server.drives[1])
        admin(server, "drive", "drain", str(server.drives[0]), "--wait")
        check(server, keys)
        server.drives[1].mkdir()
        healed(server)
        admin(server, "drive", "remove", str(server.drives[0]))
        verified(server)
        check(server, keys)


def test_a_lost_drive_is_removed_and_what_it_held_is_made_again(tmp_path: Path) -> None:
    with serving(tmp_path, drives=5) as server:
        keys = fill(server, 12)
        lost = server.drives[2]
        remove(lost)
        until(lambda: drives(server)["drive3"]["state"] != "online", "the lost drive is noticed")
        assert "holds" in run(server, "drive", "remove", str(lost)).err
        admin(server, "drive", "remove", str(lost), "--accept-loss", "--wait")
        assert sorted(drives(server)) == ["drive1", "drive2", "drive4", "drive5"]
        verified(server)
        check(server, keys)
        said = run(server, "drive", "drain", str(server.drives[0])).err
        assert "3 drives would stay, parity 2 needs 4" in said
        with stopped(server):
            pass
        assert f"{lost} is no drive of this deployment" in server.output()
        check(server, keys)
        server.stop()
        lost.mkdir()
        said = refused_start(server)
        assert str(lost) in said and "objstore admin drive add" in said
        lost.rmdir()
        everything, server.drives = server.drives, server.drives[3:]
        server.start()
        assert sorted(drives(server)) == ["drive1", "drive2", "drive4", "drive5"]
        assert f"{everything[0]} is a drive of this deployment: name it" in server.output()
        check(server, keys)
        for folder, reason in (
            (tmp_path, "not empty"),
            (tmp_path / "nowhere", "does not exist"),
            (everything[0], "already"),
        ):
            assert reason in run(server, "drive", "add", str(folder)).err
        server.stop()
        server.drives = everything
