"""kube-apiserver, its controllers and kubectl, built once from their Go module: `python -m tests.kubernetes.binaries`.

The module k8s.io/kubernetes replaces its staging repositories by folders, which a module that requires it cannot see;
so a module of our own is written that replaces each by the released module of the same version (v1.N.M is v0.N.M).
"""

import json
import re
import sys
from pathlib import Path

from tests import golang

VERSION = "1.36.3"
COMMANDS = ("kube-apiserver", "kube-controller-manager", "kubectl")


def _module(cwd: Path) -> str:
    """The go.mod of a module that requires Kubernetes, its staging repositories replaced by released modules."""
    (cwd / "go.mod").write_text("module binaries\n")
    told = json.loads(golang.run("mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}", cwd=cwd))
    upstream = Path(told["GoMod"]).read_text()
    staging = re.findall(r"^\s+(k8s\.io/\S+) => \./staging/", upstream, re.MULTILINE)
    released = f"v0.{VERSION.split('.', 1)[1]}"
    lines = [
        "module binaries",
        *re.findall(r"^(?:go|godebug) \S+$", upstream, re.MULTILINE),
        f"require k8s.io/kubernetes v{VERSION}",
        "tool (",
        *(f"\tk8s.io/kubernetes/cmd/{command}" for command in COMMANDS),
        ")",
        *(f"replace {name} => {name} {released}" for name in staging),
    ]
    return "\n".join(lines) + "\n"


PROGRAMS = golang.Programs(
    name="kubernetes",
    version=VERSION,
    packages={command: f"k8s.io/kubernetes/cmd/{command}" for command in COMMANDS},
    go_mod=_module,
    flags=("-ldflags", f"-s -w -X k8s.io/component-base/version.gitVersion=v{VERSION}"),
)


def folder() -> Path:
    return PROGRAMS.folder


def missing() -> list[str]:
    return PROGRAMS.missing()


def build() -> Path:
    """Build what is missing: some 10 minutes of two cores the first time. The folder of the commands."""
    return PROGRAMS.build()


if __name__ == "__main__":
    sys.stdout.write(f"{build()}\n")
