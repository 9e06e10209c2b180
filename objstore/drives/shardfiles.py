"""The shard files of one drive: names, open descriptors, and each operation as plain blocking calls.

`shards/xx/BLOBHEX.INDEX`, xx being the last two digits of the blob id (the first ones are its time). A shard that is
being rebuilt has `.tmp` behind its name until it is placed. Everything here may block and raises OSError; the drive
runs it on its threads and says what the errors mean. Descriptors are kept open, the most recently used ones: whoever
uses one holds a reference, and it is closed when the last reference goes, never under a running call. One that was
written through stays until it is synced: the kernel tells of bytes that it could not write to who had the file open
then, and may not tell who opens it later (https://lwn.net/Articles/752063/).
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from objstore.drives import space
from objstore.drives.errors import DriveFull, ShardExists, ShardShort
from objstore.drives.format import SHARDS
from objstore.drives.system import System

Buffer = bytes | bytearray | memoryview
Key = tuple[bytes, int, bool]
"""Blob id, shard index, and whether it is the temporary file of a rebuild."""

IOV_MAX = 1024
_WRITEBACK_FROM = 1 << 20
_SECTOR = 512  # the unit of st_blocks
_TRUSTED_SECONDS = 2.0
_SWEEP_SECONDS = 3.0


class Punched(enum.Enum):
    """What came of a request to give space back."""

    DONE = "done"
    UNSUPPORTED = "unsupported"


ShardStat = tuple[bytes, int, int, float]
"""One shard file as a folder lists it: blob id, index, bytes, seconds since 1970 of its last change."""


class OpenFile:
    """A descriptor that closes itself when nobody refers to it."""

    __slots__ = ("checked", "fd", "writable")

    def __init__(self, fd: int, writable: bool) -> None:
        self.fd = fd
        self.writable = writable
        self.checked = time.monotonic()

    def close(self) -> None:
        """Close now; for who holds the only reference."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close


def named(key: Key) -> str:
    """The shard, for people."""
    return f"shard {key[0].hex()}.{key[1]}" + (" (temporary)" if key[2] else "")


def length_of(buffer: Buffer) -> int:
    """Bytes in `buffer`, whatever its items are."""
    return len(buffer) if type(buffer) is bytes else memoryview(buffer).nbytes


def write_vectors(system: System, fd: int, offset: int, buffers: Sequence[Buffer]) -> int:
    """Write all buffers one after another at `offset`, in as few calls as the kernel allows; returns their length.

    Short writes are continued; an OSError leaves an unknown part written.
    """
    start = offset
    for first in range(0, len(buffers), IOV_MAX):
        some = buffers if len(buffers) <= IOV_MAX else buffers[first : first + IOV_MAX]
        left = sum(map(length_of, some))
        written = system.pwritev(fd, some, offset)
        while written < left:
            if written <= 0:
                raise OSError(errno.EIO, "the file takes no more bytes")
            offset += written
            left -= written
            some = _after(some, written)
            written = system.pwritev(fd, some, offset)
        offset += written
    return offset - start


def _after(buffers: Sequence[Buffer], count: int) -> list[Buffer]:
    rest: list[Buffer] = []
    for buffer in buffers:
        view = memoryview(buffer).cast("B")
        if count < len(view):
            rest.append(view[count:])
        count = max(0, count - len(view))
    return rest


def shard_path(root: str, blob: bytes, index: int) -> str:
    """Where a shard lies on the drive at `root`."""
    return f"{root}/{SHARDS}/{blob[-1]:02x}/{blob.hex()}.{index}"


class ShardFiles:
    """The folder `shards` of the drive at `root`. `strict`: what is called durable is synced; else nothing is."""

    def __init__(self, root: Path, system: System, *, strict: bool = True, open_files: int = 512) -> None:
        self._root = str(root)
        self._system = system
        self._strict = strict
        self._most = open_files
        self._open: OrderedDict[Key, OpenFile] = OrderedDict()
        self._unsynced: dict[Key, OpenFile] = {}
        self._durable_folders: set[str] = set()
        self._sweep_due = 0.0

    def path(self, key: Key) -> str:
        """Where the shard lies."""
        blob, index, temporary = key
        return shard_path(self._root, blob, index) + (".tmp" if temporary else "")

    def cached(self, key: Key) -> OpenFile | None:
        """The open file, if it is open and was lately seen to be the one of that name. Does not block, takes no lock:
        single operations on the dictionary are atomic."""
        file = self._open.get(key)
        if file is None or time.monotonic() - file.checked > _TRUSTED_SECONDS:
            return None
        with contextlib.suppress(KeyError):  # evicted by another thread just now; we hold a reference
            self._open.move_to_end(key)
        return file

    def file(self, key: Key) -> OpenFile:
        """The open file, opened where it is not yet; for reading only where writing is refused."""
        file = self.cached(key) or self._linked(key)
        if file is None:
            path = self.path(key)
            try:
                file = OpenFile(self._system.open(path, os.O_RDWR | os.O_CLOEXEC), True)
            except OSError as error:
                if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                    raise
                file = OpenFile(self._system.open(path, os.O_RDONLY | os.O_CLOEXEC), False)
            self._keep(key, file)
        return file

    def _linked(self, key: Key) -> OpenFile | None:
        """The open file, looked at again: another process may have placed a rebuilt one over it."""
        file = self._open.get(key) or self._unsynced.get(key)
        if file is None:
            return None
        if self._system.fstat(file.fd).st_nlink == 0:
            self.forget(key)
            return None
        file.checked = time.monotonic()
        self._keep(key, file)
        return file

    def to_write(self, key: Key) -> OpenFile:
        """As `file`, but an OSError where writing is refused."""
        file = self.file(key)
        if not file.writable:
            self.forget(key)  # opened while the drive was read-only; it may not be any more
            file = OpenFile(self._system.open(self.path(key), os.O_RDWR | os.O_CLOEXEC), True)
            self._keep(key, file)
        return file

    def forget(self, key: Key) -> None:
        """Do not use the descriptor again: the file behind the name may be another one."""
        self._open.pop(key, None)
        self._unsynced.pop(key, None)

    def forget_all(self) -> None:
        """Close everything that is not in use."""
        self._open.clear()

    def sweep(self) -> None:
        """Close files that other processes have removed: an open one keeps its space. Every few seconds, however often
        it is called."""
        if time.monotonic() < self._sweep_due:
            return
        self._sweep_due = time.monotonic() + _SWEEP_SECONDS
        for key, file in [*self._open.items(), *self._unsynced.items()]:
            if self._system.fstat(file.fd).st_nlink == 0:
                self.forget(key)

    def _keep(self, key: Key, file: OpenFile) -> None:
        self._open[key] = file
        while len(self._open) > self._most:
            try:
                self._open.popitem(last=False)
            except KeyError:
                break

    def create(self, key: Key, header: Buffer, preallocate: int) -> None:
        """Make the file with its header at 0 and `preallocate` bytes reserved in all; durable, with its folder.

        Raises DriveFull, and leaves nothing, where that touches the drive's reserve."""
        path = self.path(key)
        self._require_room(key, max(preallocate, length_of(header)))
        # a temporary file may be left over from a rebuild that was killed: it is of no use to anybody
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if key[2] else os.O_EXCL)
        try:
            fd = self._system.open(path, flags, 0o600)
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):
                self._system.mkdir(os.path.dirname(path), 0o700)  # noqa: PTH120 - str paths on the hot side
            fd = self._system.open(path, flags, 0o600)
        except FileExistsError as error:
            raise ShardExists(self._root, f"{named(key)} exists already") from error
        file = OpenFile(fd, True)
        try:
            if preallocate > 0:
                self._system.preallocate(fd, preallocate)
                self._require_room(key, 0)  # others have made files meanwhile
            write_vectors(self._system, fd, 0, [header])
            if self._strict:
                self._system.fsync(fd)
                self._sync_shard_folder(path)
        except (OSError, DriveFull):
            with contextlib.suppress(OSError):
                self._system.unlink(path)
            file.close()  # an open file keeps its space, and the traceback would keep it open
            raise
        self._keep(key, file)

    def _require_room(self, key: Key, more: int) -> None:
        """Raise DriveFull where `more` bytes would touch the drive's reserve."""
        if space.measure(self._system, self._root).spare < more:
            raise DriveFull(self._root, f"{named(key)}: no room is left beside the reserve")

    def require_growth(self, file: OpenFile, end: int) -> None:
        """Raise ENOSPC where the file, to reach to `end`, would grow into the drive's reserve."""
        more = end - self._system.fstat(file.fd).st_blocks * _SECTOR
        if more > 0 and space.measure(self._system, self._root).spare < more:
            raise OSError(errno.ENOSPC, "no room is left beside the reserve")

    def write(self, key: Key, offset: int, buffers: Sequence[Buffer]) -> None:
        """Write without making durable; long writes start on their way to the medium."""
        file = self.to_write(key)
        self.require_growth(file, offset + sum(map(length_of, buffers)))
        try:
            length = write_vectors(self._system, file.fd, offset, buffers)
        finally:  # a sync that runs beside may have begun before
            if self._strict:
                self._unsynced[key] = file
        if self._strict and length >= _WRITEBACK_FROM:
            self._system.start_writeback(file.fd, offset, length)

    def sync(self, key: Key) -> None:
        """Make everything written durable; FileNotFoundError when the name is not this file's any more."""
        self.sync_open(key, self.to_write(key))

    def sync_open(self, key: Key, file: OpenFile) -> None:
        """As `sync`, for a file that is at hand."""
        self._sync(key, file, self._system.fdatasync)
        self.require_linked(key, file)

    def _sync(self, key: Key, file: OpenFile, sync: Callable[[int], None]) -> None:
        if not self._strict:
            return
        self._unsynced.pop(key, None)
        try:
            sync(file.fd)
        except OSError:
            self.forget(key)  # the kernel reports a lost page once: a second sync of this descriptor would lie
            raise

    def require_linked(self, key: Key, file: OpenFile) -> None:
        """FileNotFoundError when the open file has been unlinked: bytes written to it are nowhere."""
        if self._system.fstat(file.fd).st_nlink == 0:
            self.forget(key)
            raise FileNotFoundError(errno.ENOENT, "the shard file was removed")

    def read(self, key: Key, offset: int, length: int) -> Buffer:
        """Exactly `length` bytes at `offset`. Raises ShardShort where the file ends before."""
        file = self.file(key)
        data = self._read_up_to(file, offset, length)
        if len(data) < length and self._system.fstat(file.fd).st_nlink == 0:
            self.forget(key)  # another process has placed a rebuilt file
            data = self._read_up_to(self.file(key), offset, length)
        if len(data) < length:
            raise ShardShort(self._root, f"{named(key)} ends at {offset + len(data)}, wanted {offset + length}")
        return data

    def _read_up_to(self, file: OpenFile, offset: int, length: int) -> Buffer:
        data = self._system.pread(file.fd, length, offset)
        if len(data) == length or not data:
            return data
        parts = [data]
        got = len(data)
        while got < length and (data := self._system.pread(file.fd, length - got, offset + got)):
            parts.append(data)
            got += len(data)
        return b"".join(parts)

    def finish(self, key: Key, length: int) -> None:
        """Cut the file to `length`, durably: what was reserved beyond goes back."""
        file = self.to_write(key)
        self._system.ftruncate(file.fd, length)
        self._sync(key, file, self._system.fsync)
        self.require_linked(key, file)

    def punch(self, key: Key, ranges: Sequence[tuple[int, int]]) -> Punched:
        """Give the ranges (offset, length) back to the file system; they read as zeros afterwards."""
        file = self.to_write(key)
        for offset, length in ranges:
            if length > 0 and not self._system.punch(file.fd, offset, length):
                return Punched.UNSUPPORTED
        return Punched.DONE

    def unlink(self, key: Key) -> bool:
        """Remove the file; False when it was not there."""
        self.forget(key)
        try:
            self._system.unlink(self.path(key))
        except FileNotFoundError:
            return False
        return True

    def place(self, blob: bytes, index: int) -> None:
        """Give the temporary file its name, over what is there, durably."""
        temporary, final = (blob, index, True), (blob, index, False)
        file = self.to_write(temporary)
        self._sync(temporary, file, self._system.fsync)
        path = self.path(final)
        self._system.rename(self.path(temporary), path)
        if self._strict:
            self._sync_shard_folder(path)
        self.forget(temporary)
        self._keep(final, file)

    def folders(self) -> list[str]:
        """The names xx below `shards`."""
        return sorted(os.listdir(f"{self._root}/{SHARDS}"))  # noqa: PTH208

    def listing(self, folder: str, temporary: bool) -> list[ShardStat]:
        """The shards (or the temporary ones) in one folder; files with other names are left out."""
        return list(self._scan(folder, temporary))

    def _scan(self, folder: str, temporary: bool) -> Iterator[ShardStat]:
        try:
            entries = os.scandir(f"{self._root}/{SHARDS}/{folder}")
        except (FileNotFoundError, NotADirectoryError):
            return
        with entries:
            for entry in entries:
                key = parse_name(entry.name)
                if key is None or key[2] != temporary:
                    continue
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # removed while we list
                yield key[0], key[1], found.st_size, found.st_mtime

    def _sync_shard_folder(self, path: str) -> None:
        folder = os.path.dirname(path)  # noqa: PTH120
        self._sync_folder(folder)
        if folder not in self._durable_folders:  # made by us or just now by another process: once is enough to know
            self._sync_folder(f"{self._root}/{SHARDS}")
            self._durable_folders.add(folder)

    def _sync_folder(self, path: str) -> None:
        fd = self._system.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._system.fsync(fd)
        finally:
            os.close(fd)


def parse_name(name: str) -> Key | None:
    """The key of a file's name, None for a name that no shard has."""
    stem, _, rest = name.partition(".")
    index, _, suffix = rest.partition(".")
    if suffix not in ("", "tmp") or not index.isdigit() or len(stem) != 32:
        return None
    try:
        return bytes.fromhex(stem), int(index), suffix == "tmp"
    except ValueError:
        return None
