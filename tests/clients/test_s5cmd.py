"""s5cmd, the fast one: hundreds of requests at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.clients.conftest import FILES, Run, contents


def test_a_folder_there_and_back(run: Run, s3: Any, bucket: str, tree: Path, tmp_path: Path) -> None:
    run("s5cmd", "--numworkers", "64", "cp", f"{tree}/", f"s3://{bucket}/up/")
    assert len(run("s5cmd", "ls", f"s3://{bucket}/up/*").splitlines()) == FILES + 1
    run("s5cmd", "--numworkers", "64", "cp", f"s3://{bucket}/up/*", f"{tmp_path}/back/")
    assert contents(tmp_path / "back") == contents(tree)
    run("s5cmd", "mv", f"s3://{bucket}/up/folder 01/*", f"s3://{bucket}/moved/")
    run("s5cmd", "rm", f"s3://{bucket}/*")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
