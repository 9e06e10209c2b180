"""Drives that a server keeps to itself: each of its processes holds a shared lock on every drive that it uses.

The supervisor's locks are exclusive while it starts, so that no process of another server uses any of the drives then;
afterwards they are shared with its children, who hold what joins or comes back later as well. So another server is
refused for as long as any process of this one lives, whichever of them dies first.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.lock import lock_drive, sign_apart
from objstore.drives.pool import Pool
from objstore.drives.state import DriveState

_log = logging.getLogger(__name__)


class Holds:
    """The locks of one process. On the event loop that probes the pool."""

    def __init__(self, pool: Pool) -> None:
        self._locks: dict[Path, int] = {}
        pool.on_change(self._changed)
        for drive in pool.online():
            self.hold(drive)

    def hold(self, drive: Drive) -> None:
        """Lock a drive; the folder at its path may be another one than before."""
        try:
            fd = lock_drive(drive.path, shared=True, signed=False)
        except DriveError as error:
            _log.error("%s", error)
            return
        sign_apart(fd, os.getppid())
        self._let_go(drive)
        self._locks[drive.path] = fd

    def _changed(self, drive: Drive, _: DriveState, new: DriveState) -> None:
        if new is DriveState.ONLINE:
            self.hold(drive)
        elif new is DriveState.REMOVED:
            self._let_go(drive)

    def _let_go(self, drive: Drive) -> None:
        if (fd := self._locks.pop(drive.path, None)) is not None:
            os.close(fd)

    def close(self) -> None:
        """Let go of all drives."""
        while self._locks:
            os.close(self._locks.popitem()[1])
