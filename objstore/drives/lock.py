"""One server for a drive: a `flock` on DRIVE/lock, held as long as any process of that server lives.

Whoever begins to use a drive takes it for himself alone, and may share it with processes of his own afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from pathlib import Path

from objstore.drives.errors import DriveLocked, DriveOffline, DriveReadOnly
from objstore.drives.format import LOCK_FILE


def lock_drive(path: Path, *, shared: bool = False, signed: bool = True) -> int:
    """Lock the drive for this server and return the descriptor to keep (and to pass on to children). `shared`: with
    other processes of the same supervisor, which is this one's parent. Not `signed`: that is left to `sign_apart`.

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
    if signed:
        _sign(fd, os.getppid() if shared else os.getpid())
    return fd


def sign_apart(fd: int, holder: int) -> None:
    """Sign the lock `fd` for the process `holder` on a thread of its own: a disk that hangs would keep this one."""
    own = os.dup(fd)  # the caller may close his, and another file get its number

    def write() -> None:
        _sign(own, holder)
        os.close(own)

    threading.Thread(target=write, name="lock-signing", daemon=True).start()


def _sign(fd: int, holder: int) -> None:
    """Write into the lock file which process has the drive: a courtesy to whoever is refused, and no lock without it is
    any weaker."""
    signature = f"{holder}\n".encode()
    with contextlib.suppress(OSError):
        if os.pread(fd, 32, 0) != signature:  # else nothing is written: a disk that hangs may still be read
            os.ftruncate(fd, 0)
            os.pwrite(fd, signature, 0)


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
