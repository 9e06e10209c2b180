"""How a drive is: its identity, its state, its space, and what an error of the operating system means for it.

Everything here may be called from any thread, and what asks the disk blocks; the drive's threads do that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from objstore.drives import inspection, space
from objstore.drives.errors import (
    DriveError,
    DriveFaulty,
    DriveForeign,
    DriveFull,
    DriveOffline,
    DriveReadOnly,
    FormatCorrupt,
    ShardNotFound,
)
from objstore.drives.format import FORMAT_FILE, Format, read_format
from objstore.drives.inspection import Inspection
from objstore.drives.shardfiles import Key, OpenFile, named
from objstore.drives.space import Usage
from objstore.drives.state import DriveState
from objstore.drives.system import System

_USAGE_SECONDS, _NARROW_SECONDS = 1.0, 0.05
_FULL_SECONDS, _FULL_MARGIN = 30.0, 1 << 20
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ENOTCONN})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})  # this host is short of something, the drive is well
_REFUSALS: dict[DriveState, type[DriveError]] = {
    DriveState.FAULTY: DriveFaulty,
    DriveState.FOREIGN: DriveForeign,
}


class Health:
    """The folder of one drive. `id` and `format` are fixed; `state`, `problem`, `read_only`, `full` follow the facts.

    `faults` counts how often it became faulty; `when_changed(old, new)` is called at every change of the state."""

    def __init__(
        self, found: Inspection, system: System, when_changed: Callable[[DriveState, DriveState], None]
    ) -> None:
        self.path: Path = found.path
        self.format: Format | None = found.format if found.state is DriveState.ONLINE else None
        self.id: str | None = self.format.drive if self.format else None
        self.state = found.state
        self.problem = found.problem
        self.read_only = False
        self.faults = 0
        self.measured = Usage(0, 0, 0)
        self.measure_due = 0.0
        self.system = system
        self._when_changed = when_changed
        self._changing = threading.Lock()
        self._identity: tuple[int, int, int] | None = None
        self._pin: OpenFile | None = None  # as long as it is open, no other file gets its number
        self._refused = False
        self._refused_at = (0.0, 0)
        self._spent = False

    def change(self, state: DriveState, problem: str | None = None) -> None:
        """Enter a state and tell who listens."""
        with self._changing:
            old, self.state, self.problem = self.state, state, problem
            if state is DriveState.ONLINE and old is not DriveState.FAULTY:
                self._identity = self._pin = None  # it was away, whatever is there now
            self.measure_due = 0.0
            if old is not state and state is DriveState.FAULTY:
                self.faults += 1
        if old is not state:
            self._when_changed(old, state)

    def fault(self, reason: str) -> DriveFaulty:
        """The drive is faulty from now on; returns the error to raise."""
        self.change(DriveState.FAULTY, reason)
        return DriveFaulty(str(self.path), reason)

    def refusal(self) -> DriveError:
        """The error that a call gets now, the drive not being online."""
        reason = f"is {self.state}" + (f": {self.problem}" if self.problem else "")
        return _REFUSALS.get(self.state, DriveOffline)(str(self.path), reason)

    def confirm(self) -> None:
        """DriveOffline unless the folder still is this drive and no copy of it; one `stat` when nothing happened."""
        path = f"{self.path}/{FORMAT_FILE}"
        try:
            found = self.system.stat(path)
            identity, known = (found.st_dev, found.st_ino, found.st_mtime_ns), self._identity
            if identity == known:
                return
            present = read_format(self.path, self.system)
            pin = OpenFile(self.system.open(path, os.O_RDONLY | os.O_CLOEXEC), False)
        except OSError as error:
            if error.errno not in _GONE:
                raise self.fault(f"{FORMAT_FILE}: {error.strerror}") from error
            raise self._lost(f"{FORMAT_FILE} is gone") from error
        except FormatCorrupt as error:
            raise self._lost(error.reason) from error
        if self.format is None:
            raise self._lost("it was made a drive, which is not taken in yet")
        if (present.drive, present.deployment) != (self.id, self.format.deployment):
            raise self._lost("another drive is at this path")
        if present.removed:
            raise self._lost(inspection.taken_out(present))
        if known is not None and identity[:2] != known[:2]:
            raise self._lost("a copy of it was put in its place")
        self._identity, self._pin = identity, pin

    def _lost(self, problem: str) -> DriveOffline:
        self.change(DriveState.MISSING, problem)
        return DriveOffline(str(self.path), problem)

    def explain(self, error: OSError, key: Key | None) -> DriveError:
        """What an OSError of a call on shard `key` means; changes the state where the drive is to blame."""
        path, text = str(self.path), error.strerror or str(error)
        if key is not None:
            text = f"{named(key)}: {text}"
        if error.errno in _GONE:
            try:
                self.confirm()
            except DriveError as gone:
                return gone
            if error.errno == errno.ENOENT and key is not None:
                return ShardNotFound(path, text)
        if error.errno in _FULL:
            with contextlib.suppress(OSError):
                self.measure()
            self._refused, self._refused_at = True, (time.monotonic(), self.measured.free)
            return DriveFull(path, text)
        if error.errno in _REFUSED:
            self.read_only = True
            return DriveReadOnly(path, text)
        if error.errno in _OURS:
            return DriveFaulty(path, text)
        return self.fault(text)

    @property
    def full(self) -> bool:
        """Whether new data finds no room here: the reserve is touched, the ballast given up, or a write was refused."""
        return self._refused or self._spent or self.measured.spare < 0

    def measure(self) -> Usage:
        """Ask the file system for its usage. A drive that refused a write counts as full until there is more room, or
        half a minute (a quota shows no room)."""
        self.measured = space.measure(self.system, self.path)
        self._spent = space.spent(self.system, self.path)
        narrow = self.measured.spare < self.measured.reserve
        self.measure_due = time.monotonic() + (_NARROW_SECONDS if narrow else _USAGE_SECONDS)
        since, free = self._refused_at
        if self._refused and (self.measured.free >= free + _FULL_MARGIN or time.monotonic() > since + _FULL_SECONDS):
            self._refused = False
        return self.measured

    def give_up_ballast(self) -> bool:
        """Make room for a write that has to succeed; whether there was any to make. Raises OSError."""
        given = space.give_up(self.path, self.system)
        self.measure()
        return given

    def take_in_ballast(self) -> bool:
        """Make the ballast, or make it again, where there is room for it; whether there is one. Raises OSError."""
        taken = space.take_in(self.system, self.path)
        self.measure()
        return taken

    def examine(self, doubted: bool = False) -> Inspection:
        """What is at the path now; a drive that was faulty or read-only, or is `doubted`, has to take a small file."""
        found = inspection.look(self.path, self.system)
        if found.state is not DriveState.ONLINE:
            return found
        if self.state is DriveState.ONLINE and found.format is not None and found.format.drive == self.id:
            try:
                self.confirm()
            except DriveError as error:
                return Inspection(self.path, self.state, found.format, problem=error.reason)
        try:
            if doubted or self.state is DriveState.FAULTY or self.read_only:
                self.try_disk()
            self.measure()
        except OSError as error:
            return Inspection(self.path, DriveState.FAULTY, found.format, problem=f"does not work: {error.strerror}")
        return found

    def try_disk(self) -> None:
        """Write, sync and read a file. Being full or read-only is an answer too. Raises OSError."""
        path = f"{self.path}/probe.{os.getpid()}"
        try:
            fd = self.system.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in _FULL | _REFUSED:
                raise
            self.read_only = error.errno in _REFUSED
            return
        try:
            self.system.pwritev(fd, [b"probe"], 0)
            self.system.fsync(fd)
            if self.system.pread(fd, 5, 0) != b"probe":
                raise OSError(errno.EIO, "what was written does not come back")
            self.read_only = False
        except OSError as error:
            if error.errno not in _FULL | _REFUSED:
                raise
        finally:
            os.close(fd)
            self.system.unlink(path)
