"""Formats on the drives: what older releases wrote is read, what a newer one wrote is refused and left as it is."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from xxhash import xxh3_64_hexdigest

from objstore.catalog.mirror import connect
from objstore.catalog.schema import VERSION
from tests.admin import run
from tests.faults.cluster import refused_start
from tests.harness import Running, serving
from tests.upgrades.write_pool import BUCKET, FOLDER, SIZES, body

POOLS = sorted(path.name for path in FOLDER.glob("*.tar.xz"))


def test_there_is_a_pool_of_every_format() -> None:
    assert "format-1.tar.xz" in POOLS


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_of_an_older_release_is_opened_read_and_written(tmp_path: Path, pool: str) -> None:
    with tarfile.open(FOLDER / pool) as archive:
        archive.extractall(tmp_path, filter="data")
    with serving(tmp_path, drives=2) as server:
        s3 = server.client()

        def get(key: str, **given: str) -> Any:
            return s3.get_object(Bucket=BUCKET, Key=key, **given)["Body"].read()

        for key in (*SIZES, "packed/sealed"):
            assert get(key) == body(key)
        assert get("alone/copy") == body("alone")
        assert get("packed/old") == b"newer"
        listed = s3.list_object_versions(Bucket=BUCKET)
        (old,) = [one["VersionId"] for one in listed["Versions"] if one["Key"] == "packed/old" and not one["IsLatest"]]
        assert get("packed/old", VersionId=old) == body("packed/old")
        assert [one["Key"] for one in listed["DeleteMarkers"]] == ["gone"]
        (upload,) = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
        known = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload["UploadId"]}
        (part,) = s3.list_parts(**known)["Parts"]
        part = {"PartNumber": 1, "ETag": part["ETag"]}
        s3.complete_multipart_upload(**known, MultipartUpload={"Parts": [part]})
        assert get("parts") == body("packed")
        s3.put_object(Bucket=BUCKET, Key="new", Body=b"n" * 20_000)
        assert get("new") == b"n" * 20_000
        done = run(server, "verify")
        assert done.status == 0, done.out


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A server that has run, and does not now."""
    with serving(tmp_path_factory.mktemp("newer")) as server:
        server.stop()
        kept = [drive.rename(drive.with_name(f"{drive.name}.kept")) for drive in server.drives]
    server.drives = kept
    return server


def newer(path: Path) -> None:
    """Let a small file be of the next version, with its checksum."""
    members = json.loads(path.read_text())
    members["version"] += 1
    members["something"] = {"new": [1]}
    del members["checksum"]
    members["checksum"] = xxh3_64_hexdigest(msgspec.json.encode(members, order="sorted"))
    path.write_text(json.dumps(members))


@pytest.mark.parametrize("name", ["format.json", "ballot"])
def test_a_newer_file_of_a_drive_is_refused(stopped: Running, name: str) -> None:
    file = stopped.drives[1] / name
    before = file.read_bytes()
    newer(file)
    wanted = file.read_bytes()
    said = refused_start(stopped)
    assert str(stopped.drives[1]) in said and f"{name} has version 2" in said and "release" in said
    assert file.read_bytes() == wanted
    file.write_bytes(before)


def test_a_newer_catalog_is_refused(stopped: Running) -> None:
    files = [drive / "catalog.db" for drive in stopped.drives if (drive / "catalog.db").exists()]
    for file in files:
        connection = connect(file, strict=False, cache_kib=1_000)
        connection.pragma("user_version", VERSION + 1)
        connection.pragma("wal_checkpoint", "truncate")
        connection.close()
    before = [file.read_bytes() for file in files]
    said = refused_start(stopped)
    assert f"version {VERSION + 1}" in said and "release" in said
    assert [file.read_bytes() for file in files] == before
