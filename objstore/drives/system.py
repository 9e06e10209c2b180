"""The system calls that a drive makes, in one object, so that tests can put faults between a drive and its disk.

All that is written below a drive's folder goes through here, save the catalog's databases, for which SQLite has a layer
of its own (a VFS), and the lock file, which means nothing after a crash. `os` has nearly all of the calls. Three come
from libc by ctypes: `fallocate` without glibc's slow emulation, hole punching, and `sync_file_range`, which starts
writing a long stream back early so that the sync at its end is short.
"""

from __future__ import annotations

import ctypes
import errno
import os

_KEEP_SIZE, _PUNCH_HOLE, _SYNC_FILE_RANGE_WRITE = 0x01, 0x02, 0x02
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})

_libc = ctypes.CDLL(None, use_errno=True)
_fallocate = getattr(_libc, "fallocate64", None) or getattr(_libc, "fallocate", None)
_sync_file_range = getattr(_libc, "sync_file_range", None)
if _fallocate is not None:
    _fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


_bytearray = ctypes.pythonapi.PyByteArray_FromStringAndSize
_bytearray.argtypes, _bytearray.restype = (ctypes.c_void_p, ctypes.c_ssize_t), ctypes.py_object


def buffer_for(length: int) -> bytearray:
    """A buffer to read `length` bytes into; its content is undefined, because clearing it costs as much as reading."""
    made: bytearray = _bytearray(None, length)
    return made


class System:
    """The real thing. A test derives from it and lets single calls fail, hang or tear."""

    open = staticmethod(os.open)
    pread = staticmethod(os.pread)
    preadv = staticmethod(os.preadv)
    pwritev = staticmethod(os.pwritev)
    fdatasync = staticmethod(os.fdatasync)
    fsync = staticmethod(os.fsync)
    fstat = staticmethod(os.fstat)
    stat = staticmethod(os.stat)
    ftruncate = staticmethod(os.ftruncate)
    mkdir = staticmethod(os.mkdir)
    unlink = staticmethod(os.unlink)
    rename = staticmethod(os.rename)
    statvfs = staticmethod(os.statvfs)

    def preallocate(self, fd: int, length: int) -> bool:
        """Reserve `length` bytes and make the file that long; False where the file system cannot."""
        return _allocate(fd, 0, 0, length)

    def punch(self, fd: int, offset: int, length: int) -> bool:
        """Give the bytes of a range back to the file system; False where it cannot."""
        return _allocate(fd, _PUNCH_HOLE | _KEEP_SIZE, offset, length)

    def start_writeback(self, fd: int, offset: int, length: int) -> None:
        """Begin to write a range to the medium without waiting. A hint: it promises nothing and never fails."""
        if _sync_file_range is not None:
            _sync_file_range(fd, offset, length, _SYNC_FILE_RANGE_WRITE)


SYSTEM = System()
"""For who was given no other."""


def _allocate(fd: int, mode: int, offset: int, length: int) -> bool:
    if _fallocate is None:
        return False
    while _fallocate(fd, mode, offset, length) != 0:
        code = ctypes.get_errno()
        if code in _UNSUPPORTED:
            return False
        if code != errno.EINTR:
            raise OSError(code, os.strerror(code))
    return True
