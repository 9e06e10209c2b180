"""What a cluster's programs need of the machine, and folders to back up."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import golang
from tests.harness import Running

Run = Callable[..., str]


def installed(program: str) -> str:
    """The path of a program of the system; skips the test where there is none."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed (.ci/run installs it)")
    return found


def built(programs: golang.Programs, command: str) -> str:
    """The path of a program in Go; skips the test where it has not been built."""
    if programs.missing():
        pytest.skip(f"{command} is not built: python -m tests.runtimes.binaries, where Go is")
    return str(programs.folder / command)


@pytest.fixture
def run(server: Running, tmp_path: Path) -> Run:
    """Run a program to its end; its standard output. Fails with what it printed when it fails."""

    def run(program: str, *arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [program, *arguments],
            env=server.aws_environment() | {"HOME": str(tmp_path), **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    return run


def grow(folder: Path, seed: int, files: int = 200) -> None:
    """Many small files and two large ones, other ones for another seed; some names need quoting."""
    for number in range(files):
        below = folder / f"folder {number % 7}" / ("ünder" if number % 3 else "plain+&")
        below.mkdir(parents=True, exist_ok=True)
        (below / f"file {seed} {number}").write_bytes(f"{seed} {number} ".encode() * (number % 50))
    (folder / f"large {seed}.bin").write_bytes(os.urandom(6 << 20))
    (folder / "always new.bin").write_bytes(os.urandom(1 << 20))


def contents(root: Path) -> dict[str, bytes]:
    """Every file below `root` by its path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
