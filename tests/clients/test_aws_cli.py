"""`aws s3` moves folders of thousands of files."""

from __future__ import annotations

import shutil
import urllib.request
from pathlib import Path
from typing import Any

from tests.clients.conftest import FILES, FOLDERS, Run, contents

QUIET = "--only-show-errors"


def test_sync_of_a_folder_there_and_back(run: Run, bucket: str, tree: Path, tmp_path: Path) -> None:
    copy, back = tmp_path / "copy", tmp_path / "back"
    shutil.copytree(tree, copy)
    run("aws", "s3", "sync", str(copy), f"s3://{bucket}/in", QUIET)
    assert run("aws", "s3", "sync", str(copy), f"s3://{bucket}/in") == ""
    listed = run("aws", "s3", "ls", "--recursive", "--summarize", f"s3://{bucket}/in/")
    assert f"Total Objects: {FILES + 1}" in listed
    (copy / "large.bin").unlink()
    (copy / "new").write_text("new")
    assert "delete" in run("aws", "s3", "sync", "--delete", str(copy), f"s3://{bucket}/in")
    some = ("--exclude", "folder 1*")
    run("aws", "s3", "sync", f"s3://{bucket}/in", str(back), *some, QUIET)
    assert contents(back) == {path: data for path, data in contents(copy).items() if not path.startswith("folder 1")}
    run("aws", "s3", "rm", "--recursive", f"s3://{bucket}/in/folder 00", QUIET)
    left = run("aws", "s3", "ls", "--recursive", "--summarize", f"s3://{bucket}/in/")
    assert f"Total Objects: {FILES + 1 - FILES // FOLDERS}" in left


def test_cp_mv_rm_and_presign_of_files(run: Run, s3: Any, bucket: str, tree: Path, tmp_path: Path) -> None:
    large = tree / "large.bin"
    run("aws", "s3", "cp", str(large), f"s3://{bucket}/a/large.bin", QUIET)
    run("aws", "s3", "cp", f"s3://{bucket}/a/large.bin", f"s3://{bucket}/b/copied.bin", QUIET)
    run("aws", "s3", "mv", f"s3://{bucket}/a/large.bin", f"s3://{bucket}/a/moved.bin", QUIET)
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == ["a/moved.bin", "b/copied.bin"]
    run("aws", "s3", "mv", f"s3://{bucket}/a/moved.bin", str(tmp_path / "down.bin"), QUIET)
    assert (tmp_path / "down.bin").read_bytes() == large.read_bytes()
    url = run("aws", "s3", "presign", f"s3://{bucket}/b/copied.bin").strip()
    with urllib.request.urlopen(url) as response:
        assert response.read() == large.read_bytes()
    run("aws", "s3", "rm", f"s3://{bucket}/b/copied.bin", QUIET)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_recursive_cp_and_mv(run: Run, s3: Any, bucket: str, tree: Path, tmp_path: Path) -> None:
    part = tree / "folder 03"
    run("aws", "s3", "cp", "--recursive", str(part), f"s3://{bucket}/x", QUIET)
    run("aws", "s3", "mv", "--recursive", f"s3://{bucket}/x", f"s3://{bucket}/y", QUIET)
    run("aws", "s3", "cp", "--recursive", f"s3://{bucket}/y", str(tmp_path / "y"), QUIET)
    assert contents(tmp_path / "y") == contents(part)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="x/")
