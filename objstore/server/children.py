"""Children of the supervisor, workers and the jobs process: started again when they die, and ended when they hang.

A child whose event loop stands still serves nobody, and may hold what others wait for: the commit lock, or connections.
So each says every second that it goes on, and one that has not for long is killed. What counts is the time that the
supervisor has itself seen pass: when all of them were frozen together, nobody hung. One that a disk keeps in the kernel
says so sooner (`kept`), and dies only when the disk answers: it is left behind, and another one takes its place.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import IO, Literal

from objstore.catalog.shared import let_go
from objstore.server.forking import Lifeline, Pulse, describe, forked
from objstore.server.settings import Settings
from objstore.server.traffic import Traffic

_FIRST_DELAY, _LONGEST_DELAY, _STEADY = 0.2, 10.0, 30.0
_LOOK_SECONDS = 1.0  # the most that may have passed between two looks at a child
_KILLED_SECONDS = 3.0  # for a process that was killed to be gone, if nothing keeps it
_KEPT_SECONDS = 1.0  # the same for one that says that a disk keeps it
_MOST_LEFT = 4  # of a child's processes that a disk keeps: each has its memory


@dataclass(frozen=True, slots=True)
class Orders:
    """What a child is to be: its `role` and `number`, the runtime directory, the sockets on which it listens (workers
    only), ids of drives that are to be looked through, with how often each was begun to be (jobs only); the `traffic`
    that all of them share; the commit lock as it was opened for this child; and the `pulse` by which it is seen to go
    on."""

    role: Literal["worker", "jobs"]
    number: int
    settings: Settings
    runtime: Path
    traffic: Traffic
    commits: IO[bytes]
    sockets: tuple[socket.socket, ...] = ()
    doubtful: tuple[tuple[str, int], ...] = ()
    pulse: Pulse = field(default_factory=Pulse)


class Child:
    """One process that is wanted for as long as the server runs. It does what `become` makes of its orders, and does
    not have what is `without`, which is its siblings'."""

    def __init__(
        self,
        orders: Orders,
        lifeline: Lifeline,
        become: Callable[[Orders], None],
        without: Iterable[socket.socket | IO[bytes]] = (),
    ) -> None:
        self.orders = orders
        self._lifeline = lifeline
        self._become = become
        self._without = tuple(without)
        self._process: ForkProcess | None = None
        self._killed: float | None = None
        self._left: list[ForkProcess] = []
        self._started = 0.0
        self._delay = _FIRST_DELAY
        self._not_before = 0.0
        self._beat = orders.pulse.count()
        self._looked = 0.0
        self._still = 0.0

    @property
    def name(self) -> str:
        return f"{self.orders.role} {self.orders.number}"

    def start(self) -> None:
        """Start the process. Raises OSError where the system has no room for it."""
        self._started = self._looked = time.monotonic()
        self._still = 0.0
        self._killed = None
        self.orders.pulse.begin()
        self._process = forked(
            f"objstore {self.orders.role}", self._lifeline, lambda: self._become(self.orders), without=self._without
        )

    def revive(self) -> str | None:
        """Start the process again if it has ended, kill it if it hangs, and leave it behind if that does not end it;
        the answer says what happened, None if nothing did. To be called often.

        One that dies at once again and again is started ever more slowly, up to every ten seconds.
        """
        now = time.monotonic()
        if self._process is not None:
            code = self._process.exitcode
            if code is None:
                return self._end_if_hung(now) if self._killed is None else self._leave(self._process, now)
            self._process.close()
            self._gone(now)
            return f"{self.name} ended with {describe(code)}; starting it again"
        if now >= self._not_before and self._few_left():
            try:
                self.start()
            except OSError as error:
                self._put_off(now)
                return f"{self.name} cannot be started: {error.strerror}; trying again"
        return None

    def _end_if_hung(self, now: float) -> str | None:
        beat = self.orders.pulse.count()
        self._still = self._still + min(now - self._looked, _LOOK_SECONDS) if beat == self._beat else 0.0
        self._beat, self._looked = beat, now
        most, gave_up = self.orders.settings.limits.hung_seconds, self.orders.pulse.gave_up
        if self._process is None or not (gave_up or self._still >= most):
            return None
        self._still = 0.0
        self._process.kill()
        self._killed = now
        why = "waits for a disk that hangs" if gave_up else f"has stood still for {most:g} s"
        return f"{self.name} {why}; killing it"

    def _leave(self, process: ForkProcess, now: float) -> str | None:
        """Go on without a process that was killed and is not gone."""
        assert self._killed is not None, "it was killed"
        if now - self._killed < (_KEPT_SECONDS if self.orders.pulse.gave_up else _KILLED_SECONDS):
            return None
        self._left.append(process)
        self._gone(now)
        return f"{self.name} was killed and is not gone: it waits for a disk that hangs; starting another one"

    def _few_left(self) -> bool:
        """Forget those that are gone; whether another one may be started beside those that are not."""
        for process in [one for one in self._left if one.exitcode is not None]:
            process.close()
            self._left.remove(process)
        return len(self._left) < _MOST_LEFT

    def _gone(self, now: float) -> None:
        """What the process held is free, and another one comes soon."""
        self._process = None
        let_go(self.orders.commits)
        self._put_off(now)

    def _put_off(self, now: float) -> None:
        self._delay = _FIRST_DELAY if now - self._started > _STEADY else min(self._delay * 2, _LONGEST_DELAY)
        self._not_before = now + self._delay

    def terminate(self) -> None:
        """Ask the process to drain and end."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until `deadline` (monotonic seconds), then kill; what a disk keeps goes when that answers."""
        if self._process is None:
            return
        self._process.join(max(0.0, deadline - time.monotonic()))
        self._process.kill()
        self._process.join(_KILLED_SECONDS)
        self._process = None
