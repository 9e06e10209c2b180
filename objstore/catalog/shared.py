"""What the processes of one server share about the catalog: the commit lock, who the members are now, who is suspect.

`commit.lock` is taken (flock) for every commit, so commits of all processes stand in one line. `members` holds the
ballot in force and the latest epoch that anybody proposed; a counter mapped into every process says at the price of a
memory read whether it has changed, another one the same of tables that seldom change, and a third one whether whoever
committed last came to the end of it. All of it is for the life of one server: durable are the ballots on the drives.

Whoever holds the lock may be killed at any moment, and whoever takes it next puts right what that left.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from objstore.catalog.errors import CatalogError, Claimed
from objstore.drives.format import Ballot

_GENERATION, _EDITION, _UNFINISHED = range(3)  # where the counters stand
_COUNTERS = 3 * 8  # bytes
_SUSPECT, _CLAIM = "suspect-", "claim-"
_DOUBT, _WAITED_FOR, _SETTLED = "doubt", "doubt-of-a-write", "settled"


class File(msgspec.Struct, frozen=True):
    """One file: where it is, and what tells it from another one at the same place."""

    path: str
    device: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> File:
        """The file at `path` now. Raises OSError."""
        found = path.stat()
        return cls(str(path), found.st_dev, found.st_ino)


class State(msgspec.Struct, frozen=True):
    """Who the members are. `tried` above the ballot's epoch: an election is open, and nothing commits before one ends.

    `files`: the file of each member; another one at that place is not the member's.
    `read_only` says why nothing can be written, `away` which drives are missing; `again` is when (seconds of
    CLOCK_MONOTONIC, one clock for the host) the next election is worth its fsyncs."""

    ballot: Ballot
    tried: int
    files: dict[str, File] = {}
    read_only: str | None = None
    away: tuple[str, ...] = ()
    again: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether the ballot in force may be written under."""
        return self.read_only is None and self.tried == self.ballot.epoch


_decode = msgspec.json.Decoder(State).decode


def commit_lock(folder: Path) -> IO[bytes]:
    """The commit lock below the runtime directory, opened for one process: another one that was given it too can let go
    of it (`let_go`) for one that was killed, but is kept in the kernel by a disk that hangs."""
    return os.fdopen(os.open(folder / "commit.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "rb")


def let_go(lock: IO[bytes]) -> None:
    """Let go of the lock for a process that will do nothing any more."""
    fcntl.flock(lock.fileno(), fcntl.LOCK_UN)


class Shared:
    """The shared state below the runtime directory `folder`; `lock`, as `commit_lock` opened it for this process."""

    def __init__(self, folder: Path, lock: IO[bytes] | None = None) -> None:
        self._folder = folder
        self._state = folder / "members"
        self._threads = threading.Lock()  # flock is between processes: one descriptor excludes nobody from itself
        with contextlib.ExitStack() as stack:
            self._lock = os.dup((lock or stack.enter_context(commit_lock(folder))).fileno())
        fd = os.open(folder / "generation", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(fd).st_size < _COUNTERS:
                os.ftruncate(fd, _COUNTERS)
            self._map = mmap.mmap(fd, _COUNTERS)
            self._counters = memoryview(self._map).cast("Q")
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the commit lock, against threads and processes. Not re-entrant."""
        with self._threads:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                if self.generation % 2:  # who told last was killed before all could know: it may be told, or not
                    self._counters[_GENERATION] += 1
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    @property
    def generation(self) -> int:
        """Grows with every change of the state; odd while one is on its way."""
        return self._counters[_GENERATION]

    def state(self) -> State:
        """The state now. Raises CatalogError where no start has run."""
        try:
            return _decode(self._state.read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            raise CatalogError(f"the catalog was not started: {self._state}: {error}") from error

    def save(self, state: State) -> None:
        """Tell all processes. Under the lock."""
        beside = self._state.with_suffix(".tmp")
        beside.write_bytes(msgspec.json.encode(state))
        self._counters[_GENERATION] += 1
        beside.rename(self._state)
        self._counters[_GENERATION] += 1

    @property
    def edition(self) -> int:
        """Grows with every change of a steady table (see `catalog/steady.py`); odd while one is on its way."""
        return self._counters[_EDITION]

    @contextlib.contextmanager
    def changing(self, unsteady: bool) -> Iterator[None]:
        """Around making a commit visible, which changes steady tables or does not. Under the lock.

        Where it does not end well, somebody may see the change and nobody knows: the edition stays odd, until a commit
        has ended well, which made whole what was left of this one."""
        edition = self.edition
        if unsteady and not edition % 2:
            edition += 1
            self._counters[_EDITION] = edition
        self._counters[_UNFINISHED] = 1
        yield
        self.finished()
        if edition % 2:
            self._counters[_EDITION] = edition + 1

    @property
    def unfinished(self) -> bool:
        """Whether a commit was cut short, or runs: it may be on some mirrors only, where no reader sees it yet."""
        return self._counters[_UNFINISHED] != 0

    def finished(self) -> None:
        """Note that all mirrors stand at one place. Under the lock."""
        self._counters[_UNFINISHED] = 0

    @contextlib.contextmanager
    def claim(self, drive: str) -> Iterator[None]:
        """Be the only one, of all threads and processes, who replaces or removes the mirror of a drive, or makes it a
        member. Raises Claimed where somebody is. To be entered under the lock, on any thread, and left on any other.

        A thread that hangs has it until its last call has returned, even if its process is killed: so a rename or an
        unlink that comes late never meets a newer mirror."""
        fd = os.open(self._folder / f"{_CLAIM}{drive}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Claimed(drive, "what was begun with it has not come to an end") from None
            yield
        finally:
            os.close(fd)

    def suspect(self, drive: str) -> None:
        """Note that the mirror on `drive` gave a wrong answer, for `maintain` of whichever process runs it."""
        with contextlib.suppress(OSError):
            (self._folder / f"{_SUSPECT}{drive}").touch()

    def take_suspects(self) -> set[str]:
        """The drives noted since the last call."""
        found = list(self._folder.glob(f"{_SUSPECT}*"))
        for path in found:
            path.unlink(missing_ok=True)
        return {path.name.removeprefix(_SUSPECT) for path in found}

    def doubt(self, *, waited_for: bool = False) -> None:
        """Note that mirrors contradict each other, and nobody knows yet which of them is right; `waited_for` by a
        write."""
        with contextlib.suppress(OSError):
            (self._folder / _DOUBT).touch()
            if waited_for:
                (self._folder / _WAITED_FOR).touch()

    @property
    def doubted(self) -> bool:
        """Whether that was noted."""
        return (self._folder / _DOUBT).exists()

    def settle(self, *, alike: bool) -> None:
        """The mirrors have been compared; `alike`: nothing was found, so that a write that waited for it believes the
        leader next time."""
        if alike and (self._folder / _WAITED_FOR).exists():
            (self._folder / _SETTLED).touch()
        for name in (_WAITED_FOR, _DOUBT):
            (self._folder / name).unlink(missing_ok=True)

    def take_settled(self) -> bool:
        """Whether a comparison that a write waited for found nothing since the last call."""
        try:
            (self._folder / _SETTLED).unlink()
        except FileNotFoundError:
            return False
        return True

    def close(self) -> None:
        """Let go of the lock file and the map."""
        os.close(self._lock)
        self._counters.release()
        self._map.close()
