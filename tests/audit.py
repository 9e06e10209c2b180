"""Known vulnerabilities of what the server depends on: `python -m tests.audit`.

pip-audit asks PyPI's database, else OSV's, about every version in requirements.lock. Status 1 for a known
vulnerability, and where only a part could be looked up; where no database answers, a line says so and the status is 0.
A mirror of PyPI that has no database answers that it knows of nothing at all: that counts as no answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements.lock"
DATABASES = (("-s", "pypi"), ("-s", "osv"))
_SECONDS = 300


@dataclass
class Found:
    """What a database said: lines about vulnerabilities, names that it does not know, and how many it does."""

    vulnerable: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    known: int = 0


def ask(lock: Path, database: Sequence[str]) -> Found | None:
    """What one database knows of a lock file; None when it does not answer."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(lock), "--disable-pip", "--no-deps", "-f", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off", *database], capture_output=True, text=True, timeout=_SECONDS
        )
        told: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        return None
    found = Found()
    for one in told:
        if "skip_reason" in one:
            found.unknown.append(one["name"])
            continue
        found.known += 1
        for vulnerability in one["vulns"]:
            mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            found.vulnerable.append(f"{one['name']} {one['version']}: {vulnerability['id']}, mended in {mended}")
    return found if found.known else None


def audit(lock: Path, databases: Sequence[Sequence[str]]) -> int:
    """Ask one database after the other until one answers; the exit status."""
    for database in databases:
        found = ask(lock, database)
        if found is None:
            continue
        for line in found.vulnerable:
            print(f"audit: {line}")
        if found.unknown:
            print(f"audit: not looked up: {', '.join(found.unknown)}")
        print(f"audit: {found.known} packages looked up, {len(found.vulnerable)} known vulnerabilities")
        return 1 if found.vulnerable or found.unknown else 0
    print("audit: no database of vulnerabilities could be reached; nothing was looked up")
    return 0


if __name__ == "__main__":
    raise SystemExit(audit(LOCK, DATABASES))
