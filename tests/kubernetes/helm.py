"""Helm, built once from its Go module: `python -m tests.kubernetes.helm`. Kept where the other commands are."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import golang

VERSION = "3.22.0"
_MODULE = "helm.sh/helm/v3"
_PACKAGE = f"{_MODULE}/cmd/helm"

PROGRAMS = golang.Programs(
    name="helm",
    version=VERSION,
    packages={"helm": _PACKAGE},
    # From Go 1.17 on, only modules are looked at that something is built from.
    go_mod=lambda cwd: f"module binaries\ngo 1.26\nrequire {_MODULE} v{VERSION}\ntool {_PACKAGE}\n",
)


def command() -> Path:
    """Where Helm is, or will be."""
    return PROGRAMS.folder / "helm"


def build() -> Path:
    """Build it where it is missing: two minutes."""
    return PROGRAMS.build() / "helm"


if __name__ == "__main__":
    sys.stdout.write(f"{build()}\n")
