"""kube-apiserver, its controllers and kubectl, built once from their Go module: `python -m tests.kubernetes.binaries`.

The module k8s.io/kubernetes replaces its staging repositories by folders, which a module that requires it cannot see;
so a module of our own is written that replaces each by the released module of the same version (v1.N.M is v0.N.M).
What is built is kept outside the checkout, in $OBJSTORE_KUBERNETES_CACHE or ~/.cache/objstore.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "1.36.3"
COMMANDS = ("kube-apiserver", "kube-controller-manager", "kubectl")


def folder() -> Path:
    cache = os.environ.get("OBJSTORE_KUBERNETES_CACHE") or Path.home() / ".cache" / "objstore"
    return Path(cache) / f"kubernetes-{VERSION}"


def missing() -> list[str]:
    return [command for command in COMMANDS if not (folder() / command).exists()]


def _go(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(["go", *arguments], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"go {' '.join(arguments)}: {done.stderr[-2000:]}")
    return done.stdout


def _module(cwd: Path) -> str:
    """The go.mod of a module that requires Kubernetes, its staging repositories replaced by released modules."""
    (cwd / "go.mod").write_text("module binaries\n")
    told = json.loads(_go("mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}", cwd=cwd))
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


def build() -> Path:
    """Build what is missing: some 10 minutes of two cores the first time. The folder of the commands."""
    wanted = missing()
    if not wanted:
        return folder()
    if shutil.which("go") is None:
        raise SystemExit(f"no Go here to build {', '.join(wanted)}: install Go, or leave the Kubernetes tests out")
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        cwd = Path(made)
        module = _module(cwd)
        (cwd / "go.mod").write_text(module)
        _go("mod", "tidy", cwd=cwd)
        version = f"-X k8s.io/component-base/version.gitVersion=v{VERSION}"
        for command in wanted:
            built = folder() / f".{command}.new"
            package = f"k8s.io/kubernetes/cmd/{command}"
            _go("build", "-trimpath", "-ldflags", f"-s -w {version}", "-o", str(built), package, cwd=cwd)
            built.rename(folder() / command)
    return folder()


if __name__ == "__main__":
    sys.stdout.write(f"{build()}\n")
