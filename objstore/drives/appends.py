"""The batch: all appends that wait for a drive become a few long writes and one sync for each file.

An append owns its bytes up to the next 4 KiB boundary, where the next append of that file begins. So the gap between
two neighbours is filled with zeros, and a run of neighbours is one `pwritev`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from objstore.drives.crew import Job, Outbox
from objstore.drives.errors import DriveError
from objstore.drives.shardfiles import Buffer, Key, OpenFile, ShardFiles, length_of, write_vectors
from objstore.drives.system import System

ALIGNMENT = 4096
_ZEROS = memoryview(bytes(ALIGNMENT))


class Append(Job):
    """Buffers that are to be durable at `offset` of a shard file."""

    __slots__ = ("buffers", "key", "offset")

    def __init__(
        self, future: Any, outbox: Outbox | None, patience: float, key: Key, offset: int, buffers: Sequence[Buffer]
    ) -> None:
        super().__init__(future, outbox, patience)
        self.key = key
        self.offset = offset
        self.buffers = buffers
        self.size = sum(map(length_of, buffers))


def runs(appends: Sequence[Append]) -> list[tuple[int, list[Buffer]]]:
    """The writes (offset, buffers) that put all `appends` of one file in place, neighbours joined."""
    found: list[tuple[int, list[Buffer]]] = []
    end = -1
    for append in sorted(appends, key=attrgetter("offset")) if len(appends) > 1 else appends:
        gap = append.offset - end
        if end >= 0 and 0 <= gap < ALIGNMENT and (gap == 0 or append.offset % ALIGNMENT == 0):
            if gap:
                found[-1][1].append(_ZEROS[:gap])
            found[-1][1].extend(append.buffers)
        else:
            found.append((append.offset, list(append.buffers)))
        end = append.offset + append.size
    return found


def perform(
    system: System,
    files: ShardFiles,
    appends: Sequence[Append],
    explain: Callable[[OSError, Key], DriveError],
) -> None:
    """Write all, then sync each file once; sets `error` on the appends of a file that failed, and on those alone."""
    by_file: dict[Key, list[Append]] = {}
    for append in appends:
        by_file.setdefault(append.key, []).append(append)
    written: list[tuple[Key, OpenFile]] = []
    for key, some in by_file.items():
        try:
            file = files.to_write(key)
            files.require_growth(file, max(append.offset + append.size for append in some))
            for offset, buffers in runs(some):
                write_vectors(system, file.fd, offset, buffers)
            written.append((key, file))
        except OSError as error:
            _fail(some, explain(error, key))
    for key, file in written:
        try:
            files.sync_open(key, file)
        except OSError as error:
            _fail(by_file[key], explain(error, key))


def _fail(appends: Sequence[Append], error: DriveError) -> None:
    for append in appends:
        append.error = error.again()
