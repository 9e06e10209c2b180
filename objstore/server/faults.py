"""What the processes of a server tell each other of drives that fail.

A drive that takes no more writes, because it hangs or is read-only, may answer every look. Each process would find that
out by a write of its own, whose client waits, and until then tell administrators that the drive is well; so who has
found out says so in the runtime directory, and the others try the drive's disk at their next look, with little
patience, before they have anything to write.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from objstore.drives.drive import Drive
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState

_NEWS_NS = 60_000_000_000  # what was told longer ago, before this process began, is not news


class Faults:
    """What one process tells, and hears, of the drives of `pool`; `folder` is the runtime directory."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        self._pool, self._folder = pool, folder
        self._heard: dict[str, int] = {}
        self._since = time.time_ns() - _NEWS_NS
        self._refusing: set[str] = set()
        pool.on_change(self._changed)

    def heard(self) -> set[str]:
        """Drives that were found faulty or read-only, by any process, since this was asked last."""
        refusing = {drive.id for drive in self._pool.drives if drive.id and drive.read_only}
        for drive in refusing - self._refusing:
            tell(self._folder, drive)
        self._refusing = refusing
        before = self._heard
        self._heard = {drive.id: self._told(drive.id) for drive in self._pool.drives if drive.id}
        return {drive for drive, told in self._heard.items() if told > before.get(drive, self._since)}

    def _told(self, drive: str) -> int:
        try:
            return _note(self._folder, drive).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def _changed(self, drive: Drive, _: DriveState, new: DriveState) -> None:
        if new is DriveState.FAULTY and drive.id:
            tell(self._folder, drive.id)


def tell(folder: Path, drive: str) -> None:
    """Tell all processes of the server that a drive may be faulty, also those that are not there yet."""
    with contextlib.suppress(OSError):
        _note(folder, drive).touch(0o600)


def _note(folder: Path, drive: str) -> Path:
    return folder / f"faulty-{drive}"
