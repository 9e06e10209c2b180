"""A server in the image's own root, as a container engine would run it, without one.

Namespaces of its own for mounts, processes and IPC; the root read-only; the image's user; no capabilities, and none to
be had. Its network is the machine's, so that tests reach it on the loopback.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness import Running

# $1 the root, $2 a folder that is bound to /drives; the rest is run.
_ENTER = """
set -eu
root=$1; drives=$2; shift 2
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do
    touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm"; mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount --bind "$drives" "$root/drives"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid {uid} --regid {gid} --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all env -i {environment} "$@"
"""


@dataclass
class Container(Running):
    """`log`, `port` and `drives` as for a server on the machine; the drives are 1, 2 … in one folder."""

    root: Path = Path("/nonexistent")
    config: dict[str, Any] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs `arguments` in the image."""
        uid, _, gid = self.config["User"].partition(":")
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in self.environment.items())]
        script = _ENTER.format(uid=uid, gid=gid, environment=shlex.join(variables))
        isolated = ["unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child"]
        folder = str(self.drives[0].parent)
        return [*isolated, "sh", "-c", script, "enter", str(self.root), folder, *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120)

    def start(self, *, ready: bool = True) -> Container:
        """Start the image's entry point and command."""
        with self.log.open("ab") as log:
            arguments: Sequence[str] = [*self.config["Entrypoint"], *(self.arguments or self.config["Cmd"])]
            self.process = subprocess.Popen(self.command(*arguments), stdout=log, stderr=log)
        self.wait("/-/health/ready" if ready else "/-/health/live")
        return self

    def stop(self) -> int:
        """SIGTERM to the first process of the container, as engines do; its exit status."""
        assert self.process is not None
        for first in self._first():
            os.kill(first, signal.SIGTERM)
        deadline = time.monotonic() + 40
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        status = self.process.poll()
        if status is None:
            self.kill()
            raise AssertionError("SIGTERM did not end it")
        self.process = None
        return status

    def _first(self) -> list[int]:
        """The first process of the container, while there is one."""
        assert self.process is not None
        pid = self.process.pid
        try:
            return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    def kill(self) -> None:
        """End it at once: the kernel ends every process of its namespace with the first one. That one would outlive
        `unshare`: `--kill-child` is forgotten when it becomes another user."""
        if self.process is not None:
            for first in self._first():
                os.kill(first, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            self.process = None
