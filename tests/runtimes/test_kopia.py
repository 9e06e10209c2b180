"""kopia, which Velero's file-system backups use: snapshots, deletes, maintenance, and restores that are the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from tests.front.wire import refused, until
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.runtimes.binaries import kopia as programs
from tests.runtimes.conftest import Run, built, contents, grow

Kopia = Callable[..., Any]


@pytest.fixture
def kopia(run: Run, tmp_path: Path) -> Kopia:
    """Run kopia with a repository configuration of the test's own; what it prints as JSON, where it is asked to."""
    program = built(programs, "kopia")
    environment = {
        "KOPIA_PASSWORD": "correct horse",
        "KOPIA_CONFIG_PATH": str(tmp_path / "repository.config"),
        "KOPIA_CACHE_DIRECTORY": str(tmp_path / "cache"),
        "KOPIA_LOG_DIR": str(tmp_path / "logs"),
        "KOPIA_CHECK_FOR_UPDATES": "false",
    }

    def kopia(*arguments: str) -> Any:
        printed = run(program, *arguments, "--no-progress", **environment)
        return json.loads(printed) if "--json" in arguments else printed

    return kopia


def location(server: Running, bucket: str) -> list[str]:
    return [
        *("s3", f"--bucket={bucket}", "--prefix=kopia/", f"--endpoint=127.0.0.1:{server.port}", "--disable-tls"),
        *("--region=us-east-1", f"--access-key={ROOT_USER}", f"--secret-access-key={ROOT_PASSWORD}"),
    ]


def clock(s3: Any, bucket: str) -> datetime:
    s3.put_object(Bucket=bucket, Key="clock", Body=b"")
    return cast(datetime, s3.head_object(Bucket=bucket, Key="clock")["LastModified"])


def test_snapshots_maintenance_and_restore(kopia: Kopia, server: Running, s3: Any, bucket: str, tmp_path: Path) -> None:
    kopia("repository", "create", *location(server, bucket))
    folder = tmp_path / "folder"
    grow(folder, 1)
    first = kopia("snapshot", "create", str(folder), "--json")
    shutil.rmtree(folder / "folder 3")
    (folder / "large 1.bin").unlink()
    grow(folder, 2)
    second = kopia("snapshot", "create", str(folder), "--json")
    kopia("snapshot", "verify", "--verify-files-percent=100")

    def packs() -> set[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="kopia/p")
        return {one["Key"] for page in pages for one in page["Contents"]}

    before = packs()
    kopia("snapshot", "delete", first["id"], "--delete")
    kopia(
        "maintenance", "run", "--full", "--safety=none"
    )  # what is in use moves to new packs, the old ones are deleted
    assert packs() and not packs() & before

    kopia("repository", "disconnect")
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    kopia("repository", "connect", *location(server, bucket))
    assert [one["id"] for one in kopia("snapshot", "list", "--json")] == [second["id"]]
    kopia("snapshot", "verify", "--verify-files-percent=100")
    kopia("snapshot", "restore", second["id"], str(tmp_path / "restored"))
    assert contents(tmp_path / "restored") == contents(folder)


def test_a_repository_that_cannot_be_destroyed(
    kopia: Kopia, server: Running, s3: Any, bucket: str, tmp_path: Path
) -> None:
    """Whoever has the keys deletes every object; kopia finds them as they were at a moment before."""
    name = f"{bucket}-locked"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    kopia("repository", "create", *location(server, name), "--retention-mode=COMPLIANCE", "--retention-period=24h")
    folder = tmp_path / "folder"
    grow(folder, 1)
    snapshot = kopia("snapshot", "create", str(folder), "--json")
    for prefix in ("kopia/kopia.repository", "kopia/p", "kopia/q", "kopia/x"):
        for one in s3.list_object_versions(Bucket=name, Prefix=prefix)["Versions"]:
            assert s3.head_object(Bucket=name, Key=one["Key"])["ObjectLockMode"] == "COMPLIANCE"
            with refused("AccessDenied", 403):
                s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])

    def later_than(moment: datetime) -> datetime:
        """A later time of the store's clock, which tells seconds."""
        return until(lambda: (now := clock(s3, bucket)) > moment and now, "the next second")

    moment = later_than(max(one["LastModified"] for one in s3.list_object_versions(Bucket=name)["Versions"]))
    later_than(moment)
    for one in s3.list_object_versions(Bucket=name)["Versions"]:
        s3.delete_object(Bucket=name, Key=one["Key"])
    assert "Contents" not in s3.list_objects_v2(Bucket=name)

    kopia("repository", "disconnect")
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    kopia("repository", "connect", *location(server, name), f"--point-in-time={moment.isoformat()}")
    kopia("snapshot", "restore", snapshot["id"], str(tmp_path / "restored"))
    assert contents(tmp_path / "restored") == contents(folder)
