"""Another parity is for new objects; old ones are brought to it in the background, while they are read."""

from __future__ import annotations

import contextlib
from pathlib import Path

import erasure
from tests.admin import admin, run
from tests.faults.cluster import BUCKET, Load, body, check, fill, info, remove, stopped
from tests.front.wire import until
from tests.harness import Running, serving


def layouts(server: Running) -> set[tuple[int, int]]:
    """Data and parity shards of every blob of which there is a file; some are made or unlinked just then."""
    found = set()
    for path in (path for drive in server.drives for path in (drive / "shards").glob("*/*")):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if any(header := file.read(erasure.SHARD_HEADER)):
                layout = erasure.unpack_header(header).layout
                found.add((layout.data, layout.parity))
    return found


def restriped_under_load(server: Running, keys: list[str]) -> Load:
    """All is restriped, the server being killed meanwhile, while clients read `keys` and write others."""
    with Load(server, "load", keys, writers=1) as load:
        load.progress(2, 2)
        assert run(server, "restripe").status == 0
        server.kill()
        server.start()
        done = run(server, "restripe", "--wait")
        assert done.status == 0, done.err
    return load


def test_old_objects_are_brought_to_a_higher_parity_and_to_more_drives(tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("reap_grace = 0.5\n")
    with serving(tmp_path, arguments=("--config", str(config), "--parity", "1")) as server:
        keys = fill(server, 20)
        s3 = server.client()
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        old = [s3.head_object(Bucket=BUCKET, Key=key)["VersionId"] for key in keys[:6]]
        for key in keys[:6]:
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"newer" * 5_000)
        s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": keys[10]})
        assert layouts(server) == {(3, 1)}
        with stopped(server):
            server.arguments = ("--config", str(config), "--parity", "2")
        s3 = server.client()
        s3.put_object(Bucket=BUCKET, Key="two", Body=body("two"))
        until(lambda: info(server)["parity"] == 2, "the parity is another one")
        assert (3, 1) in layouts(server)
        fifth = tmp_path / "drive5"
        fifth.mkdir()
        assert run(server, "drive", "add", str(fifth), "--wait").status == 0
        server.drives.append(fifth)
        load = restriped_under_load(server, keys[6:])
        until(lambda: layouts(server) == {(3, 2)}, "everything is as it would be written today")
        assert not [one for one in load.failed_reads if "other bytes" in one]
        assert run(server, "verify").status == 0
        remove(server.drives[0], server.drives[3])
        check(server, [*keys[6:], *load.acknowledged[-5:]])
        for key, version in zip(keys[:6], old, strict=True):
            assert s3.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read() == body(key)
        assert s3.get_object(Bucket=BUCKET, Key="copy")["Body"].read() == body(keys[10])


def test_copies_are_brought_to_a_lower_parity_and_then_drives_may_leave(tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("reap_grace = 0.5\n")
    with serving(tmp_path, arguments=("--config", str(config))) as server:
        keys = fill(server, 12)
        s3, source = server.client(), {"Bucket": BUCKET, "Key": max(keys, key=lambda key: len(body(key)))}
        for key in keys:
            s3.copy_object(Bucket=BUCKET, Key=f"copy of {key}", CopySource={"Bucket": BUCKET, "Key": key})
        upload = {"Bucket": BUCKET, "Key": "parts"}
        upload |= {"UploadId": s3.create_multipart_upload(**upload)["UploadId"]}
        etag = s3.upload_part_copy(**upload, PartNumber=1, CopySource=source)["CopyPartResult"]["ETag"]
        assert layouts(server) == {(2, 2)}
        assert admin(server, "parity", "1")["parity"] == 1
        first, second, *staying = server.drives
        assert run(server, "drive", "drain", str(first)).status == 0
        refused = run(server, "drive", "drain", str(second))
        assert refused.status == 1
        assert "2 drives would stay, what was stored with parity 2 needs 3" in refused.err
        assert "objstore admin restripe" in refused.err
        load = restriped_under_load(server, keys)
        assert not [one for one in load.failed_reads if "other bytes" in one]
        assert {one["parity"] for one in info(server)["blobs"]} == {1}
        for drive in (first, second):
            admin(server, "drive", "drain", str(drive), "--wait")
            admin(server, "drive", "remove", str(drive), "--wait")
        server.drives = staying  # what was garbage when another left stays on it
        until(lambda: layouts(server) == {(1, 1)}, "everything is as it would be written today")
        assert run(server, "verify").status == 0
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
        remove(staying[0])
        check(server, [*keys, *load.acknowledged[-5:]])
        for copy, key in [("parts", source["Key"]), *((f"copy of {key}", key) for key in keys)]:
            assert s3.get_object(Bucket=BUCKET, Key=copy)["Body"].read() == body(key)
