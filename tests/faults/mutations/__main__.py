"""Apply each bug to a copy of the source and run the tests that should notice; `make mutations [ONLY=PATTERN]`.

The status is 1 where a bug was not noticed, or where its tests fail without it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.mutations.bugs import BUGS, Bug

ROOT = Path(__file__).parents[3]
COPIED = ("objstore", "erasure", "tests", "config", "pyproject.toml")
FAILED_TESTS = 1  # https://docs.pytest.org/en/stable/reference/exit-codes.html


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutations", description=__doc__)
    parser.add_argument("--only", default="", help="bugs in whose names or files this regular expression is found")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without any bug first")
    asked = parser.parse_args()
    bugs = [bug for bug in BUGS if re.search(asked.only, f"{bug.file}: {bug.name}")]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        if not asked.trust and (said := tested(copy, sorted({test for bug in bugs for test in bug.tests}))).returncode:
            print(said.stdout, "the tests fail without any bug", sep="\n")
            return 1
        missed = [bug for bug in bugs if not caught(copy, bug)]
    print(f"{len(bugs) - len(missed)} of {len(bugs)} bugs were caught")
    return 1 if missed or not bugs else 0


def caught(copy: Path, bug: Bug) -> bool:
    """Whether the tests notice; the copy is as before afterwards."""
    file = copy / bug.file
    sound = file.read_text()
    began = time.monotonic()
    file.write_text(sound.replace(bug.old, bug.new))
    try:
        said = tested(copy, bug.tests)
    finally:
        file.write_text(sound)
    noticed = said.returncode == FAILED_TESTS
    first = next(
        (line for line in said.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), said.stdout[-500:]
    )
    print(f"{'caught' if noticed else 'MISSED'} {time.monotonic() - began:5.1f} s  {bug.name}: {first}", flush=True)
    return noticed


def tested(copy: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        env={
            **os.environ,
            "PYTHONPATH": str(copy),
            "OBJSTORE_FAULT_SEEDS": os.environ.get("OBJSTORE_FAULT_SEEDS", "4"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
