"""Which reads run, told to other processes: what the reaper may not give back yet.

Each process that reads has a file in a folder that all of them share, named by its instance: eight bytes, when its
oldest running read began (microseconds since 1970), 0 while there is none. Processes that died hold nothing, whatever
their files say; who lives is known to the caller.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

_BYTES = 8


def _now_us() -> int:
    return time.time_ns() // 1000


class Read:
    """A read that runs until it is closed, or nobody refers to it any more."""

    __slots__ = ("_ended",)

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended: Callable[[], None] | None = ended

    def close(self) -> None:
        """It has ended."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()

    __del__ = close


class Running:
    """The running reads of one process, for one event loop. Without a folder nobody is told."""

    def __init__(self, folder: Path | None = None, instance: bytes = b"", clock: Callable[[], int] = _now_us) -> None:
        self._clock = clock
        self._begun: dict[object, int] = {}  # in the order in which they began
        self._told = 0
        self._file: int | None = None
        if folder is not None:
            folder.mkdir(exist_ok=True)
            self._file = os.open(folder / instance.hex(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def begin(self) -> Read:
        """A read begins: what is looked up from now on stays until it is closed."""
        token = object()
        self._begun[token] = self._clock()
        self._tell()
        return Read(lambda: self._end(token))

    def _end(self, token: object) -> None:
        del self._begun[token]
        self._tell()

    def _tell(self) -> None:
        oldest = next(iter(self._begun.values()), 0)
        if oldest != self._told and self._file is not None:
            self._told = oldest
            os.pwrite(self._file, oldest.to_bytes(_BYTES, "big"), 0)

    def close(self) -> None:
        """Tell nobody any more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def oldest(folder: Path, lives: Callable[[bytes], bool]) -> int | None:
    """When the oldest read began that runs in any process that lives; None when nothing is read."""
    begun = []
    for file in folder.glob("*"):
        since = int.from_bytes(file.read_bytes(), "big")
        if since and lives(bytes.fromhex(file.name)):
            begun.append(since)
    return min(begun, default=None)
