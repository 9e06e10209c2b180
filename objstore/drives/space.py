"""Room on a drive: what its file system has, what writes that add leave free, and a ballast to let go of in need.

New bytes leave a *reserve* free, in which the catalog, its logs and the ballots go on growing: so a store that is full
still takes the deletes that make room. Whoever else fills the disk knows of no reserve. Against that a drive has a
*ballast*, a file of preallocated bytes; when a write that has to succeed finds no space, the ballast is emptied and the
write done again. As long as it is empty the drive counts as full. There is none where the file system cannot
preallocate.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from objstore.drives.system import SYSTEM, System

RESERVE = 64 << 20
"""Bytes that new data leaves free on a drive; a twentieth of a small one. The ballast has three quarters of it."""
BALLAST_FILE = "ballast"
_PAGE = 4096


class Usage(NamedTuple):
    """Bytes of the file system that holds the drive; `free` is what we may take."""

    total: int
    used: int
    free: int

    @property
    def reserve(self) -> int:
        """Bytes that stay free."""
        return min(RESERVE, self.total // 20)

    @property
    def spare(self) -> int:
        """Bytes that new data may take; below 0 where the reserve is touched."""
        return self.free - self.reserve

    @property
    def ballast(self) -> int:
        """Bytes of the ballast."""
        return self.reserve * 3 // 4


def measure(system: System, root: Path | str) -> Usage:
    """Ask the file system. Raises OSError."""
    found = system.statvfs(root)
    unit = found.f_frsize
    return Usage(found.f_blocks * unit, (found.f_blocks - found.f_bfree) * unit, found.f_bavail * unit)


def spent(system: System, root: Path | str) -> bool:
    """Whether the ballast was given up and could not be taken in again yet."""
    try:
        return system.stat(f"{root}/{BALLAST_FILE}").st_size == 0
    except FileNotFoundError:
        return False


def give_up(root: Path | str, system: System = SYSTEM) -> bool:
    """Empty the ballast; whether that gave anything back. Raises OSError."""
    try:
        fd = system.open(f"{root}/{BALLAST_FILE}", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        had = system.fstat(fd).st_size > 0
        system.ftruncate(fd, 0)
    finally:
        os.close(fd)
    return had


def take_in(system: System, root: Path | str) -> bool:
    """Make the ballast where there is none and room for it beside the reserve; whether there is one now.

    Raises OSError; an empty one is left then: where there is no room for it, there is none for new data."""
    path, made = f"{root}/{BALLAST_FILE}", f"{root}/{BALLAST_FILE}.tmp"
    with contextlib.suppress(FileNotFoundError):
        if system.stat(path).st_size > 0:
            return True
    usage = measure(system, root)
    if usage.spare < usage.ballast or not usage.ballast:
        return False
    fd = system.open(made, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # the name of its own comes with the bytes:
    try:  # other processes take an empty one for one that was given up
        if system.preallocate(fd, usage.ballast):
            system.rename(made, path)
            return True
        system.unlink(made)
        with contextlib.suppress(FileNotFoundError):
            system.unlink(path)
        return False
    except OSError:
        system.ftruncate(fd, 0)
        system.rename(made, path)
        raise
    finally:
        os.close(fd)


def punches(system: System, root: Path | str) -> bool:
    """Whether the file system gives the space of a range in the middle of a file back. Raises OSError."""
    path = f"{root}/probe.punch.{os.getpid()}"
    fd = system.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        system.pwritev(fd, [bytes(2 * _PAGE)], 0)
        return system.punch(fd, 0, _PAGE)
    finally:
        os.close(fd)
        system.unlink(path)
