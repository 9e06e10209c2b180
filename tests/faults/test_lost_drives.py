"""Any two drives of four may go: reads go on; with one gone, writes too; what comes back empty is healed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from objstore.drives.errors import DriveLocked
from objstore.drives.lock import lock_drive
from tests.faults.cluster import (
    BUCKET,
    CLI_ENVIRONMENT,
    Load,
    check,
    command,
    fill,
    healed,
    info,
    refused_start,
    remove,
    states,
    stopped,
)
from tests.front.wire import refused, until
from tests.harness import Running, serving


@pytest.mark.parametrize(("first", "second"), [(0, 1), (3, 1)])
def test_two_drives_go_while_clients_read_and_write_then_the_other_two(tmp_path: Path, first: int, second: int) -> None:
    with serving(tmp_path, workers=2) as server:
        keys = fill(server)
        lost = [server.drives[first], server.drives[second]]
        others = [drive for drive in server.drives if drive not in lost]
        with Load(server, "load", keys) as load:
            load.progress(5, 5)
            remove(lost[0])
            load.progress(15, 15)
            until(lambda: states(server)[first] != "online", "the lost drive is noticed")
            assert load.failed_writes == []
            load.progress(5, 5)
            remove(lost[1])
            server.wait(status=503)
            load.progress(0, 15)
        assert load.failed_reads == []
        assert all("ServiceUnavailable" in one for one in load.failed_writes), load.failed_writes
        with refused("ServiceUnavailable", 503):
            server.client().put_object(Bucket=BUCKET, Key="refused", Body=b"x" * 100)
        check(server, keys + load.acknowledged)
        for drive in lost:
            drive.mkdir()
        server.wait()
        healed(server)
        server.client().put_object(Bucket=BUCKET, Key="again", Body=b"x")
        remove(*others)
        check(server, keys + load.acknowledged)


PAIRS = [(0, 1), (2, 3), (0, 2)]  # of the six, those that take both, neither and one of the first two


def test_two_may_be_gone_at_a_start(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        keys = fill(server, 6)
        away = [drive.with_name(f"{drive.name}.away") for drive in server.drives]
        for pair in PAIRS:
            with stopped(server, ready=False):
                for number in range(4):
                    if away[number].exists():
                        away[number].rename(server.drives[number])
                for number in pair:
                    server.drives[number].rename(away[number])
            check(server, keys)
            said = server.output().rpartition("serves S3 at")[2]
            assert "2 not there now" in said
            assert all((f"{server.drives[number]}: the folder" in said) == (number in pair) for number in range(4))
            assert not info(server)["writable"]
            assert [state == "online" for state in states(server)] == [number not in pair for number in range(4)]
        for number in range(4):
            if away[number].exists():
                away[number].rename(server.drives[number])
        server.wait()
        server.client().put_object(Bucket=BUCKET, Key="writable-again", Body=b"x" * 20_000)
        for drive in server.drives:
            with pytest.raises(DriveLocked):
                os.close(lock_drive(drive))


def test_what_was_written_without_a_drive_is_there_without_two_others(tmp_path: Path) -> None:
    """The drive that was away is healed from the rest, so that the rest is not needed any more."""
    with serving(tmp_path) as server:
        fill(server, 4)
        assert info(server)["may_fail"] == 2
        away = tmp_path / "away"
        server.drives[2].rename(away)
        until(lambda: states(server)[2] != "online", "the drive is missed")
        assert info(server)["may_fail"] == 1
        told = shown(server)
        assert "any 1 more of 4 drives may fail now" in told and "nothing to heal" not in told
        assert (
            f"{server.drives[2]}: the folder does not exist" in told
            and "healing waits for 1 drive: put it back" in told
        )
        with Load(server, "meanwhile") as load:
            load.progress(15)
        assert load.failed_writes == []
        away.rename(server.drives[2])
        healed(server)
        told = shown(server)
        assert "any 2 of 4 drives may fail" in told and "nothing to heal" in told
        remove(server.drives[0], server.drives[1])
        check(server, load.acknowledged)
        until(lambda: states(server).count("online") == 2, "both are missed")
        assert (info(server)["may_fail"], "no other drive may fail now" in shown(server)) == (0, True)


def shown(server: Running) -> str:
    """What `objstore admin info` tells people."""
    done = command("admin", "--endpoint", server.endpoint, "info", environment=CLI_ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def test_below_the_start_quorum_the_server_says_which_drives_it_misses(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        keys = fill(server, 4)
        server.stop()
        for drive in server.drives[1:]:
            drive.rename(drive.with_name(f"{drive.name}.away"))
        said = refused_start(server)
        for drive in server.drives[1:]:
            assert str(drive) in said
        for drive in server.drives[1:]:
            shutil.rmtree(drive, ignore_errors=True)
            drive.with_name(f"{drive.name}.away").rename(drive)
        server.start()
        check(server, keys)
