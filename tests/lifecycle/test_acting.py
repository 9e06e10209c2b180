"""Rules act: on a server whose day lasts a second, what is due happens, and nothing else does."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from erasure.header import unpack_header
from tests.harness import Running, serving

DAY = 1.0
PATIENCE = 30.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server on which a day lasts a second, with a storage class that has no parity."""
    folder = tmp_path_factory.mktemp("lifecycle")
    config = folder / "config.toml"
    config.write_text(f"lifecycle_day = {DAY}\n[storage_classes]\nONEZONE_IA = 0\n")
    with serving(folder / "store", arguments=("--config", str(config))) as server:
        yield server


@pytest.fixture
def s3(running: Running) -> Any:
    return running.client()


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"life-{uuid.uuid4().hex[:20]}"
    s3.create_bucket(Bucket=name)
    return name


def put(s3: Any, bucket: str, *rules: dict[str, Any]) -> None:
    listed = [{"ID": str(number), "Status": "Enabled", **rule} for number, rule in enumerate(rules)]
    listed = [rule if "Filter" in rule else {"Prefix": "", **rule} for rule in listed]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": listed})


def keys(s3: Any, bucket: str) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def versions(s3: Any, bucket: str) -> tuple[int, int]:
    """How many versions and how many delete markers there are."""
    page = s3.list_object_versions(Bucket=bucket)
    return len(page.get("Versions", [])), len(page.get("DeleteMarkers", []))


def until(look: Callable[[], Any], wanted: Any) -> None:
    """Wait until `look` gives what is wanted."""
    deadline = time.monotonic() + PATIENCE
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, f"{seen} is not {wanted}"
        time.sleep(0.2)


def test_objects_there_before_and_after_the_rules_expire(s3: Any, bucket: str) -> None:
    for key in ("old/a", "old/b", "kept/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    put(s3, bucket, {"Filter": {"Prefix": "old/"}, "Expiration": {"Days": 1}})
    s3.put_object(Bucket=bucket, Key="old/c", Body=os.urandom(100_000))
    until(lambda: keys(s3, bucket), ["kept/a"])
    s3.put_object(Bucket=bucket, Key="old/d", Body=b"x")
    until(lambda: keys(s3, bucket), ["kept/a"])


def test_what_becomes_current_again_expires_again(s3: Any, bucket: str) -> None:
    """Who deletes the marker of what expired has it back, and the rule still applies."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put(s3, bucket, {"Expiration": {"Days": 1}})
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    until(lambda: versions(s3, bucket), (1, 1))
    time.sleep(3 * DAY)  # nothing is due any more
    (marker,) = s3.list_object_versions(Bucket=bucket)["DeleteMarkers"]
    s3.delete_object(Bucket=bucket, Key="a", VersionId=marker["VersionId"])
    until(lambda: versions(s3, bucket), (1, 1))


def test_a_tag_that_comes_later_counts(s3: Any, bucket: str) -> None:
    put(s3, bucket, {"Filter": {"Tag": {"Key": "temp", "Value": "1"}}, "Expiration": {"Days": 1}})
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.put_object(Bucket=bucket, Key="probe", Body=b"x", Tagging="temp=1")
    until(lambda: keys(s3, bucket), ["a", "b"])
    s3.put_object_tagging(Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "temp", "Value": "1"}]})
    until(lambda: keys(s3, bucket), ["b"])


def test_noncurrent_versions_go_and_markers_that_are_left_alone(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(4):
        s3.put_object(Bucket=bucket, Key="kept", Body=str(number).encode())
        s3.put_object(Bucket=bucket, Key="gone", Body=str(number).encode())
    s3.delete_object(Bucket=bucket, Key="gone")
    assert versions(s3, bucket) == (8, 1)
    put(
        s3,
        bucket,
        {"Filter": {"Prefix": "gone"}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"Filter": {"Prefix": "gone"}, "Expiration": {"ExpiredObjectDeleteMarker": True}},
        {
            "Filter": {"Prefix": "kept"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 1},
        },
    )
    until(lambda: versions(s3, bucket), (2, 0))
    assert s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"3"


def test_a_current_version_expires_behind_a_marker(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    put(s3, bucket, {"Expiration": {"Days": 1}})
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    until(lambda: versions(s3, bucket), (1, 1))
    assert keys(s3, bucket) == []


def test_uploads_are_aborted(s3: Any, bucket: str) -> None:
    before = s3.create_multipart_upload(Bucket=bucket, Key="a")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="a", UploadId=before, PartNumber=1, Body=b"x" * 1000)
    put(s3, bucket, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    s3.create_multipart_upload(Bucket=bucket, Key="b")
    until(lambda: s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []), [])


def test_a_change_of_class_changes_the_geometry_and_nothing_else(running: Running, s3: Any, bucket: str) -> None:
    body, many = os.urandom(3 << 20), os.urandom(11 << 20)
    put_answer = s3.put_object(Bucket=bucket, Key="a", Body=body, Metadata={"k": "v"}, ContentType="text/x")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="b")["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(Bucket=bucket, Key="b", UploadId=upload, PartNumber=number, Body=piece)["ETag"],
        }
        for number, piece in ((1, many[: 6 << 20]), (2, many[6 << 20 :]))
    ]
    s3.complete_multipart_upload(Bucket=bucket, Key="b", UploadId=upload, MultipartUpload={"Parts": parts})
    assert bare_bytes(running.drives) == 0
    was = {key: s3.head_object(Bucket=bucket, Key=key) for key in "ab"}
    put(s3, bucket, {"Transitions": [{"Days": 0, "StorageClass": "ONEZONE_IA"}]})
    for key in "ab":
        until(lambda key=key: s3.head_object(Bucket=bucket, Key=key).get("StorageClass"), "ONEZONE_IA")
    for key, content in (("a", body), ("b", many)):
        got = s3.get_object(Bucket=bucket, Key=key)
        assert got["Body"].read() == content
        for member in ("ETag", "LastModified", "ContentLength", "Metadata", "ContentType"):
            assert got[member] == was[key][member], member
    assert s3.get_object(Bucket=bucket, Key="b", PartNumber=2)["Body"].read() == many[6 << 20 :]
    assert put_answer["ETag"] == was["a"]["ETag"]
    assert bare_bytes(running.drives) >= len(body) + len(many)


def bare_bytes(drives: list[Path]) -> int:
    """Bytes in shard files of blobs without parity."""
    files = [path for drive in drives for path in drive.glob("shards/*/*") if path.is_file()]
    return sum(path.stat().st_size for path in files if unpack_header(path.read_bytes()[:4096]).layout.parity == 0)


def test_what_is_due_happens_after_a_kill(running: Running, s3: Any, bucket: str) -> None:
    for number in range(50):
        s3.put_object(Bucket=bucket, Key=f"{number:03}", Body=b"x")
    put(s3, bucket, {"Expiration": {"Days": 1}})
    running.kill()
    running.start()
    until(lambda: keys(running.client(), bucket), [])


def test_what_is_locked_stays_until_it_is_not(s3: Any, bucket: str) -> None:
    name = f"{bucket}-locked"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    made = [s3.put_object(Bucket=name, Key="k", Body=b"x")["VersionId"] for _ in range(4)]
    held, retained = made[0], made[1]
    s3.put_object_legal_hold(Bucket=name, Key="k", VersionId=held, LegalHold={"Status": "ON"})
    until_then = {"Mode": "GOVERNANCE", "RetainUntilDate": "2140-01-01T00:00:00Z"}
    s3.put_object_retention(Bucket=name, Key="k", VersionId=retained, Retention=until_then)

    def left() -> list[str]:
        return sorted(one["VersionId"] for one in s3.list_object_versions(Bucket=name).get("Versions", []))

    put(s3, name, {"Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    until(left, sorted([held, retained]))
    s3.put_object_legal_hold(Bucket=name, Key="k", VersionId=held, LegalHold={"Status": "OFF"})
    until(left, [retained])
    assert s3.get_object_retention(Bucket=name, Key="k", VersionId=retained)["Retention"]["Mode"] == "GOVERNANCE"
