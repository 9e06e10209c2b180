"""One server for a drive: a `flock` on DRIVE/lock, held as long as any process of that server lives.

Whoever begins to use a drive takes it for himself alone, and may share it with processes of his own afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from objstore.drives.errors import DriveLocked, DriveOffline, DriveReadOnly
from objstore.drives.format import LOCK_FILE


def lock_drive(path: Path, *, shared: bool = False) -> int:
    """Lock the drive for this server and return the descriptor to keep (and to pass on to children). `shared`: with
    other processes of the same supervisor, which is this one's parent.

    Raises DriveLocked naming the other server's process, DriveOffline when the folder is not there, DriveReadOnly
    when it has no lock file yet and takes none.
    """
    fd = _open(path)
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        written = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        os.close(fd)
        holder = int(written) if written.isdecimal() else None
        who = f"process {holder}" if holder else "another process"
        raise DriveLocked(str(path), f"is in use by another server ({who}); stop it first", holder) from error
    holder_is = f"{os.getppid() if shared else os.getpid()}\n".encode()
    try:
        if os.pread(fd, 32, 0) != holder_is:  # else nothing is written: a disk that hangs may still be read
            os.ftruncate(fd, 0)
            os.pwrite(fd, holder_is, 0)
    except OSError:
        pass  # the name of the holder is a courtesy: a full drive is locked all the same
    return fd


def share(fd: int) -> None:
    """Share a lock with other processes of this server from now on. Raises DriveLocked: another server came between."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        raise DriveLocked("", "was taken by another server just now") from error


def _open(path: Path) -> int:
    """The lock file, made where there is none; a read-only drive's is locked as well."""
    file = path / LOCK_FILE
    try:
        with contextlib.suppress(FileNotFoundError):  # asked to make what is there, a disk that hangs would hang
            return os.open(file, os.O_RDWR | os.O_CLOEXEC)
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise DriveOffline(str(path), f"cannot be locked: {error.strerror}") from error
        try:
            return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise DriveReadOnly(str(path), f"cannot be locked: {error.strerror}") from error
