"""Velero's plugin for S3 and kopia, built once from their Go modules: `python -m tests.runtimes.binaries`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests import golang

VELERO = "github.com/vmware-tanzu/velero"
PLUGIN = f"{VELERO}-plugin-for-aws"
KOPIA = "github.com/kopia/kopia"
PROTOCOL = ("ObjectStore.proto", "Shared.proto")


def _requires(package: str, module: str, version: str) -> str:
    return f"module runtimes\ngo 1.24\nrequire {module} v{version}\ntool {package}\n"


velero_plugin = golang.Programs(
    name="velero-plugin-for-aws",
    version="1.14.3",
    packages={"velero-plugin-for-aws": f"{PLUGIN}/velero-plugin-for-aws"},
    go_mod=lambda cwd: _requires(f"{PLUGIN}/velero-plugin-for-aws", PLUGIN, "1.14.3"),
)
kopia = golang.Programs(
    name="kopia",
    version="0.21.1",
    packages={"kopia": KOPIA},
    go_mod=lambda cwd: _requires(KOPIA, KOPIA, "0.21.1"),
    flags=("-tags", "nohtmlui", "-ldflags", "-s -w"),  # without the web pages of its server
)


def _protocol(module: Path, into: Path) -> None:
    """The protocol between Velero and its plugins, as the module that the plugin is built with has it."""
    source = Path(golang.run("list", "-m", "-f", "{{.Dir}}", VELERO, cwd=module).strip()) / "pkg/plugin/proto"
    for name in PROTOCOL:
        shutil.copyfile(source / name, into / name)


def build() -> list[Path]:
    """Build what is missing: some 5 minutes of two cores the first time. The folders of the commands."""
    return [velero_plugin.build(_protocol), kopia.build()]


if __name__ == "__main__":
    for folder in build():
        sys.stdout.write(f"{folder}\n")
