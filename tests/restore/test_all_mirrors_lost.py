"""Every catalog.db of a real pool is deleted: the snapshot and the shards' records bring back what they can."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cluster import CLI_ENVIRONMENT, command, healed, refused_start, sql
from tests.front.wire import refused, until
from tests.harness import Running, serving
from tests.restore.losing import lose_catalog, names, restore, snapshot

SIZES = (100, 8_193, 300_000, 5_500_000)  # in the catalog, packed twice, a blob of its own


def data(name: str, size: int) -> bytes:
    return random.Random(f"{name}{size}").randbytes(size)


def test_what_the_snapshot_has_and_what_was_written_after_it(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="plain")
        s3.create_bucket(Bucket="versions")
        s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
        for size in SIZES:
            for bucket in ("plain", "versions"):
                s3.put_object(Bucket=bucket, Key=f"before-{size}", Body=data("before", size), Metadata={"m": "before"})
        s3.put_object(Bucket="plain", Key="replaced", Body=data("old", 300_000))
        snapshot(server)
        s3.create_bucket(Bucket="made-after")
        made: dict[str, dict[str, Any]] = {}
        for size in SIZES:
            made[f"after-{size}"] = s3.put_object(
                *(),
                Bucket="plain",
                Key=f"after-{size}",
                Body=data("after", size),
                Metadata={"m": "after"},
                ContentType="text/plain",
                Tagging="a=b",
                ChecksumAlgorithm="SHA256",
            )
        versions = [
            s3.put_object(Bucket="versions", Key="twice", Body=data(f"twice{n}", 20_000))["VersionId"] for n in range(2)
        ]
        s3.put_object(Bucket="plain", Key="replaced", Body=data("new", 300_000))
        s3.put_object(Bucket="made-after", Key="k", Body=data("k", 20_000))
        server.stop()
        lose_catalog(server)

        said = refused_start(server)
        assert "objstore admin catalog restore" in said
        dry = restore(server.drives, "--dry-run")
        assert "restore" in refused_start(server), "a dry run changes nothing"
        report = restore(server.drives)
        assert report == dry
        recovered = {f"plain/after-{size}" for size in SIZES[1:]} | {"plain/replaced", "made-after/k", "versions/twice"}
        assert set(names(report["recovered"])) == recovered
        assert (report["buckets"], report["gone"], report["lost"], report["unreadable"]) == (["made-after"], [], [], [])

        server.start()
        healed(server)
        for size in SIZES:
            for bucket in ("plain", "versions"):
                found = s3.get_object(Bucket=bucket, Key=f"before-{size}")
                assert (found["Body"].read(), found["Metadata"]) == (data("before", size), {"m": "before"})
        for size in SIZES[1:]:
            key = f"after-{size}"
            found = s3.get_object(Bucket="plain", Key=key, ChecksumMode="ENABLED")
            assert found["Body"].read() == data("after", size)
            assert (found["ETag"], found["ChecksumSHA256"]) == (made[key]["ETag"], made[key]["ChecksumSHA256"])
            assert (found["ContentType"], found["Metadata"], found["TagCount"]) == ("text/plain", {"m": "after"}, 1)
        with refused("NoSuchKey", 404):  # bytes that lived in the catalog alone
            s3.get_object(Bucket="plain", Key=f"after-{SIZES[0]}")
        for number, version in enumerate(versions):
            found = s3.get_object(Bucket="versions", Key="twice", VersionId=version)
            assert found["Body"].read() == data(f"twice{number}", 20_000)
        assert s3.get_object(Bucket="plain", Key="replaced")["Body"].read() == data("new", 300_000)
        assert s3.get_object(Bucket="made-after", Key="k")["Body"].read() == data("k", 20_000)

        # the store goes on as any other: it takes another snapshot, and loses nothing at the next start
        s3.put_object(Bucket="plain", Key="later", Body=data("later", 20_000))
        assert len(snapshot(server)) and not (tmp_path / "drive1" / "catalog.db.new").exists()
        server.stop()
        verified = command("admin", "verify", *map(str, server.drives), environment=CLI_ENVIRONMENT)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        server.start()
        assert s3.get_object(Bucket="plain", Key="later")["Body"].read() == data("later", 20_000)


def test_versions_in_buckets_that_had_no_versioning_when_the_snapshot_was_taken(tmp_path: Path) -> None:
    """Nor were there, one of them: what is overwritten where versioning is enabled is no less acknowledged."""
    with serving(tmp_path) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="older")
        s3.put_object(Bucket="older", Key="k", Body=data("null", 20_000))
        snapshot(server)
        s3.create_bucket(Bucket="newer")
        s3.create_bucket(Bucket="plain")
        made: dict[tuple[str, str], bytes] = {}
        for bucket in ("older", "newer"):
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            for n in range(3):
                body = data(f"{bucket}{n}", 20_000)
                made[bucket, s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"]] = body
        for n in range(3):
            s3.put_object(Bucket="plain", Key="k", Body=data(f"plain{n}", 20_000))
        server.stop()
        lose_catalog(server)
        report = restore(server.drives)
        assert sorted(report["buckets"]) == ["newer", "plain"]
        assert sorted(report["versioned"]) == ["newer", "older"]
        assert {(one["bucket"], one["version"]) for one in report["recovered"]} >= made.keys()
        server.start()
        made["older", "null"] = data("null", 20_000)
        made["plain", "null"] = data("plain2", 20_000)
        for bucket in ("older", "newer", "plain"):
            there = s3.list_object_versions(Bucket=bucket)["Versions"]
            assert {one["VersionId"] for one in there} == {version for name, version in made if name == bucket}
        for (bucket, version), body in made.items():
            assert s3.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read() == body
        assert s3.get_bucket_versioning(Bucket="newer")["Status"] == "Enabled"
        assert "Status" not in s3.get_bucket_versioning(Bucket="plain")


def test_encrypted_objects_after_the_snapshot(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="bucket")
        customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "a key of 32 characters, as asked"}
        snapshot(server)
        ways: dict[str, dict[str, str]] = {
            "s3": {"ServerSideEncryption": "AES256"},
            "kms": {"ServerSideEncryption": "aws:kms"},
            "customer": customer,
        }
        etags = {
            (way, size): s3.put_object(Bucket="bucket", Key=f"{way}-{size}", Body=data(way, size), **arguments)["ETag"]
            for way, arguments in ways.items()
            for size in SIZES[1:]
        }
        server.stop()
        lose_catalog(server)
        assert len(restore(server.drives)["recovered"]) == len(etags)
        server.start()
        for (way, size), etag in etags.items():
            found = s3.get_object(Bucket="bucket", Key=f"{way}-{size}", **(customer if way == "customer" else {}))
            assert (found["Body"].read(), found["ETag"]) == (data(way, size), etag), (way, size)
            assert found.get("ServerSideEncryption") == ways[way].get("ServerSideEncryption")


def uploaded(s3: Any, key: str, parts: int) -> str:
    upload: str = s3.create_multipart_upload(Bucket="bucket", Key=key, Metadata={"of": key})["UploadId"]
    sizes = [5 << 20] * (parts - 1) + [70_000]
    etags = [
        s3.upload_part(Bucket="bucket", Key=key, UploadId=upload, PartNumber=n, Body=data(f"{key}{n}", size))["ETag"]
        for n, size in enumerate(sizes, 1)
    ]
    listed = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(Bucket="bucket", Key=key, UploadId=upload, MultipartUpload={"Parts": listed})
    return upload


def test_uploads_after_the_snapshot_come_back_as_uploads_or_as_objects(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="bucket")
        uploaded(s3, "before", 2)
        snapshot(server)
        upload = uploaded(s3, "after", 2)
        etag = s3.head_object(Bucket="bucket", Key="after")["ETag"]
        server.stop()
        lose_catalog(server)
        report = restore(server.drives, "--dry-run", "--assemble-uploads")
        assert [(one["key"], one["completed"]) for one in report["uploads"]] == [("after", True)]
        (one,) = restore(server.drives)["uploads"]
        assert one == {"bucket": "bucket", "key": "after", "upload": upload, "parts": [1, 2], "completed": False}
        server.start()
        assert s3.head_object(Bucket="bucket", Key="before")["ContentLength"] == (5 << 20) + 70_000
        with refused("NoSuchKey", 404):
            s3.get_object(Bucket="bucket", Key="after")
        parts = s3.list_parts(Bucket="bucket", Key="after", UploadId=upload)["Parts"]
        listed = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
        s3.complete_multipart_upload(Bucket="bucket", Key="after", UploadId=upload, MultipartUpload={"Parts": listed})
        found = s3.get_object(Bucket="bucket", Key="after")
        assert (found["ETag"], found["Metadata"]) == (etag, {"of": "after"})
        assert found["Body"].read() == data("after1", 5 << 20) + data("after2", 70_000)


def test_appended_bytes_after_the_snapshot(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="log", Body=data("one", 20_000))
        s3.put_object(Bucket="bucket", Key="small", Body=data("small", 100))
        s3.put_object(Bucket="bucket", Key="inline", Body=data("inline", 100))
        snapshot(server)
        s3.put_object(Bucket="bucket", Key="log", Body=data("two", 30_000), WriteOffsetBytes=20_000)
        s3.put_object(Bucket="bucket", Key="log", Body=data("three", 9_000), WriteOffsetBytes=50_000)
        s3.put_object(Bucket="bucket", Key="small", Body=data("more", 20_000), WriteOffsetBytes=100)
        s3.put_object(Bucket="bucket", Key="inline", Body=data("other", 200))
        s3.put_object(Bucket="bucket", Key="inline", Body=data("more", 20_000), WriteOffsetBytes=200)
        etags = {key: s3.head_object(Bucket="bucket", Key=key)["ETag"] for key in ("log", "small")}
        server.stop()
        lose_catalog(server)
        told = command("admin", "catalog", "restore", "--dry-run", *map(str, server.drives)).stdout
        assert "2 could not be recovered:\n  bucket/inline" in told and "deleted by the next start" in told
        report = restore(server.drives, status=1)
        assert set(names(report["recovered"])) == {"bucket/log", "bucket/small"}
        assert set(names(report["lost"])) == {"bucket/inline"}, "its beginning was in the catalog alone"
        server.start()
        found = s3.get_object(Bucket="bucket", Key="log")
        assert found["Body"].read() == data("one", 20_000) + data("two", 30_000) + data("three", 9_000)
        assert found["ETag"] == etags["log"]
        found = s3.get_object(Bucket="bucket", Key="small")
        assert (found["Body"].read(), found["ETag"]) == (data("small", 100) + data("more", 20_000), etags["small"])
        assert s3.get_object(Bucket="bucket", Key="inline")["Body"].read() == data("inline", 100)


def test_bytes_given_back_after_the_snapshot_are_noticed(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("reap_grace = 0.0\n")
    with serving(tmp_path / "pool", arguments=("--config", str(config))) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="bucket")
        for key, size in (("packed", 100_000), ("own", 5_500_000), ("kept", 100_000)):
            s3.put_object(Bucket="bucket", Key=key, Body=data(key, size))
        snapshot(server)
        for key in ("packed", "own"):
            s3.delete_object(Bucket="bucket", Key=key)
        punched(server)
        server.stop()
        lose_catalog(server)
        report = restore(server.drives)
        assert set(names(report["gone"])) == {"bucket/packed", "bucket/own"}
        server.start()
        assert [one["Key"] for one in s3.list_objects_v2(Bucket="bucket")["Contents"]] == ["kept"]
        assert s3.get_object(Bucket="bucket", Key="kept")["Body"].read() == data("kept", 100_000)


def punched(server: Running) -> None:
    """Wait until nothing is garbage any more: the jobs process has given it back."""
    until(lambda: sql(server, "SELECT count(*) FROM garbage") == [(0,)], "garbage is given back", 30)


@pytest.mark.parametrize("harm", ["cut", "flipped", "gone"])
def test_a_newest_snapshot_that_is_damaged_beyond_repair_is_passed_over(tmp_path: Path, harm: str) -> None:
    """Of the shards of a snapshot more are bad than may be: the one before it is used."""
    with serving(tmp_path) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="first", Body=data("first", 20_000))
        snapshot(server)
        s3.put_object(Bucket="bucket", Key="second", Body=data("second", 20_000))
        before = {path for drive in server.drives for path in drive.glob("shards/*/*")}
        newest = snapshot(server)
        files = sorted({path for drive in server.drives for path in drive.glob("shards/*/*")} - before)
        assert len(files) == 4
        server.stop()
        lose_catalog(server)
        for path in files[: 2 if harm != "gone" else 3]:
            content = bytearray(path.read_bytes())
            content[8_192 + 20] ^= 1
            path.write_bytes({"cut": content[: 8_192 + 30], "flipped": content}.get(harm, b""))
        whole = restore(server.drives, "--dry-run")
        if harm != "gone":
            assert whole["snapshot"]["taken_us"] == newest["taken_us"], "two of four shards are enough"
            content = bytearray(files[2].read_bytes())
            content[8_192 + 20] ^= 1
            files[2].write_bytes(content)
        report = restore(server.drives)
        assert report["snapshot"]["taken_us"] < newest["taken_us"]
        assert harm == "gone" or len(report["snapshot"]["passed_over"]) == 1
        server.start()
        for key in ("first", "second"):
            assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == data(key, 20_000)


def test_any_two_of_four_drives_lost_with_all_mirrors(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="bucket")
        for size in SIZES:
            s3.put_object(Bucket="bucket", Key=f"before-{size}", Body=data("before", size))
        snapshot(server)
        s3.put_object(Bucket="bucket", Key="after", Body=data("after", 300_000))
        server.stop()
        lose_catalog(server)
        for drive in server.drives[1:3]:
            shutil.rmtree(drive)
        refusal = restore(server.drives, status=1)["refused"]
        assert str(server.drives[1]) in refusal and "--accept-loss" in refusal
        left = [server.drives[0], server.drives[3]]
        restore(left, "--accept-loss")
        server.drives = left
        server.start()
        for size in SIZES:
            assert s3.get_object(Bucket="bucket", Key=f"before-{size}")["Body"].read() == data("before", size)
        assert s3.get_object(Bucket="bucket", Key="after")["Body"].read() == data("after", 300_000)


def test_no_restore_where_it_is_not_called_for(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        s3 = server.client()
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="k", Body=data("k", 20_000))
        assert "in use by another server" in restore(server.drives, status=1)["refused"]
        server.stop()
        assert "start the server" in restore(server.drives, status=1)["refused"]
        assert "name them all" in restore(server.drives[:3], status=1)["refused"]
        lose_catalog(server)
        assert "no whole snapshot" in restore(server.drives, status=1)["refused"]
        for drive in server.drives:  # and no ballots: a start must not take it for a new deployment
            (drive / "ballot").unlink()
            (drive / "promise").unlink()
        assert "objstore admin catalog restore" in refused_start(server)
        report = restore(server.drives, "--accept-loss", "--parity", "2")
        assert names(report["recovered"]) == ["bucket/k"]
        server.start()
        assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == data("k", 20_000)
