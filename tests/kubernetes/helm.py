"""Helm, built once from its Go module: `python -m tests.kubernetes.helm`. Kept where the other commands are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "3.22.0"
_MODULE = "helm.sh/helm/v3"


def command() -> Path:
    """Where Helm is, or will be."""
    cache = os.environ.get("OBJSTORE_KUBERNETES_CACHE") or Path.home() / ".cache" / "objstore"
    return Path(cache) / f"helm-{VERSION}" / "helm"


def build() -> Path:
    """Build it where it is missing: two minutes."""
    built = command()
    if built.exists():
        return built
    if shutil.which("go") is None:
        raise SystemExit("no Go here to build Helm: install Go, or leave the tests of the chart out")
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        lines = ("module binaries", f"require {_MODULE} v{VERSION}", f"tool {_MODULE}/cmd/helm")
        (folder / "go.mod").write_text("\n".join(lines) + "\n")
        new = built.with_name(".helm.new")
        flags = ("-trimpath", "-ldflags", "-s -w")
        for arguments in (("mod", "tidy"), ("build", *flags, "-o", str(new), f"{_MODULE}/cmd/helm")):
            done = subprocess.run(["go", *arguments], cwd=folder, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"go {' '.join(arguments)}: {done.stderr[-2000:]}")
        new.rename(built)
    return built


if __name__ == "__main__":
    sys.stdout.write(f"{build()}\n")
