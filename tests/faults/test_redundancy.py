"""How safe everything is can be seen at any moment, exactly; and a pool may be replaced drive by drive under load."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults.cluster import BUCKET, Load, as_promised, check, fill, info, remove, states
from tests.faults.test_bit_rot import files
from tests.faults.test_verify import flip, verify
from tests.front.wire import until
from tests.harness import Running, serving


def redundancy(server: Running, key: str) -> str:
    """What HeadObject tells root."""
    answer = server.client().head_object(Bucket=BUCKET, Key=key)
    told: str = answer["ResponseMetadata"]["HTTPHeaders"]["x-objstore-redundancy"]
    return told


def health(server: Running) -> tuple[int, str]:
    answer = server.request("GET", "/-/health/redundancy")
    return answer.status, answer.data.decode()  # type: ignore[attr-defined]


def test_what_is_below_its_promise_is_told_until_it_is_healed(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        s3 = server.client()
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="small", Body=b"x")
        s3.put_object(Bucket=BUCKET, Key="packed", Body=bytes(100_000))
        s3.put_object(Bucket=BUCKET, Key="large", Body=bytes(5_500_000))
        assert redundancy(server, "small") == "may-fail=2, promised=2, held=3/3"
        assert redundancy(server, "packed") == redundancy(server, "large") == "may-fail=2, promised=2, held=4/4"
        s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read")
        s3.put_object_acl(Bucket=BUCKET, Key="large", ACL="public-read")
        stranger = server.request("HEAD", f"/{BUCKET}/large")
        assert (stranger.status, stranger.getheader("x-objstore-redundancy")) == (200, None)
        assert health(server) == (200, "as promised\n")

        away = server.drives[3].with_name("away")
        server.drives[3].rename(away)
        until(lambda: states(server)[3] != "online", "the drive is missed")
        until(lambda: redundancy(server, "large") == "may-fail=1, promised=2, held=3/4", "HeadObject tells")
        status, said = health(server)
        assert status == 503
        assert "lacking" in said
        shown = info(server)["redundancy"]
        assert shown["blobs_below"] == shown["shards_lacking"] == len(files(away))
        assert shown["parts_below"] == 2, "the small one is in the catalog"
        assert "objstore_parts_below_promise 2.0" in metrics(server)
        assert f"objstore_blobs_below_promise {float(shown['blobs_below'])}" in metrics(server)
        away.rename(server.drives[3])
        as_promised(server)
        assert redundancy(server, "large") == "may-fail=2, promised=2, held=4/4"
        assert "objstore_redundancy_verified 1.0" in metrics(server)


def metrics(server: Running) -> str:
    return server.request("GET", "/-/metrics").data.decode()  # type: ignore[attr-defined, no-any-return]


def test_a_drive_that_comes_back_is_believed_only_when_it_was_read(tmp_path: Path) -> None:
    """It lost a file and has a flipped byte in another: nobody reads them, and yet health is green only at the end."""
    with serving(tmp_path) as server:
        keys = fill(server, 12)
        away = server.drives[1].with_name("away")
        server.drives[1].rename(away)
        until(lambda: server.output().count("is missing, was online") >= 2, "the worker and the jobs process miss it")
        lost, *_, damaged = sorted(files(away), key=lambda path: path.stat().st_size)
        lost.unlink()
        flip(damaged, 30)
        away.rename(server.drives[1])
        until(lambda: states(server)[1] == "online", "the drive is back")
        as_promised(server)
        assert verify(server)[0] == 0, server.output()
        check(server, keys)


@pytest.mark.timeout(600)
def test_every_drive_is_replaced_one_after_the_other_under_load(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as server:
        keys = fill(server, 6)
        with Load(server, "meanwhile", keys, writers=2) as load:
            for drive in server.drives:
                load.progress(3, 3)
                remove(drive)
                until(lambda drive=drive: states(server)[server.drives.index(drive)] != "online", "it is missed")  # type: ignore[misc]
                drive.mkdir()
                until(lambda: states(server) == ["online"] * 4, "it is taken in")
                as_promised(server)
        assert load.failed_reads == []
        assert load.failed_writes == []
        check(server, keys + load.acknowledged)
        assert verify(server)[0] == 0


def test_a_heal_goes_on_after_restarts(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        keys = fill(server, 10)
        server.stop()
        shutil.rmtree(server.drives[2])
        server.drives[2].mkdir()
        server.start()
        server.kill()
        server.start()
        as_promised(server)
        server.stop()
        for drive in server.drives[:2]:
            drive.rename(drive.with_name(f"{drive.name}.away"))
        server.start(ready=False)
        check(server, keys)
        server.stop()
        for drive in server.drives[:2]:
            drive.with_name(f"{drive.name}.away").rename(drive)
