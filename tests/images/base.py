"""A stand-in for the base image, for a machine that reaches no registry: Debian with its own Python 3.11.

Made once with debootstrap and kept outside the checkout, beside the programs in Go. It is like the base image where the
Containerfile looks: `python` on the path, `venv`, no compiled modules of the standard library, no caches.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests import golang, oci

RELEASE = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates,netbase,tzdata"
TAG = "base"
_LEAVE_OUT = ("./var/cache/apt/*", "./var/lib/apt/lists/*", "./var/log/*", "./dev/*", "./proc/*", "./sys/*")


def make() -> str:
    """The base image as buildah names it."""
    kept = golang.cache() / f"image-base-{RELEASE}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as made:
            layout = oci.Layout(Path(made) / "layout")
            environment = ["PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
            layout.add(TAG, [_layer(Path(made) / "root")], {"Env": environment, "Cmd": ["python3"]})
            layout.folder.rename(kept)
    return f"oci:{kept}:{TAG}"


def _layer(root: Path) -> bytes:
    _run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(root))
    _run("find", str(root / "usr/lib/python3.11"), "-name", "__pycache__", "-exec", "rm", "-r", "{}", "+")
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    excluded = [f"--exclude={pattern}" for pattern in _LEAVE_OUT]
    return _run("tar", "--create", "--numeric-owner", "--sort=name", *excluded, "--directory", str(root), ".")


def _run(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=900)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout
