"""Programs in Go that tests need, built once from their modules and kept outside the checkout.

They are kept in $OBJSTORE_KUBERNETES_CACHE or ~/.cache/objstore, a folder for each name and version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


def cache() -> Path:
    return Path(os.environ.get("OBJSTORE_KUBERNETES_CACHE") or Path.home() / ".cache" / "objstore")


def run(*arguments: str, cwd: Path) -> str:
    """`go` with these arguments; its standard output. Ends the program with Go's errors when it fails."""
    done = subprocess.run(["go", *arguments], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"go {' '.join(arguments)}: {done.stderr[-2000:]}")
    return done.stdout


@dataclass(frozen=True)
class Programs:
    """Commands of one module. `go_mod` writes the go.mod that they are built with, given an empty folder."""

    name: str
    version: str
    packages: Mapping[str, str]  # the import path of each command
    go_mod: Callable[[Path], str]
    flags: Sequence[str] = ("-ldflags", "-s -w")

    @property
    def folder(self) -> Path:
        return cache() / f"{self.name}-{self.version}"

    def missing(self) -> list[str]:
        return [command for command in self.packages if not (self.folder / command).exists()]

    def build(self, extras: Callable[[Path, Path], None] | None = None) -> Path:
        """Build what is missing; the folder of the commands.

        `extras` copies more from the module (in the folder that is its first argument) into that folder (the second).
        """
        wanted = self.missing()
        if not wanted:
            return self.folder
        if shutil.which("go") is None:
            raise SystemExit(
                f"no Go here to build {', '.join(wanted)}: install Go, or leave out the tests that need them"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as made:
            cwd = Path(made)
            text = self.go_mod(cwd)
            (cwd / "go.mod").write_text(text)
            run("mod", "tidy", cwd=cwd)
            if extras is not None:
                extras(cwd, self.folder)
            for command in wanted:
                built = self.folder / f".{command}.new"
                run("build", "-trimpath", *self.flags, "-o", str(built), self.packages[command], cwd=cwd)
                built.rename(self.folder / command)
        return self.folder
