"""`objstore bench` measures what it says it does, on servers of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from objstore.cli.bench.filling import PREFIXES, fill, keys
from objstore.store.types import ObjectName
from tests.harness import serving

SMALL = "--workers 1 --objects 3 --rounds 1 --large 1 --copied 2 --keys 2000 --times 2 --healed 8 --seconds 0.1"


def test_every_case_gives_a_row(tmp_path: Path) -> None:
    kinds = ["--only", "transfers", "--only", "copies", "--only", "listings", "--only", "encryption"]
    kinds += ["--only", "access", "--only", "heal", "--only", "drain", "--only", "starts"]
    command = [sys.executable, "-m", "objstore", "bench", "--folder", str(tmp_path), *kinds, *SMALL.split()]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for row in (
        "4 KiB PUT",
        "64 KiB GET",
        "1 MiB GET",
        "CopyObject",
        "2,000 keys",
        "1 MiB PUT",
        "20 policies",
        "64 KiB PUT",
        "99 %",
        "until the first answer",
        "MiB of shards healed",
        "MiB of shards moved",
        f"delimiter, {PREFIXES} prefixes",
    ):
        assert row in printed
    assert list(tmp_path.iterdir()) == []


def test_a_filled_bucket_is_one_that_copies_would_have_made(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        s3 = running.client()
        for bucket in ("source", "one-by-one", "filled"):
            s3.create_bucket(Bucket=bucket)
        body = bytes(20_000)
        s3.put_object(Bucket="source", Key="key", Body=body)
        for key in keys(PREFIXES):
            s3.copy_object(Bucket="one-by-one", Key=key, CopySource="source/key")
        running.stop()
        fill(running.drives, ObjectName("source", "key"), {"filled": PREFIXES})
        s3 = running.start().client()
        one, other = (s3.list_objects_v2(Bucket=bucket)["Contents"] for bucket in ("one-by-one", "filled"))
        for entry in (*one, *other):
            del entry["LastModified"]
        assert one == other
        assert s3.get_object(Bucket="filled", Key=one[-1]["Key"])["Body"].read() == body
