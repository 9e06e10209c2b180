"""A server that loses its catalog, and the command that makes it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.faults.cluster import CLI_ENVIRONMENT, command
from tests.harness import Running


def lose_catalog(server: Running) -> None:
    """Delete every mirror, with its logs."""
    for drive in server.drives:
        for path in drive.glob("catalog.db*"):
            path.unlink()


def snapshot(server: Running) -> dict[str, Any]:
    """Have a snapshot of the catalog taken now."""
    done = command(
        *("admin", "--endpoint", server.endpoint, "catalog", "snapshot", "--json"), environment=CLI_ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr + server.output()
    taken: dict[str, Any] = json.loads(done.stdout)[0]
    return taken


def restore(drives: list[Path], *options: str, status: int | None = 0) -> dict[str, Any]:
    """Make the catalog again; the report."""
    done = command("admin", "catalog", "restore", "--json", *options, *map(str, drives), environment=CLI_ENVIRONMENT)
    assert "Traceback" not in done.stderr, done.stderr
    assert status is None or done.returncode == status, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"refused": done.stderr}
    return report


def names(items: list[dict[str, Any]]) -> list[str]:
    return [f"{item['bucket']}/{item['key']}" for item in items]
