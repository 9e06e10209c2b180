"""`objstore admin verify` says that all is well when it is, and notices whatever is not, at rest and while serving."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from objstore.jobs.verify import Report
from objstore.server import verifying
from tests.faults.cluster import BUCKET, CLI_ENVIRONMENT, command, fill
from tests.front.wire import until
from tests.harness import Running, serving


def verify(server: Running, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the report of the command, online; with drives offline."""
    where = () if arguments else ("--endpoint", server.endpoint)
    done = command("admin", *where, "verify", "--json", *arguments, environment=CLI_ENVIRONMENT)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def contents(server: Running) -> None:
    """Something of everything that the catalog counts."""
    keys = fill(server, 12)
    s3 = server.client()
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for key in keys[:3]:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"again" * 3_000)
    s3.delete_object(Bucket=BUCKET, Key=keys[0])
    s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": keys[4]})
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    parts = []
    for number in range(1, 11):
        copied = {"Bucket": BUCKET, "Key": "part"}
        if number == 1:
            s3.put_object(Bucket=BUCKET, Key="part", Body=bytes(5 << 20))
        answer = s3.upload_part_copy(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=number, CopySource=copied)
        parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
    done = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    s3.complete_multipart_upload(**done)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="unfinished")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="unfinished", UploadId=upload, PartNumber=1, Body=b"part")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that was stopped, after a verification of what it holds."""
    with serving(tmp_path_factory.mktemp("verify")) as server:
        contents(server)
        status, report = verify(server)
        assert (status, report["problems"], report["notices"]) == (0, [], [])
        assert report["mirrors"] == 3
        assert report["objects"] == 14
        assert report["parts"] == 1
        server.stop()
        yield server


@pytest.fixture(autouse=True)
def _as_before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Every test finds the drives as the server left them."""
    if "stopped" not in request.fixturenames:
        yield
        return
    server: Running = request.getfixturevalue("stopped")
    kept = tmp_path / "kept"
    for number, drive in enumerate(server.drives):
        shutil.copytree(drive, kept / str(number))
    yield
    for number, drive in enumerate(server.drives):
        shutil.rmtree(drive, ignore_errors=True)
        (kept / str(number)).rename(drive)


def report_of(server: Running) -> Report:
    return verifying.offline(server.drives)


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.problems}


def shard_files(server: Running, drive: int) -> list[Path]:
    """The shard files of a drive that hold something, the largest first."""
    files = [path for path in (server.drives[drive] / "shards").rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: -path.stat().st_size)


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes((byte ^ 1,)))


def edit(server: Running, sql: str, *drives: int) -> int:
    """Change rows of the mirrors of these drives, or of all: in how many mirrors something was changed."""
    changed = 0
    for drive in drives or range(len(server.drives)):
        if (path := server.drives[drive] / "catalog.db").exists():
            with contextlib.closing(apsw.Connection(str(path))) as connection:
                connection.execute(sql)
                changed += connection.total_changes() > 0
    return changed


def holders(server: Running) -> list[int]:
    return [number for number, drive in enumerate(server.drives) if (drive / "catalog.db").exists()]


def test_the_command_says_that_all_is_well_of_a_server_at_rest(stopped: Running) -> None:
    status, report = verify(stopped, *map(str, stopped.drives))
    assert (status, report["ok"], report["problems"], report["notices"]) == (0, True, [], [])
    assert min(report[name] for name in ("mirrors", "objects", "versions", "parts", "extents", "blobs", "shards")) > 0


@pytest.mark.parametrize(("offset", "reason"), [(30, "header"), (4096 + 20, "record"), (-700, "hash")])
def test_a_flipped_bit_of_a_shard_file_is_found(stopped: Running, offset: int, reason: str) -> None:
    path = shard_files(stopped, 1)[0]
    flip(path, offset if offset > 0 else path.stat().st_size // 2)
    (found,) = report_of(stopped).problems
    assert found.kind == "shard"
    assert str(stopped.drives[1]) in found.where
    assert reason in found.reason


def test_lost_and_short_shard_files_are_found(stopped: Running) -> None:
    shard_files(stopped, 0)[0].unlink()
    os.truncate(shard_files(stopped, 2)[0], 5000)
    report = report_of(stopped)
    assert [finding.kind for finding in report.problems] == ["shard", "shard"]
    assert not report.ok


def test_bytes_of_which_too_few_shards_are_left_are_lost(stopped: Running) -> None:
    """It is told whose they are, copies too."""
    part = (5 << 20) // 2
    blob = next(one.name.split(".")[0] for one in shard_files(stopped, 0) if part < one.stat().st_size < 1.03 * part)
    for drive in range(3):
        next(file for file in shard_files(stopped, drive) if file.name.startswith(blob)).unlink()
    report = report_of(stopped)
    assert kinds(report) == {"shard", "lost", "object"}
    concerned = {finding.where.split()[0] for finding in report.problems if finding.kind == "object"}
    assert concerned == {f"{BUCKET}/part", f"{BUCKET}/parts"}


def test_bytes_on_drives_that_are_not_there_are_not_lost(stopped: Running) -> None:
    """They may come back. What is damaged where they are is lost without them, and with them."""
    only = stopped.drives[holders(stopped)[0]]
    assert kinds(verifying.offline([only])) == {"drive", "mirror", "away", "object"}
    for drive in range(3):
        shard_files(stopped, drive)[0].unlink()
    assert kinds(verifying.offline(stopped.drives[:3])) == {"drive", "shard", "lost", "object"}


def test_bytes_that_other_shards_still_give_are_not_lost(stopped: Running) -> None:
    for drive in range(3):  # each damaged in another stripe
        flip(shard_files(stopped, drive)[0], 4096 + 300_000 + drive * 600_000)
    assert kinds(report_of(stopped)) == {"shard"}


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("UPDATE usage SET bytes = bytes + 1", "something else in usage"),
        (
            "UPDATE objects SET record = zeroblob(length(record)) WHERE key = X'636f7079'",
            "not what the checksum says",
        ),
        ("UPDATE payloads SET data = CAST(data || X'00' AS BLOB)", "not what the checksum says"),
        (
            "UPDATE redo SET statements = CAST(statements || X'00' AS BLOB) WHERE seq IN (SELECT seq FROM mirror)",
            "redo log",
        ),
        ("DELETE FROM redo WHERE seq = (SELECT max(seq) - 1 FROM redo)", "redo log"),
        ("UPDATE mirror SET seq = seq + 1", "stands at"),
        ("DELETE FROM extents", "something else in extents"),
    ],
    ids=["number", "record", "payload", "redo", "gap", "position", "rows"],
)
def test_a_mirror_that_differs_is_found_and_named(stopped: Running, sql: str, reason: str) -> None:
    drive = holders(stopped)[1]
    assert edit(stopped, sql, drive) == 1
    report = report_of(stopped)
    assert kinds(report) == {"mirror"}
    if reason != "stands at":
        assert {finding.where for finding in report.problems} == {str(stopped.drives[drive])}
    assert any(reason in finding.reason for finding in report.problems), report.problems


def test_mirrors_that_are_gone_or_broken_are_found(stopped: Running) -> None:
    first, second, _ = holders(stopped)
    (stopped.drives[first] / "catalog.db").unlink()
    with (stopped.drives[second] / "catalog.db").open("r+b") as file:
        file.truncate(20_000)
    report = report_of(stopped)
    assert kinds(report) == {"mirror"}
    assert {finding.where for finding in report.problems} == {str(stopped.drives[one]) for one in (first, second)}


def test_a_mirror_that_a_crash_left_behind_is_no_problem(stopped: Running) -> None:
    drive = holders(stopped)[2]
    older = (
        "UPDATE mirror SET (seq, chain, logged) = (SELECT seq, chain, logged FROM redo WHERE seq = mirror.seq - 1);"
        "DELETE FROM redo WHERE seq = (SELECT max(seq) FROM redo)"
    )
    assert edit(stopped, older, drive) == 1
    report = report_of(stopped)
    assert report.problems == []
    assert [finding.kind for finding in report.notices] == ["mirror"]


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("UPDATE usage SET objects = objects - 1", "usage"),
        ("DELETE FROM usage", "usage"),
        ("UPDATE extents SET refs = refs + 1", "reference"),
        ("DELETE FROM extents WHERE refs > 1", "reference"),
        ("UPDATE extents SET size = size + 1", "reference"),
        ("INSERT INTO payloads VALUES (7, X'ef46db3751d8e999')", "payload"),
        ("DELETE FROM payloads", "record"),
        ("DELETE FROM blobs", "blob"),
        ("DELETE FROM shards WHERE idx = 1", "blob"),
        ("UPDATE blobs SET length = 4096 WHERE sealed = 1", "blob"),
        ("UPDATE extents SET span = span + 4096", "blob"),
        ("UPDATE blobs SET parity = parity - 1", "blob"),
        ("UPDATE blob_counts SET blobs = blobs + 1", "blob"),
        ("DELETE FROM uploads", "reference"),
        ("DELETE FROM buckets", "reference"),
        ("INSERT INTO quotas (scope, bucket, name, objects) VALUES ('bucket', 1, X'', 3)", "quota"),
        ("INSERT INTO quotas (scope, bucket, name, objects) SELECT 'account', 0, owner, 1 FROM buckets", "quota"),
        ("INSERT INTO moved VALUES (X'00', 4096, X'01', 4096, 64)", "reference"),
    ],
)
def test_rows_that_do_not_agree_are_found_though_all_mirrors_hold_them(stopped: Running, sql: str, kind: str) -> None:
    assert edit(stopped, sql) == 3
    assert kind in kinds(report_of(stopped))


def test_a_shard_that_waits_to_be_healed_is_told(stopped: Running) -> None:
    assert edit(stopped, "UPDATE shards SET missing = 0 WHERE idx = 0 AND blob = (SELECT min(blob) FROM shards)") == 3
    assert [finding.kind for finding in report_of(stopped).problems] == ["missing"]


def test_a_file_that_nothing_knows_is_told(stopped: Running) -> None:
    known = shard_files(stopped, 0)[0]
    name, _, shard = known.name.rpartition(".")
    stray = f"{'0' * 16}{name[16:]}.{shard}"
    shutil.copyfile(known, known.with_name(stray))
    report = report_of(stopped)
    assert report.problems == []
    assert [finding.kind for finding in report.notices] == ["file"]


def test_a_drive_that_is_not_named_or_not_there_is_missed(stopped: Running) -> None:
    gone = stopped.drives[3]
    gone.rename(gone.with_name("aside"))
    assert "drive" in kinds(report_of(stopped))
    assert "drive" in kinds(verifying.offline(stopped.drives[:3]))
    gone.with_name("aside").rename(gone)
    status, report = verify(stopped, *map(str, stopped.drives[:3]))
    assert (status, report["ok"]) == (1, False)


def test_a_damaged_ballot_is_found(stopped: Running) -> None:
    flip(stopped.drives[0] / "ballot", 20)
    assert [(one.kind, one.where) for one in report_of(stopped).problems] == [("drive", str(stopped.drives[0]))]


def test_looking_changes_nothing(stopped: Running) -> None:
    def files() -> dict[str, bytes]:
        found = (path for drive in stopped.drives for path in drive.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in found if path.name != "lock"}

    before = files()
    report_of(stopped)
    after = {path: data for path, data in files().items() if not path.endswith(("-shm", "-wal"))}
    assert {path: data for path, data in before.items() if not path.endswith(("-shm", "-wal"))} == after


def test_a_running_server_looks_through_itself_and_is_not_looked_through_from_outside(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as server:
        keys = fill(server, 6)
        done = command("admin", "verify", *map(str, server.drives), environment=CLI_ENVIRONMENT)
        assert done.returncode == 1
        assert "stop it first" in done.stderr
        s3 = server.client()
        s3.delete_object(Bucket=BUCKET, Key=keys[0])
        assert verify(server)[0] == 0
        # a shard is damaged and, once told, healed
        path = shard_files(server, 2)[0]
        flip(path, 30)
        status, report = verify(server)
        assert status == 1
        assert "shard" in {finding["kind"] for finding in report["problems"]}
        flip(path, 30)
        until(lambda: verify(server)[0] == 0, "all is well again")
