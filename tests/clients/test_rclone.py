"""rclone copies a folder, and its own `check` finds no difference."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import Run
from tests.harness import Running


def test_sync_and_check(run: Run, server: Running, bucket: str, tree: Path, tmp_path: Path) -> None:
    remote = {
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
        "RCLONE_CONFIG_STORE_ENDPOINT": server.endpoint,
        "RCLONE_S3_UPLOAD_CUTOFF": "5M",
        "RCLONE_S3_CHUNK_SIZE": "5M",
        "RCLONE_TRANSFERS": "16",
        "RCLONE_CHECKERS": "16",
    }
    run("rclone", "sync", str(tree), f"STORE:{bucket}/dir", **remote)
    run("rclone", "check", str(tree), f"STORE:{bucket}/dir", **remote)
    run("rclone", "check", "--download", str(tree / "folder 02"), f"STORE:{bucket}/dir/folder 02", **remote)
    run("rclone", "moveto", f"STORE:{bucket}/dir/large.bin", f"STORE:{bucket}/moved.bin", **remote)
    run("rclone", "copyto", f"STORE:{bucket}/moved.bin", str(tmp_path / "back.bin"), **remote)
    assert (tmp_path / "back.bin").read_bytes() == (tree / "large.bin").read_bytes()
    run("rclone", "purge", f"STORE:{bucket}", **remote)
