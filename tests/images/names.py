"""Where the sources of the image are, and what the locks pin."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def locked(name: str) -> set[str]:
    """NAME@VERSION of everything in a lock file."""
    found = re.findall(r"(?m)^([a-z0-9._-]+)(?:\[[^]]*\])?==([^ ;]+)", (ROOT / name).read_text())
    return {f"{package}@{version}" for package, version in found}
