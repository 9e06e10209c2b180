"""restic on a bucket with object lock: it works as ever, and what it stored cannot be destroyed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.clients.conftest import Run, contents
from tests.front.wire import refused
from tests.harness import Running

DEFAULT = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}


def test_a_repository_that_cannot_be_destroyed(
    run: Run, server: Running, s3: Any, bucket: str, tree: Path, tmp_path: Path
) -> None:
    name = f"{bucket}-locked"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=DEFAULT)
    environment = {
        "RESTIC_REPOSITORY": f"s3:{server.endpoint}/{name}/backup",
        "RESTIC_PASSWORD": "correct horse",
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
    }
    kept = tree / "folder 01"
    run("restic", "init", **environment)
    run("restic", "backup", "--quiet", str(kept), str(tree / "large.bin"), **environment)
    run("restic", "check", "--read-data", **environment)
    packs = s3.list_object_versions(Bucket=name, Prefix="backup/data/")["Versions"]
    assert all(s3.head_object(Bucket=name, Key=one["Key"])["ObjectLockMode"] == "COMPLIANCE" for one in packs[:3])

    # Whoever has the keys forgets everything and prunes: markers hide the packs, the packs stay.
    run("restic", "forget", "--quiet", "--keep-last", "1", "--group-by", "", "--prune", **environment)
    run("restic", "backup", "--quiet", str(tree / "folder 02"), **environment)
    run("restic", "forget", "--quiet", "--keep-last", "1", "--group-by", "", "--prune", **environment)
    hidden = s3.list_object_versions(Bucket=name, Prefix="backup/").get("DeleteMarkers", [])
    assert hidden
    for one in packs:
        with refused("AccessDenied", 403):
            s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"], BypassGovernanceRetention=True)
    with refused("BucketNotEmpty", 409):
        s3.delete_bucket(Bucket=name)

    # Taking the markers away brings everything back; the locks that restic works under may stay away.
    for one in hidden:
        if "/locks/" not in one["Key"]:
            s3.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])
    run("restic", "rebuild-index", "--quiet", **environment)
    run("restic", "check", "--read-data", **environment)
    snapshots = run("restic", "snapshots", "--json", **environment)
    assert snapshots.count('"paths"') == 2
    run("restic", "restore", "--path", str(kept), "latest", "--target", str(tmp_path / "restored"), **environment)
    assert contents(tmp_path / "restored" / kept.relative_to("/")) == contents(kept)
