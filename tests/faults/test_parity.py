"""Another parity for new objects while clients read and write, killed in the middle of it, and with drives away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.admin import admin, run
from tests.faults.cluster import BUCKET, Load, body, check, fill, healed, info, remove, sql, stopped
from tests.faults.test_redundancy import metrics, redundancy
from tests.faults.test_restripe import layouts
from tests.front.wire import send, until
from tests.harness import Running, serving
from tests.restore.losing import snapshot


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """Four drives that were made with parity 1, which no setting says."""
    with serving(tmp_path, arguments=("--parity", "1"), workers=2) as running:
        running.stop()
        running.arguments = ()
        running.start()
        yield running


def put(server: Running, key: str, promised: int) -> None:
    """Put an object as often as it takes until every process that may be asked has followed the parity."""
    s3 = server.client()

    def done() -> bool:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body(key))
        return f"promised={promised}," in redundancy(server, key)

    until(done, f"{key} is written with parity {promised}")


def test_another_parity_is_for_new_objects_soon_in_every_process(server: Running) -> None:
    keys = fill(server, 8)
    assert admin(server, "parity") == {"parity": 1, "wanted": None}
    assert layouts(server) == {(3, 1)}
    with Load(server, "load", keys, writers=2) as load:
        load.progress(3, 3)
        assert admin(server, "parity", "2") == {"parity": 2, "wanted": None}
        load.progress(3, 3)
    assert (load.failed_reads, load.failed_writes) == ([], [])
    new = [f"new-{number}" for number in range(8)]
    for key in new:
        put(server, key, 2)
    assert layouts(server) == {(3, 1), (2, 2)}
    healed(server)  # the catalog has another mirror
    assert sum(drive["mirror"] for drive in info(server)["drives"]) == 3
    with stopped(server):  # nothing but the drives remembers it
        pass
    assert admin(server, "parity") == {"parity": 2, "wanted": None}
    assert run(server, "verify").status == 0
    remove(*server.drives[1:3])
    check(server, new)


def test_how_many_drives_may_fail_is_what_old_and_reduced_objects_bear(server: Running) -> None:
    """Not what new ones are promised: the least of all blobs and of the catalog counts."""

    def told() -> tuple[int, dict[int, int]]:
        now = info(server)
        return now["may_fail"], {one["parity"]: one["may_fail"] for one in now["blobs"]}

    keys, s3 = fill(server, 8), server.client()
    assert told() == (1, {1: 1})
    snapshot(server)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="uploaded")["UploadId"]
    part = {"Bucket": BUCKET, "Key": "uploaded", "UploadId": upload}
    etag = s3.upload_part(**part, PartNumber=1, Body=bytes(5_500_000))["ETag"]
    admin(server, "parity", "2")
    healed(server)  # the catalog has another mirror
    assert told() == (1, {1: 1}), "nothing was written anew"
    put(server, "new-3", 2)
    assert told() == (1, {1: 1, 2: 2})
    old = info(server)["blobs"][0]["count"]
    assert old == sql(server, "SELECT count(*) FROM blobs WHERE parity = 1")[0][0] > 1
    shown = run(server, "info").out
    assert "parity 2: any 1 more of 4 drives may fail now" in shown
    assert f"{old} blobs of parity 1" in shown
    assert "objstore_drives_may_fail 1.0" in metrics(server)
    assert f'objstore_blobs{{parity="1"}} {float(old)}' in metrics(server)
    assert run(server, "restripe", "--wait").status == 0
    assert told() == (2, {2: 2})
    shown = run(server, "info").out
    assert "any 2 of 4 drives may fail" in shown and "of parity 1" not in shown
    s3.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert s3.get_object(Bucket=BUCKET, Key="uploaded")["Body"].read() == bytes(5_500_000)
    assert told() == (2, {2: 2})
    for key in ("reduced", "reduced too"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(5_000_000), StorageClass="REDUCED_REDUNDANCY")
    assert told() == (1, {1: 1, 2: 2})
    assert "2 blobs of parity 1" in run(server, "info").out
    away = server.drives[0].with_name("away")
    server.drives[0].rename(away)
    until(lambda: told() == (0, {1: 0, 2: 1}), "a drive is missed")
    assert "no other drive may fail now" in run(server, "info").out
    away.rename(server.drives[0])
    healed(server)
    s3.delete_object(Bucket=BUCKET, Key="reduced")
    assert told() == (1, {1: 1, 2: 2})
    s3.delete_object(Bucket=BUCKET, Key="reduced too")
    assert told() == (2, {2: 2}), "nothing of less parity is left"
    assert run(server, "verify").status == 0
    check(server, keys)


def test_it_is_killed_in_the_middle_and_lowered_again(server: Running) -> None:
    keys = fill(server, 4)
    for wanted in (2, 0, 1):
        assert send(server, "PUT", f"/-/admin/v1/parity?parity={wanted}").status == 200
        server.kill()
        server.start()
        until(lambda wanted=wanted: admin(server, "parity") == {"parity": wanted, "wanted": None}, "it goes on")  # type: ignore[misc]
    check(server, keys)
    healed(server)
    assert run(server, "verify").status == 0


def test_it_waits_for_the_quorum_of_both(server: Running) -> None:
    fill(server, 2)
    drives = info(server)["drives"]
    chosen = [next(one for one in drives if one["mirror"] is mirror)["path"] for mirror in (True, False)]
    away = [(Path(path), Path(f"{path}.away")) for path in chosen]
    for drive, place in away:
        drive.rename(place)
    until(lambda: not info(server)["writable"], "too few drives are there")
    assert send(server, "PUT", "/-/admin/v1/parity?parity=2").status == 503
    away[0][1].rename(away[0][0])
    # each process of the server learns of it for itself
    until(lambda: send(server, "PUT", "/-/admin/v1/parity?parity=2").status == 200, "enough drives are there")
    until(lambda: admin(server, "parity") == {"parity": 2, "wanted": None}, "three of four are enough for both")
    away[1][1].rename(away[1][0])
    healed(server)


def test_what_cannot_be_is_refused(server: Running) -> None:
    for wrong in ("3", "-1"):
        with contextlib.suppress(SystemExit):
            assert "parity is from 0 to 2, half of the 4 drives" in run(server, "parity", wrong).err
    assert send(server, "PUT", "/-/admin/v1/parity?parity=x").status == 400
    with stopped(server):
        server.arguments = ("--parity", "2")
    until(lambda: admin(server, "parity")["parity"] == 2, "the settings are followed")
    with stopped(server):
        server.arguments = ("--parity", "1")
    until(lambda: admin(server, "parity")["parity"] == 1, "the settings are followed")
    assert "The settings of the server say parity 1" in run(server, "parity", "2").err
    assert admin(server, "parity", "1") == {"parity": 1, "wanted": None}
