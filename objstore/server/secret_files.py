"""Files with secrets: whoever runs the server may read them, and a group; a file that everybody may read is refused.

Everybody may read a file whose mode lets others read it and whose folders, from the root on, let others pass. Inside a
container there are no others: engines hand secrets over as files of mode 0444 or 0644 (Docker, Podman, Kubernetes), on
a memory file system mounted for them alone, or each as a mount of its own. Such files are taken as they are.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
# Memory file systems that a whole machine shares.
_SHARED: Final = frozenset({"/", "/dev", "/dev/shm", "/run", "/run/lock", "/tmp", "/var/run", "/var/tmp"})  # noqa: S108
_NAMES: Final = frozenset(
    {"root_password", "master_key", "previous_master_key", "secret_key", "bind_password"}
    | {"password", "authorization", "token"}
)
_IN_ADDRESS: Final = re.compile(r"://[^/@\s]*:[^/@\s]*@|\bpassword\s*=", re.IGNORECASE)
_MOUNTS: Final = Path("/proc/self/mountinfo")


class Exposed(Exception):
    """Everybody may read a file with a secret; the message says what to do."""


def require_private(path: Path, what: str, mounts: Path = _MOUNTS) -> None:
    """Raise Exposed where everybody may read the file; `what` is the setting that names it. OSError passes through."""
    real = path.resolve(strict=True)
    mode = real.stat().st_mode
    if not mode & stat.S_IROTH or not all(folder.stat().st_mode & stat.S_IXOTH for folder in real.parents):
        return
    if _handed_over(real, mounts):
        return
    raise Exposed(
        f"{what}: everybody on this machine may read {path} (mode {stat.S_IMODE(mode):04o}), which holds a secret: "
        f"chmod 600 {path}, or 640 for a group"
    )


def holds_secrets(table: Mapping[str, Any]) -> bool:
    """Whether a table of the configuration file has a secret in it: a password, a key, an address with a password."""
    return any(_is_secret(name, value) for name, value in _members(table))


def _is_secret(name: str, value: object) -> bool:
    return isinstance(value, str) and bool(value) and (name in _NAMES or _IN_ADDRESS.search(value) is not None)


def _members(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _members(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _members(inner, name)
    else:
        yield name, value


def _handed_over(path: Path, mounts: Path) -> bool:
    """Whether a container engine mounted the file, or a memory file system for it and its like."""
    best, kind = "", ""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return False
    for line in lines:
        fields, _, rest = line.partition(" - ")  # https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
        if len(words := fields.split(" ")) < 5:
            continue
        point = _unescaped(words[4])
        if len(point) >= len(best) and path.is_relative_to(point):  # of two at one place the later one is on top
            best, kind = point, rest.split(" ")[0]
    return best == os.fspath(path) or (kind in _MEMORY and best not in _SHARED)


def _unescaped(text: str) -> str:
    r"""A path as mountinfo writes it: a blank is `\040`."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
