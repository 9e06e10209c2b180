"""Runs targets, two at a time: `python -m tests.fuzz --seconds 600 --only NAME`. Status 1 when any found something."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.targets import TARGETS

WORK = Path(".fuzz")  # what the engine found interesting is kept there, for the next run to begin with


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--only", default="", help="one target")
    parser.add_argument("--at-once", type=int, default=2)
    options = parser.parse_args()
    if options.only and options.only not in TARGETS:
        parser.error(f"there is no target {options.only}: {', '.join(TARGETS)}")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("fuzz: the engine has no wheels for this machine; nothing was tried")
        return 0
    waiting = [options.only] if options.only else list(TARGETS)
    running: dict[str, subprocess.Popen[bytes]] = {}
    found: list[str] = []
    while waiting or running:
        while waiting and len(running) < options.at_once:
            name = waiting.pop(0)
            running[name] = _start(name, options.seconds)
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                _tell(name, process.returncode)
                found += [name] if process.returncode else []
        time.sleep(0.2)
    if found:
        print(f"fuzz: {', '.join(found)}: move the inputs into tests/fuzz/found/TARGET/ and mend what they show")
    return 1 if found else 0


def _folder(name: str) -> Path:
    return WORK / name


def _start(name: str, seconds: int) -> subprocess.Popen[bytes]:
    folder = _folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "tests.fuzz.engine", name, str(folder), str(seconds)]
        return subprocess.Popen(command, stdout=log, stderr=log)


def _tell(name: str, status: int) -> None:
    lines = (_folder(name) / "log").read_text(errors="replace").splitlines()
    done = next((line for line in reversed(lines) if line.startswith("Done ")), "")
    print(f"fuzz: {name}: {'found something' if status else 'nothing found'}. {done}", flush=True)
    if status:
        print("\n".join(lines[-60:]), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
