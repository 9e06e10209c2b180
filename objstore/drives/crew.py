"""Threads of one drive that do its blocking calls, with a deadline that a hung disk cannot escape.

A *crew* has a queue and a few *seats*, each a thread started when first needed. Nothing is timed per call: a watchdog,
one thread for the whole process, looks a few times a second at how long each seat has been at work and how long the
oldest job waits. A seat past its deadline is given up: its jobs fail, the thread is left behind (a thread stuck in the
kernel cannot be stopped) and ends by itself should the call ever return; the next job gets a fresh thread.
Finished jobs go home through one *outbox* for each event loop, so a batch wakes the loop once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

from objstore.drives.errors import DriveError, DriveOffline
from objstore.drives.turns import be_prompt

BATCH_BYTES = 64 << 20


class Job:
    """One call that waits for a thread. `future` belongs to `outbox`'s loop; without one it is a thread's own."""

    __slots__ = ("due", "error", "future", "outbox", "patience", "result", "size")

    def __init__(self, future: Any, outbox: Outbox | None, patience: float, error: BaseException | None = None) -> None:
        self.future = future
        self.outbox = outbox
        self.patience = patience
        self.due = _watchdog.clock + patience
        self.size = 0
        self.result: Any = None
        self.error = error


class Call(Job):
    """A job that calls `work(*arguments)`."""

    __slots__ = ("arguments", "work")

    def __init__(
        self, future: Any, outbox: Outbox | None, patience: float, work: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> None:
        super().__init__(future, outbox, patience)
        self.work = work
        self.arguments = arguments


class Outbox:
    """Brings results of threads to one event loop, many with one wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._ready: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._awake = False

    def post(self, results: Iterable[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
        """Resolve the futures on the loop soon. From any thread."""
        self._ready.extend(results)
        if not self._awake:
            self._awake = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._awake = False  # before the queue is emptied: whoever comes later wakes the loop again
        ready = self._ready
        while ready:
            future, result, error = ready.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)


_outboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = weakref.WeakKeyDictionary()


def outbox_of(loop: asyncio.AbstractEventLoop) -> Outbox:
    """The one outbox of `loop`."""
    outbox = _outboxes.get(loop)
    if outbox is None:
        outbox = _outboxes[loop] = Outbox(loop)
    return outbox


def settle(jobs: Iterable[Job]) -> None:
    """Send every job's outcome to whoever waits for it; a job that was settled before keeps its first outcome."""
    homes: dict[Outbox, list[tuple[asyncio.Future[Any], Any, BaseException | None]]] = {}
    for job in jobs:
        if job.outbox is not None:
            homes.setdefault(job.outbox, []).append((job.future, job.result, job.error))
            continue
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            if job.error is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.error)
    for outbox, results in homes.items():
        outbox.post(results)


class Seat:
    """One thread's place: the jobs in its hands and since when (0 when idle)."""

    __slots__ = ("abandoned", "jobs", "patience", "since")

    def __init__(self) -> None:
        self.jobs: list[Any] = []
        self.since = 0.0
        self.patience = 0.0
        self.abandoned = False


class Crew:
    """A queue of jobs and up to `size` threads. `perform` gets the jobs (all that wait when `greedy`, else one) and
    sets `result` or `error` on each; `late` is told of a missed deadline and makes the error of the jobs lost by it.
    A job may wait `queueing` seconds longer than its own patience for those before it."""

    def __init__(
        self,
        name: str,
        size: int,
        perform: Callable[[list[Any]], None],
        late: Callable[[str], DriveError],
        *,
        greedy: bool = False,
        queueing: float = 0.0,
    ) -> None:
        self.name = name
        self._queueing = queueing
        self._size = size
        self._perform = perform
        self._late = late
        self._greedy = greedy
        self._waiting: deque[Any] = deque()
        self._tokens: SimpleQueue[None] = SimpleQueue()
        self._seats: list[Seat] = []
        self._hiring = threading.Lock()
        self._closed = False
        self._stuck = 0
        _watchdog.watch(self)

    @property
    def stuck(self) -> int:
        """How many threads were left behind in calls that have not returned yet."""
        return self._stuck

    def late(self, seconds: float, patience: float) -> bool:
        """Whether a call of no more than this patience has not returned for so many seconds."""
        return any(
            seat.since and seat.patience <= patience and _watchdog.clock - seat.since > seconds
            for seat in list(self._seats)
        )

    def submit(self, job: Job) -> None:
        """Queue a job; its future is resolved when it is done. From any thread."""
        self._waiting.append(job)
        self._tokens.put(None)
        if self._closed:
            self.fail_waiting(DriveOffline(self.name, "is closed"))
        elif len(self._seats) < self._size and self._waiting:
            self._hire()

    def close(self) -> None:
        """Let the threads end when the queue is empty."""
        self._closed = True
        for _ in range(len(self._seats)):
            self._tokens.put(None)

    def fail_waiting(self, error: DriveError) -> None:
        """Fail every job that no thread has begun."""
        lost = []
        while self._waiting:
            try:
                job = self._waiting.popleft()
            except IndexError:
                break
            job.error = error.again()
            lost.append(job)
        settle(lost)

    def check(self, now: float) -> None:
        """Give up what is past its deadline. Called by the watchdog."""
        for seat in list(self._seats):
            if seat.since and now - seat.since > seat.patience:
                self._abandon(seat)
        try:
            late = now > self._waiting[0].due + self._queueing
        except IndexError:
            return
        if late:
            self.fail_waiting(self._late("calls wait longer than the deadline"))

    def _hire(self) -> None:
        with self._hiring:
            idle = sum(not seat.since for seat in self._seats)
            if idle >= len(self._waiting) or len(self._seats) >= self._size or self._closed:
                return
            seat = Seat()
            self._seats.append(seat)
        threading.Thread(target=self._work, args=(seat,), name=self.name, daemon=True).start()

    def _abandon(self, seat: Seat) -> None:
        with self._hiring:
            jobs = seat.jobs
            if not seat.since or seat not in self._seats:
                return
            self._seats.remove(seat)
            self._stuck += 1
            seat.abandoned = True
        error = self._late(f"a call did not return within {seat.patience:g} s")
        settle([Job(job.future, job.outbox, 0.0, error.again()) for job in jobs])  # the thread may yet touch its own
        if self._waiting:
            self._hire()

    def _take(self) -> list[Any]:
        jobs: list[Any] = []
        size = 0
        try:
            while size < BATCH_BYTES:
                job = self._waiting.popleft()
                jobs.append(job)
                if not self._greedy:
                    break
                size += job.size
        except IndexError:
            pass
        return jobs

    def _work(self, seat: Seat) -> None:
        be_prompt()
        while not seat.abandoned:
            self._tokens.get()
            if seat.abandoned:  # given up just as it finished: the job is for a seat that is watched
                self._tokens.put(None)
                break
            jobs = self._take()
            if not jobs:
                if self._closed:
                    break
                continue
            seat.jobs = jobs
            seat.patience = max(job.patience for job in jobs)
            seat.since = _watchdog.clock
            try:
                self._perform(jobs)
            except BaseException as error:  # a bug must not leave callers waiting for ever
                for job in jobs:
                    job.error = error
            seat.since = 0.0
            seat.jobs = []
            settle(jobs)
            jobs = []
        if seat.abandoned:
            with self._hiring:
                self._stuck -= 1


class _Watchdog:
    """The thread that looks at every crew of the process; it ends when there is none.

    It has a clock of its own that stands still while the process does (stopped, suspended, starved of CPU): time in
    which nobody could have worked is no drive's fault."""

    PAUSE = 0.1

    def __init__(self) -> None:
        self.clock = 1.0
        self._crews: weakref.WeakSet[Crew] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, crew: Crew) -> None:
        with self._lock:
            self._crews.add(crew)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="drive-watchdog", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        before = time.monotonic()
        while True:
            time.sleep(self.PAUSE)
            now = time.monotonic()
            self.clock += min(now - before, 2 * self.PAUSE)
            before = now
            with self._lock:
                crews = list(self._crews)
                if not crews:
                    self._thread = None
                    return
            for crew in crews:
                crew.check(self.clock)
            del crews


_watchdog = _Watchdog()
