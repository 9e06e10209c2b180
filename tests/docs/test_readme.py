"""README.md is true: its table is that of the registry, its first session runs as printed, what it names is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from objstore.drives import pool
from tests.docs import operations
from tests.harness import serving

ROOT = Path(__file__).parents[2]
TEXT = operations.README.read_text()


def block(language: str) -> str:
    """The one code block of that language."""
    found = re.findall(rf"(?ms)^```{language}\n(.*?)^```$", TEXT)
    assert len(found) == 1, f"one {language} block in README.md"
    return str(found[0])


def test_the_operations_are_those_of_the_registry() -> None:
    assert operations.between(TEXT) == operations.shown(), "run: python -m tests.docs.operations --write"


def test_writing_the_table_again_changes_nothing() -> None:
    assert operations.written(TEXT) == TEXT


def test_every_make_target_and_file_named_in_the_documents_is_there() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        text = document.read_text()
        for target in re.findall(r"(?m)(?:^    |`)make ([a-z][a-z-]*)", text):
            assert target in targets, f"{document.name}: make {target}"
        for path in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert (document.parent / path).exists(), f"{document.name}: {path}"


def test_the_first_session_runs_as_printed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "album").mkdir(parents=True)
    (work / "album" / "sea.jpg").write_bytes(os.urandom(100_000))
    with serving(tmp_path / "server") as server:
        environment = server.aws_environment()
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
        subprocess.run(["sh", "-euc", block("sh")], cwd=work, env=environment, check=True, timeout=120)
        printed = subprocess.run(
            [sys.executable, "-c", block("python")],
            cwd=work,
            env=environment,
            check=True,
            timeout=60,
            capture_output=True,
            text=True,
        ).stdout
    assert [line.split()[-2:] for line in printed.splitlines()] == [["True", "b'second'"], ["False", "b'first'"]]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    unit = tmp_path / "objstore.service"
    unit.write_text(block("ini").replace("/opt/objstore/bin/objstore", str(Path(sys.executable).with_name("objstore"))))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_table_of_drives_is_what_the_pool_computes() -> None:
    rows = re.findall(r"(?m)^\| (\d+) \| (\d+) \| (\d+) % \| (\d+) \| (\d+) \| (\d+) \|$", TEXT)
    assert rows
    for drives, *shown in (map(int, row) for row in rows):
        parity = pool.default_parity(drives)
        room = round(100 * (drives - parity) / drives)
        writes = drives - pool.write_quorum(drives, parity)
        assert shown == [parity, room, parity, writes, pool.start_quorum(drives, parity)], f"{drives} drives"
