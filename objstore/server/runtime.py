"""The server's runtime directory: what its processes share while they run, and nothing that must outlive them.

It holds the catalog's commit lock and generation, a lock file for each live instance, when its oldest running read
began, and the metrics' shared files. A directory left behind by a killed server is recognised by its free lock and
removed at the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "objstore-run-"
_UNBORN = "objstore-new-"  # until it is locked: the sweep of another server would take it for left behind
_LOCK = "supervisor.lock"


@contextlib.contextmanager
def directory() -> Iterator[tuple[Path, int]]:
    """A new runtime directory (mode 0700) and the descriptor of its lock, for children to inherit; removed last."""
    _sweep()
    path = Path(tempfile.mkdtemp(prefix=_UNBORN))
    for name in ("metrics", "instances", "reads"):
        (path / name).mkdir()
    lock = _lock(path / _LOCK)
    assert lock is not None, "nobody knows the name of a new directory"
    path = path.rename(path.with_name(_PREFIX + path.name.removeprefix(_UNBORN)))
    try:
        yield path, lock
    finally:
        os.close(lock)
        shutil.rmtree(path, ignore_errors=True)


def metrics(runtime: Path) -> Path:
    """The folder in which processes count for all of them."""
    return runtime / "metrics"


def reads(runtime: Path) -> Path:
    """The folder in which processes tell which reads run."""
    return runtime / "reads"


def hold_instance(runtime: Path, tag: bytes) -> int:
    """Take the lock that says that this instance lives; the descriptor is kept until the process ends."""
    fd = os.open(runtime / "instances" / tag.hex(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)  # whoever asks just now whether it lives has a lock on it too, for a moment
    return fd


def instance_lives(runtime: Path, tag: bytes) -> bool:
    """Whether the process of this instance still runs."""
    path = runtime / "instances" / tag.hex()
    if not path.exists():
        return False
    lock = _lock(path, fcntl.LOCK_SH)  # several may ask at once, and hear the same
    if lock is None:
        return True
    os.close(lock)
    return False


def dead_instances(runtime: Path) -> set[bytes]:
    """The instances of this server whose process has ended."""
    tags = [bytes.fromhex(path.name) for path in (runtime / "instances").iterdir()]
    return {tag for tag in tags if not instance_lives(runtime, tag)}


def _lock(path: Path, kind: int = fcntl.LOCK_EX) -> int | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _sweep() -> None:
    for path in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if path.stat().st_uid == os.getuid() and (lock := _lock(path / _LOCK)) is not None:
                os.close(lock)
                shutil.rmtree(path, ignore_errors=True)
