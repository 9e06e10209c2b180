"""The programs that people already have, found beside our interpreter or on the path, pointed at the shared server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Running

FOLDERS = 20
FILES = 1100  # more than a page of a listing
Run = Callable[..., str]


def find(program: str) -> str:
    """The program's path; skips the test where there is none."""
    beside = Path(sys.executable).parent / program
    found = str(beside) if beside.exists() else shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed (.ci/run installs it)")
    return found


@pytest.fixture
def run(server: Running, tmp_path: Path) -> Run:
    """Run a program with its arguments; its standard output. Fails with its errors when it fails."""

    def run(program: str, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [find(program), *arguments],
            env=server.aws_environment() | {"HOME": str(tmp_path), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    return run


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of many small files, some with names that need quoting, and one file of 20 MiB; all an hour old, for
    `sync` takes what is as new as its copy, which the store dates to the second, for newer."""
    root = tmp_path_factory.mktemp("tree") / "tree"
    for number in range(FILES):
        folder = root / f"folder {number % FOLDERS:02}" / ("ünder" if number % 3 else "plain+&")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number}").write_bytes(str(number).encode() * (number % 40 + 1))
    (root / "large.bin").write_bytes(os.urandom(20 << 20))
    hour_ago = time.time() - 3600
    for path in root.rglob("*"):
        os.utime(path, (hour_ago, hour_ago))
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file below `root` by its path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
