"""`kill -9` of any process at any moment: what was acknowledged is whole, what was not is whole or absent."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cluster import BUCKET, Load, body, check, fill, healed
from tests.front.test_bad_bodies import start_put
from tests.front.wire import absent, until
from tests.harness import Running, serving


def whole_or_absent(server: Running, load: Load) -> None:
    check(server, load.acknowledged)
    s3 = server.client()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    listed = {one["Key"]: one["Size"] for page in pages for one in page.get("Contents", [])}
    assert set(load.acknowledged) <= set(listed)
    unsure = [key for key in load.attempted if key in listed and key not in load.acknowledged]
    assert all(listed[key] == len(body(key)) for key in unsure)
    check(server, unsure)


def test_everything_is_killed_in_the_middle_of_uploads(tmp_path: Path) -> None:
    with serving(tmp_path, workers=2) as server:
        fill(server, 2)
        for life in range(2):
            load = Load(server, f"life{life}")
            with load:
                load.progress(8 + 5 * life)
                server.kill()
            server.start()
            whole_or_absent(server, load)
        healed(server)


def test_the_supervisor_alone_is_killed(tmp_path: Path) -> None:
    """Its children notice and go; the next one starts without help."""
    with serving(tmp_path, workers=2) as server:
        keys = fill(server, 4)
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        server.process = None
        server.start()  # may have been answered by one that is on its way out
        until(server.children, "the new server's children")
        server.wait()
        check(server, keys)


@pytest.mark.parametrize("role", ["worker", "jobs"])
def test_a_child_is_killed_and_started_again(tmp_path: Path, role: str) -> None:
    with serving(tmp_path, workers=2) as server:
        fill(server, 2)
        with Load(server, "load") as load:
            for _ in range(2):
                load.progress(5)
                before = server.children()
                victim = next(pid for name, pid in before.items() if name.startswith(role))
                os.kill(victim, signal.SIGKILL)
                until(
                    lambda before=before, victim=victim: (
                        len(now := server.children()) == len(before) and victim not in now.values()
                    ),
                    f"the {role} runs again",
                )
        if role == "jobs":
            assert load.failed_writes == []
        server.wait()
        whole_or_absent(server, load)
        server.client().put_object(Bucket=BUCKET, Key="after", Body=b"x" * 20_000)


def test_a_multipart_upload_survives_and_its_cut_part_does_not(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        fill(server, 1)
        s3 = server.client()
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
        known: dict[str, Any] = {"Bucket": BUCKET, "Key": "parts", "UploadId": upload}
        first = os.urandom(6 << 20)
        etag = s3.upload_part(**known, PartNumber=1, Body=first)["ETag"]
        cut = start_put(server, f"/{BUCKET}/parts?partNumber=2&uploadId={upload}", 8 << 20, cut=b"x" * (5 << 20))
        single = start_put(server, f"/{BUCKET}/single", 8 << 20, cut=b"x" * (5 << 20))
        server.kill()
        cut.close()
        single.close()
        server.start()
        s3 = server.client()
        assert [one["PartNumber"] for one in s3.list_parts(**known)["Parts"]] == [1]
        assert absent(s3, BUCKET, "single")
        s3.upload_part(**known, PartNumber=2, Body=b"end")
        parts = s3.list_parts(**known)["Parts"]
        listed = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in parts]
        assert listed[0]["ETag"] == etag
        s3.complete_multipart_upload(**known, MultipartUpload={"Parts": listed})
        assert s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read() == first + b"end"
