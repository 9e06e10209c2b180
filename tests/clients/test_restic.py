"""restic backs up, forgets, prunes, checks every byte, and restores."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import Run, contents
from tests.harness import Running


def test_backup_check_and_restore(run: Run, server: Running, bucket: str, tree: Path, tmp_path: Path) -> None:
    environment = {
        "RESTIC_REPOSITORY": f"s3:{server.endpoint}/{bucket}/backup",
        "RESTIC_PASSWORD": "correct horse",
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
    }
    run("restic", "init", **environment)
    run("restic", "backup", "--quiet", str(tree), **environment)
    run("restic", "backup", "--quiet", str(tree / "folder 01"), **environment)
    run("restic", "check", "--read-data", **environment)
    run("restic", "forget", "--quiet", "--keep-last", "1", "--group-by", "", "--prune", **environment)
    run("restic", "check", "--read-data", **environment)
    run("restic", "restore", "latest", "--target", str(tmp_path / "restored"), **environment)
    restored = tmp_path / "restored" / (tree / "folder 01").relative_to("/")
    assert contents(restored) == contents(tree / "folder 01")
