"""What the processes of one server share about the catalog: the commit lock, and who the members are now.

`commit.lock` is taken (flock) for every commit, so commits of all processes stand in one line. `members` holds the
ballot in force; a counter mapped into every process says at the price of a memory read whether it has changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

from objstore.drives.format import Ballot

_COUNTER = struct.Struct("<Q")
_decode = msgspec.json.Decoder(Ballot).decode


class Shared:
    """The shared state below the runtime directory `folder`."""

    def __init__(self, folder: Path) -> None:
        self._members = folder / "members"
        self._lock = os.open(folder / "commit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fd = os.open(folder / "generation", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < mmap.PAGESIZE:
                os.ftruncate(fd, mmap.PAGESIZE)
            self._map = mmap.mmap(fd, mmap.PAGESIZE)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the commit lock. Not re-entrant."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    @property
    def generation(self) -> int:
        """Grows with every change of members."""
        return int(_COUNTER.unpack_from(self._map)[0])

    def ballot(self) -> Ballot:
        """The ballot in force."""
        return _decode(self._members.read_bytes())

    def announce(self, ballot: Ballot) -> None:
        """Tell all processes of a new ballot. Under the lock (or before any other process runs)."""
        beside = self._members.with_suffix(".tmp")
        beside.write_bytes(msgspec.json.encode(ballot))
        beside.rename(self._members)
        _COUNTER.pack_into(self._map, 0, self.generation + 1)

    def close(self) -> None:
        os.close(self._lock)
        self._map.close()
