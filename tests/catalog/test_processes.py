"""Several processes write at once, and any of them may be killed at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .deployment import Deployment, contents


def spawn(deployment: Deployment, name: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.catalog.writer", str(deployment.root), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])


def kill_after(process: subprocess.Popen[bytes], lines: int, pause: float) -> set[int]:
    """Let it acknowledge some writes, kill it a moment later; all that it acknowledged."""
    assert process.stdout is not None
    acknowledged = {int(process.stdout.readline()) for _ in range(lines)}
    time.sleep(pause)
    process.kill()
    rest = process.stdout.read().split(b"\n")[:-1]
    process.wait()
    process.stdout.close()
    return acknowledged | {int(line) for line in rest}


def assert_kept(deployment: Deployment, acknowledged: dict[str, set[int]]) -> None:
    """Every acknowledged write is there, none is half there, and the count agrees."""
    names = deployment.names()
    there = {name.rsplit(":", 1)[0] for name in names}
    assert {f"{name}:{number}" for name, numbers in acknowledged.items() for number in numbers} <= there
    assert names == {f"{one}:{half}" for one in there for half in "ab"}
    row = deployment.catalog.read(lambda tx: tx.one("SELECT objects FROM usage WHERE bucket = 1"))
    assert row == (len(there),)


def test_all_processes_make_progress_together(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        processes = [spawn(deployment, f"p{number}", 300) for number in range(3)]
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
        assert_kept(deployment, {f"p{number}": set(range(300)) for number in range(3)})
        deployment.assert_equal()


@pytest.mark.parametrize("seed", range(5))
def test_killed_while_the_others_go_on(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        victims = {f"v{number}": spawn(deployment, f"v{number}", 10**6) for number in range(2)}
        acknowledged = {
            name: kill_after(process, rng.randrange(1, 40), rng.random() * 0.05) for name, process in victims.items()
        }
        deployment.write(lambda tx: tx.run("DELETE FROM drives"))  # settles nothing by itself: it writes nothing
        deployment.write(lambda tx: tx.run("INSERT INTO drives VALUES ('x', x'')"))
        assert_kept(deployment, acknowledged)
        deployment.assert_equal()


@pytest.mark.parametrize("seed", range(6))
def test_all_killed_and_started_again(tmp_path: Path, seed: int) -> None:
    rng = random.Random(100 + seed)
    deployment = Deployment(tmp_path, 4)
    with deployment.running():
        pass
    acknowledged: dict[str, set[int]] = {}
    for life in range(2):
        with deployment.running():
            victim = spawn(deployment, f"life{life}", 10**6)
            acknowledged[f"life{life}"] = kill_after(victim, rng.randrange(1, 60), rng.random() * 0.03)
        lost = rng.sample(range(4), rng.choice([0, 1]))
        deployment.lose(*lost)
        with deployment.running():
            assert_kept(deployment, acknowledged)
            deployment.assert_equal()
        deployment.bring_back(*lost)
    with deployment.running():
        assert_kept(deployment, acknowledged)
        deployment.assert_equal()
        assert len({len(contents(deployment.file(slot))["redo"]) for slot in deployment.members()}) == 1
