"""Processes forked from the supervisor, which has imported everything and opened nothing.

What is forked begins at once, shares the memory of code and models with its siblings, and is of the same release as
they are, whatever became of the files meanwhile. For that the supervisor never has a thread, an event loop or a
database open; what takes those is done `Apart`.

All that is forked holds one end of a *lifeline*, at which the end of the supervisor is seen, however it died. So no
process outlives it for longer than it takes to drain.
"""

from __future__ import annotations

import atexit
import gc
import mmap
import multiprocessing
import multiprocessing.util
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import IO, Generic, TypeVar

from objstore.server.settings import SettingsError

T = TypeVar("T")

_FORK = multiprocessing.get_context("fork")
_KILLED_SECONDS = 1.0
_ENDING = (signal.SIGTERM, signal.SIGINT)

# It waits for every process, for ever: who forks here ends them, and goes without one that a disk keeps in the kernel.
atexit.unregister(vars(multiprocessing.util)["_exit_function"])


class Lifeline:
    """Ends when the process that made it does."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()

    def hold(self) -> None:
        """In a process that was forked: when the lifeline ends, drain and end too."""
        self._here.close()
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    def close(self) -> None:
        self._here.close()
        self._there.close()

    def _watch(self) -> None:
        self._there.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)


class Pulse:
    """Tells the process that made it whether one that it forked goes on."""

    def __init__(self) -> None:
        self._count = mmap.mmap(-1, mmap.PAGESIZE)  # shared, and nobody else's

    def beat(self) -> None:
        """Say so, in the process that was forked."""
        self._count[0] = (self._count[0] + 1) % 256

    def count(self) -> int:
        """Another number than before, when it has said so since."""
        return self._count[0]

    def give_up(self) -> None:
        """Say, in the process that was forked, that it cannot go on: another one should."""
        self._count[1] = 1

    @property
    def gave_up(self) -> bool:
        """Whether it has said that."""
        return bool(self._count[1])

    def begin(self) -> None:
        """Before another process is forked: what the last one said is not said by it."""
        self._count[1] = 0


def forked(
    name: str, lifeline: Lifeline, work: Callable[[], None], *, without: Iterable[socket.socket | IO[bytes]] = ()
) -> ForkProcess:
    """Start a process that does `work` and ends; `name` is what `ps -o comm` shows of it, at most 15 bytes.

    It does not have the files `without`. Raises OSError where the system has no room for another process.
    """
    assert threading.active_count() == 1, "a thread's locks would stay locked in the new process"
    process = _FORK.Process(target=_begin, args=(name, lifeline, work, without), name=name)
    gc.freeze()  # what is there now stays: a collector that looked through it would make each page a copy
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # until the new process has let go of this one's handlers
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    return process


def _begin(
    name: str, lifeline: Lifeline, work: Callable[[], None], without: Iterable[socket.socket | IO[bytes]]
) -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    os.setsid()  # a terminal's Ctrl-C is for the supervisor, which then lets this process drain
    for one in without:
        one.close()
    with suppress(OSError):  # where there is a /proc
        Path("/proc/self/comm").write_text(name)
    gc.enable()
    lifeline.hold()
    work()


class Apart(Generic[T]):
    """`work` in a process of its own, beside this one. A context: nothing is done there any more when it is left."""

    def __init__(self, lifeline: Lifeline, work: Callable[[], T]) -> None:
        self._receiver, sender = _FORK.Pipe(duplex=False)
        self._process = forked("objstore start", lifeline, lambda: sender.send(_outcome(work)))
        sender.close()

    def answer(self) -> T:
        """What `work` returned, when it is done. Raises its SettingsError, and one where the process died."""
        try:
            outcome: T | SettingsError = self._receiver.recv()
        except EOFError:
            self._process.join()
            raise SettingsError(f"the start ended with {describe(self._process.exitcode)}") from None
        if isinstance(outcome, SettingsError):
            raise outcome
        return outcome

    def __enter__(self) -> Apart[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.close()
        self._process.kill()  # whoever leaves has the answer, or does not want it any more
        self._process.join(_KILLED_SECONDS)  # a disk that hangs keeps it in the kernel, perhaps for ever


def _outcome(work: Callable[[], T]) -> T | SettingsError:
    try:
        return work()
    except SettingsError as error:
        return error


def describe(code: int | None) -> str:
    """An exit status in words: `status 1`, or the signal's name."""
    return f"status {code}" if code is None or code >= 0 else signal.Signals(-code).name
