"""Faults between the product and its disks: below a drive (`FaultySystem`) and below SQLite (`FaultyFiles`).

Both tell a `Medium` what they do and ask `Faults` what goes wrong. Whether the n-th call of a kind on a drive is struck
follows from the seed alone, whatever threads do meanwhile.

Of the ways to get between SQLite and its files this is SQLite's own, the VFS, through apsw, which the product uses
anyway: it sees each write, sync and delete with SQLite's meaning (also that the first sync of a new log syncs its
folder), works in one process without privileges, and what it says (FULL, IOERR) comes back through SQLite's own error
paths. A FUSE file system would need a mount and a process; preloading a library would not see who syncs what for whom.
The VFS is made the default one, so the product opens its catalog as ever. Shared memory is not seen: after a power loss
it is made anew from the log.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import apsw

from objstore.catalog import pages
from objstore.drives.system import System
from tests.faults import misreads
from tests.faults.medium import Cached, Folder, Medium, put
from tests.faults.misreads import PAGE

GROWING = frozenset({"pwritev", "preallocate", "open", "mkdir", "rename", "xWrite"})
"""Calls that a full disk refuses."""
_HELD = 30.0  # seconds after which a hung call lets go by itself, should a test forget it


class Faults:
    """What goes wrong on the drives named (folders of the medium): `rates` from a kind to the share of calls it hits.

    Kinds: error (EIO), full (ENOSPC), short, slow, hang, and of reads rot (a flipped bit), stale (what was there at
    the last sync), astray (another place of the file). Catalog files know error, full and slow, and their pages rot.
    What nobody notices at once has kinds of its own: `page_stale` (what was there before), `page_astray`, and
    `page_lost` (a write that never arrives, and reads as synced); `log_rot`, `log_stale`, `log_astray`, `log_short` of
    the write-ahead log."""

    def __init__(self, seed: str, drives: Sequence[str] = (), **rates: float) -> None:
        self._seed = seed
        self._drives = frozenset(drives)
        self._rates = rates
        self._calls: Counter[tuple[str, str]] = Counter()
        self._counting = threading.Lock()
        self.struck: Counter[str] = Counter()
        self.over = threading.Event()

    def end(self) -> None:
        """From now on all is well; what hangs comes back."""
        self.over.set()

    def of(self, drive: str, call: str) -> Random | None:
        """The dice for this call; None where nothing can happen."""
        if drive not in self._drives or self.over.is_set():
            return None
        with self._counting:
            self._calls[drive, call] += 1
            number = self._calls[drive, call]
        return Random(f"{self._seed} {drive} {call} {number}")

    def strikes(self, chance: Random | None, kind: str) -> bool:
        """Whether this fault happens now."""
        if chance is None or chance.random() >= self._rates.get(kind, 0.0):
            return False
        self.struck[kind] += 1
        return True

    def before(self, chance: Random | None, call: str) -> None:
        """What may happen ahead of any call. Raises OSError."""
        if self.strikes(chance, "slow"):
            time.sleep(0.005)
        if self.strikes(chance, "hang"):
            self.over.wait(_HELD)
        if self.strikes(chance, "error"):
            raise OSError(errno.EIO, "injected")
        if call in GROWING and self.strikes(chance, "full"):
            raise OSError(errno.ENOSPC, "injected")


class Board:
    """Where drives and SQLite are plugged in: the disks there are, and what goes wrong."""

    def __init__(self) -> None:
        self.mediums: list[Medium] = []
        self.faults = Faults("none")

    def medium(self, path: str | Path) -> Medium | None:
        return next((one for one in reversed(self.mediums) if one.holds(path) or one.root == Path(path)), None)

    def drive(self, medium: Medium, path: str | Path) -> str:
        parts = Path(path).relative_to(medium.root).parts
        return parts[0] if parts else ""


class FaultySystem(System):
    """The system calls of drives on the mediums of a board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        for name in ("open", "pwritev", "ftruncate", "fsync", "fdatasync", "mkdir", "unlink", "rename"):
            setattr(self, name, getattr(self, f"_{name}"))
        for name in ("pread", "preadv", "fstat", "stat", "statvfs"):
            setattr(self, name, self._looking(name))

    @contextlib.contextmanager
    def _call(self, name: str, target: Any, *, change: bool = True) -> Iterator[tuple[Medium | None, Random | None]]:
        """One call on a descriptor or path: faults first, then alone on its disk until it has been told."""
        path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else str(target)
        medium = self._board.medium(path.removesuffix(" (deleted)"))
        if medium is None:
            yield None, None
            return
        faults = self._board.faults
        chance = faults.of(self._board.drive(medium, path), name)
        faults.before(chance, name)
        with medium.lock:
            medium.powered(change=change)
            yield medium, chance

    def _open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        makes = bool(flags & os.O_CREAT) and not os.path.lexists(path)
        with self._call("open" if makes else "look", path, change=makes or bool(flags & os.O_TRUNC)) as (medium, _):
            fd = os.open(path, flags, mode)
            if medium is not None and medium.holds(path):
                if makes:
                    medium.made(path, Cached())
                elif flags & os.O_TRUNC:
                    self._file(medium, fd).resize(0)
            return fd

    def _file(self, medium: Medium, fd: int) -> Cached:
        found = medium.behind(fd)
        assert isinstance(found, Cached), (
            f"a file that the medium was not told of: {os.readlink(f'/proc/self/fd/{fd}')}"
        )
        return found

    def _pwritev(self, fd: int, buffers: Sequence[Any], offset: int) -> int:
        with self._call("pwritev", fd) as (medium, chance):
            data = b"".join(bytes(memoryview(buffer).cast("B")) for buffer in buffers)
            if chance is not None and len(data) > 1 and self._board.faults.strikes(chance, "short"):
                data = data[: chance.randrange(1, len(data))]
            written = os.pwrite(fd, data, offset)
            if medium is not None:
                self._file(medium, fd).write(offset, data[:written])
            return written

    def _ftruncate(self, fd: int, length: int) -> None:
        with self._call("ftruncate", fd) as (medium, _):
            os.ftruncate(fd, length)
            if medium is not None:
                self._file(medium, fd).resize(length)

    def preallocate(self, fd: int, length: int) -> bool:
        with self._call("preallocate", fd) as (medium, _):
            if medium is not None and length > (file := self._file(medium, fd)).size:
                os.ftruncate(fd, length)  # no blocks: a test has many of these files
                file.resize(length)
            return True

    def punch(self, fd: int, offset: int, length: int) -> bool:
        with self._call("punch", fd) as (medium, _):
            done = super().punch(fd, offset, length)
            if done and medium is not None and (within := min(length, self._file(medium, fd).size - offset)) > 0:
                self._file(medium, fd).write(offset, bytes(within))
            return done

    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        """A hint."""

    def _fsync(self, fd: int) -> None:
        self._sync("fsync", fd)

    def _fdatasync(self, fd: int) -> None:
        self._sync("fdatasync", fd)

    def _sync(self, name: str, fd: int) -> None:
        try:
            with self._call(name, fd) as (medium, _):
                if medium is not None and (node := medium.behind(fd)) is not None:
                    node.settle()
        except OSError:
            self._forgotten(fd)
            raise

    def _forgotten(self, fd: int) -> None:
        """A sync failed: what waited for it is clean to the kernel, written or not."""
        medium = self._board.medium(os.readlink(f"/proc/self/fd/{fd}").removesuffix(" (deleted)"))
        if medium is not None:
            with medium.lock:
                if not medium.off and isinstance(node := medium.behind(fd), Cached):
                    node.settle(Random(f"{medium.changes}"))

    def _mkdir(self, path: Any, mode: int = 0o777) -> None:
        with self._call("mkdir", path) as (medium, _):
            os.mkdir(path, mode)
            if medium is not None:
                medium.made(path, Folder())

    def _unlink(self, path: Any) -> None:
        with self._call("unlink", path) as (medium, _):
            os.unlink(path)
            if medium is not None and medium.holds(path):
                medium.removed(path)

    def _rename(self, old: Any, new: Any) -> None:
        with self._call("rename", old) as (medium, _):
            os.rename(old, new)
            if medium is not None:
                medium.renamed(old, new)

    def _looking(self, name: str) -> Any:
        real = getattr(os, name)

        def look(target: Any, *arguments: Any) -> Any:
            with self._call(name, target, change=False) as (medium, chance):
                found = real(target, *arguments)
                if medium is None or chance is None or name not in ("pread", "preadv"):
                    return found
                offset = arguments[1]
                buffer = bytearray(found) if name == "pread" else memoryview(arguments[0][0])[:found]
                self._spoil(medium.behind(target), offset, buffer, chance)
                return bytes(buffer) if name == "pread" else found

        return look

    def _spoil(self, node: Any, offset: int, buffer: Any, chance: Random) -> None:
        """What a read gives that is not what was written."""
        faults, length = self._board.faults, len(buffer)
        if not length or not isinstance(node, Cached):
            return
        if faults.strikes(chance, "rot"):
            buffer[chance.randrange(length)] ^= 1 << chance.randrange(8)
        for kind, start in (("stale", offset), ("astray", chance.randrange(max(1, node.size)) // PAGE * PAGE)):
            if faults.strikes(chance, kind):
                other = bytes(node.durable[start : start + length])
                buffer[:] = other + bytes(length - len(other))


class FaultyFile(apsw.VFSFile):
    """A file of SQLite's; one without a name (a temporary one) or of no medium passes through."""

    def __init__(self, board: Board, name: Any, flags: list[int]) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._path = path
        self._board = board
        self._medium = board.medium(path) if path else None
        self._pages = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)
        self._log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        create = bool(flags[0] & apsw.SQLITE_OPEN_CREATE)
        # os_unix.c: the first sync of a log that was opened so syncs its folder too, whoever made the file
        self._sync_folder = create and not flags[0] & apsw.SQLITE_OPEN_MAIN_DB
        # the catalog makes its file itself, with its mode, just before SQLite opens it: to a disk that is one change
        makes = create and self._medium is not None and not self._medium.has(path)
        with self._call("open" if makes else "look", change=makes) as medium:
            super().__init__("unix", name, flags)
            if medium is not None:
                if makes:
                    medium.made(path, Cached())
                found = medium.at(path)
                assert isinstance(found, Cached)
                self._node = found

    @contextlib.contextmanager
    def _call(self, name: str, *, change: bool = True) -> Iterator[Medium | None]:
        medium = self._medium
        if medium is None:
            yield None
            return
        faults = self._board.faults
        try:
            faults.before(faults.of(self._board.drive(medium, self._path), name), name)
            with medium.lock:
                medium.powered(change=change)
                yield medium
        except OSError as error:
            kind = apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError
            raise kind(f"{name}: {error.strerror}") from error

    def xWrite(self, data: Any, offset: int) -> None:
        with self._call("xWrite") as medium:
            if medium is not None and (self._pages or self._log):
                if (there := min(len(data), super().xFileSize() - offset)) > 0:
                    put(self._node.before, offset, super().xRead(there, offset))
                if self._pages and self._strikes(medium, "xWrite of pages", "page_lost"):
                    return
            super().xWrite(data, offset)
            if medium is not None:
                self._node.write(offset, bytes(data))

    def _strikes(self, medium: Medium, call: str, kind: str) -> bool:
        faults = self._board.faults
        return faults.strikes(faults.of(self._board.drive(medium, self._path), call), kind)

    def xTruncate(self, newsize: int) -> None:
        with self._call("xTruncate") as medium:
            super().xTruncate(newsize)
            if medium is not None:
                self._node.resize(newsize)

    def xSync(self, flags: int) -> None:
        try:
            with self._call("xSync") as medium:
                if medium is None:
                    super().xSync(flags)
                    return
                self._node.settle()
                if self._sync_folder:
                    medium.folder(self._path).settle()
                    self._sync_folder = False
        except apsw.IOError:
            medium = self._medium
            if medium is not None:
                with medium.lock:
                    if not medium.off:
                        self._node.settle(Random(f"{medium.changes}"))
            raise

    def xRead(self, amount: int, offset: int) -> bytes:
        with self._call("xRead", change=False) as medium:
            data = super().xRead(amount, offset)
            if medium is None or not data or not (self._pages or self._log):
                return data
            call = "xRead of pages" if self._pages else "xRead of the log"
            chance = self._board.faults.of(self._board.drive(medium, self._path), call)
            if chance is None:
                return data
            return self._page(data, offset, chance) if self._pages else self._of_log(data, offset, chance)

    def _page(self, data: bytes, offset: int, chance: Random) -> bytes:
        """What a read of pages gives."""
        strikes = self._board.faults.strikes
        if strikes(chance, "rot"):
            data = misreads.rotten(data, chance)
        if len(data) == PAGE and strikes(chance, "page_stale"):
            data = misreads.stale(self._node, data, offset)
        if len(data) == PAGE and strikes(chance, "page_astray"):
            data = misreads.astray(data, offset, self._content(), PAGE, chance)
        return data

    def _of_log(self, data: bytes, offset: int, chance: Random) -> bytes:
        """What a read of the log gives."""
        strikes = self._board.faults.strikes
        if strikes(chance, "log_rot"):
            data = misreads.rotten(data, chance)
        if strikes(chance, "log_stale"):
            data = misreads.stale(self._node, data, offset)
        if strikes(chance, "log_astray"):
            data = misreads.astray(data, offset, self._content(), misreads.FRAME, chance)
        if strikes(chance, "log_short"):
            data = misreads.short(data, chance)
        return data

    def _content(self) -> bytes:
        return super().xRead(super().xFileSize(), 0)


class FaultyFiles(apsw.VFS):
    """SQLite's default while `plugged`."""

    def __init__(self, board: Board) -> None:
        self._board = board
        super().__init__("objstore-faults", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return FaultyFile(self._board, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        medium = self._board.medium(filename)
        if medium is None:
            super().xDelete(filename, syncdir)
            return
        with medium.lock:
            try:
                medium.powered(change=True)
            except OSError as error:
                raise apsw.IOError(str(error)) from error
            known = medium.folder(filename).names
            super().xDelete(filename, False)
            if Path(filename).name in known:
                medium.removed(filename)
            if syncdir:
                medium.folder(filename).settle()


@contextlib.contextmanager
def plugged() -> Iterator[Board]:
    """A board that SQLite's files are on as well."""
    board = Board()
    pages._register()
    apsw.unregister_vfs(pages._VFS)
    files = FaultyFiles(board)
    _put_shim_on_default()
    try:
        yield board
    finally:
        board.faults.end()
        apsw.unregister_vfs(pages._VFS)
        files.unregister()
        _put_shim_on_default()


def _put_shim_on_default() -> None:
    """The checksums of pages are a layer as well, which stands on what is the default when it is made known."""
    pages._register.cache_clear()
    pages._register()
