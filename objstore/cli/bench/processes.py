"""The processes of a server under measurement, as Linux accounts for them."""

from __future__ import annotations

import os
from pathlib import Path


def children(process: int) -> list[Path]:
    """The folders in /proc of the children of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = _fields(stat.parent)[1]
        except OSError:
            continue  # it has ended
        if int(parent) == process:
            found.append(stat.parent)
    return found


def peak(process: int) -> int:
    """The most bytes that any child of the process ever had resident."""
    return max(_kibibytes(folder / "status", "VmHWM") << 10 for folder in children(process))


def memory(process: int) -> int:
    """Bytes that a process and its children have resident, of which what they share counts once."""
    return sum(_kibibytes(folder / "smaps_rollup", "Pss") << 10 for folder in _family(process))


def processor_seconds(process: int) -> float:
    """Seconds of processors that a process, its children, and those that have ended took."""
    ticks = sum(int(one) for folder in _family(process) for one in _fields(folder)[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _family(process: int) -> list[Path]:
    return [Path(f"/proc/{process}"), *children(process)]


def _fields(folder: Path) -> list[str]:
    """Of `stat`, what comes behind the name, in which anything may be: the first is the state."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def _kibibytes(file: Path, name: str) -> int:
    return next(int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith(f"{name}:"))
