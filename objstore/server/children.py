"""Child processes of the supervisor: workers and the jobs process, started again when they die.

A child gets its orders as one line of JSON on standard input, which then stays open as a lifeline: end of file means
that the supervisor is gone, and the child drains and ends. So no child outlives its supervisor, however that died, and
no secret is ever on a command line or in an environment.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from objstore.server.settings import Settings

# Blocks of a MiB and more are reused instead of being given back to the kernel and faulted in again: glibc's defaults
# make coding four to six times slower (measured with erasure.encode of 4 MiB at 2+2).
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}

_FIRST_DELAY, _LONGEST_DELAY, _STEADY = 0.2, 10.0, 30.0


class Orders(msgspec.Struct, frozen=True):
    """What a child is to be: `role` worker or jobs, its `number`, the listening sockets it inherits (workers only), ids
    of drives that are to be looked through (jobs only)."""

    role: str
    number: int
    settings: Settings
    runtime: str
    sockets: tuple[int, ...] = ()
    doubtful: tuple[str, ...] = ()


class Child:
    """One process that is wanted for as long as the server runs."""

    def __init__(self, orders: Orders, inherit: Sequence[int]) -> None:
        self.orders = orders
        self._inherit = tuple(inherit)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._delay = _FIRST_DELAY
        self._not_before = 0.0

    @property
    def name(self) -> str:
        return f"{self.orders.role} {self.orders.number}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process and hand it its orders."""
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "objstore.server.process", self.orders.role],
            stdin=subprocess.PIPE,
            pass_fds=self._inherit,
            start_new_session=True,
            env=os.environ | MALLOC,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(self.orders) + b"\n")
        self._process.stdin.flush()

    def revive(self) -> str | None:
        """Start the process again if it has ended; the answer says what happened, None if nothing did.

        One that dies at once again and again is started ever more slowly, up to every ten seconds.
        """
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return None
            self._discard()
            self._delay = _FIRST_DELAY if now - self._started > _STEADY else min(self._delay * 2, _LONGEST_DELAY)
            self._not_before = now + self._delay
            return f"{self.name} ended with {describe(code)}; starting it again"
        if now >= self._not_before:
            self.start()
        return None

    def terminate(self) -> None:
        """Ask the process to drain and end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until `deadline` (monotonic seconds), then kill."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._discard()

    def _discard(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._process = None


def describe(code: int) -> str:
    """An exit status in words: `status 1`, or the signal's name."""
    return f"status {code}" if code >= 0 else signal.Signals(-code).name
