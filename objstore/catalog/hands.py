"""Work on mirrors, each on a thread of its own, so that a disk that hangs holds up nobody but that thread.

A mirror that misses its drive's deadline is *abandoned*: nothing but its thread touches its connection any more, and
the thread closes it should the call ever return. One that gets on with a long statement misses nothing. Work that is no
mirror's, such as making one, is *given up*: its thread learns of it at its next step.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from objstore.catalog.errors import MirrorFailed, NoAnswer
from objstore.drives.turns import be_prompt

if TYPE_CHECKING:
    from objstore.catalog.mirror import Mirror

T = TypeVar("T")


_LOOKS = 10  # at the drive, during a deadline


class _Closable(Protocol):
    def close(self) -> None: ...


C = TypeVar("C", bound=_Closable)


class Progress:
    """How far long work has come, for who waits for it; `given_up`: nobody does any more."""

    def __init__(self) -> None:
        self.strides = 0
        self.given_up = False

    def stride(self) -> bool:
        """Note that the work gets on; whether it was given up. As SQLite's progress handler it ends statements then."""
        self.strides += 1
        return self.given_up


def together(work: Mapping[Mirror, Callable[[Mirror], Any]]) -> dict[Mirror, MirrorFailed]:
    """Run each mirror's work at the same time; the failures. Who misses its drive's deadline is abandoned. When it
    returns, or raises what is no failure of a mirror, none of them is at work any more."""
    failures: dict[Mirror, MirrorFailed] = {}
    bug: BaseException | None = None
    for mirror, future in [(mirror, mirror.submit(one)) for mirror, one in work.items()]:
        try:
            _awaited(mirror, future, lambda: None)
        except MirrorFailed as error:
            failures[mirror] = error
        except BaseException as error:
            bug = error
    if bug is not None:
        raise bug
    return failures


def attend(mirror: Mirror, work: Callable[[Mirror], T], progress: Callable[[], object]) -> T:
    """The result of `work(mirror)`, which may take as long as it likes while it gets on.

    Raises MirrorFailed, the mirror being abandoned, when `progress()` is the same for a whole deadline."""
    return _awaited(mirror, mirror.submit(work), progress)


def _awaited(mirror: Mirror, future: concurrent.futures.Future[T], progress: Callable[[], object]) -> T:
    seen: object = None
    while (now := (progress(), mirror.strides)) != seen:
        seen = now
        for _ in range(_LOOKS):
            try:
                return future.result(mirror.deadline / _LOOKS)
            except concurrent.futures.TimeoutError:
                if future.done():  # meanwhile, or by an error of this name
                    return future.result()
            if mirror.faulty:  # somebody else has waited for its drive
                raise mirror.abandon()
    raise mirror.abandon()


def patiently(member: str, deadline: float, work: Callable[[Progress], T]) -> T:
    """The result of `work`, on a thread of its own, which may take as long as it likes while it gets on.

    Raises NoAnswer, the work being given up, when it makes no stride for `deadline` seconds."""
    progress = Progress()
    future = _alone(f"mirror-{member}", lambda: work(progress))
    seen = -1
    while progress.strides != seen:
        seen = progress.strides
        if concurrent.futures.wait([future], deadline).done:
            return future.result()
    progress.given_up = True
    raise NoAnswer(member, f"no answer within {deadline:g} s")


def opened(member: str, deadline: float, opening: Callable[[], C]) -> C:
    """What `opening` opens of the mirror on the drive `member`. Raises MirrorFailed; NoAnswer where it takes longer
    than `deadline` seconds: should it come to an end, it is closed."""
    future = _alone(f"open-{member}", opening)
    try:
        return future.result(deadline)
    except concurrent.futures.TimeoutError:
        future.add_done_callback(_close)
        raise NoAnswer(member, f"was not opened within {deadline:g} s") from None


def _alone(name: str, work: Callable[[], T]) -> concurrent.futures.Future[T]:
    hand = Hand(name)
    future = hand.submit(work)
    hand.dismiss()
    return future


def _close(future: concurrent.futures.Future[Any]) -> None:
    if future.exception() is None:
        future.result().close()


class Hand:
    """A daemon thread that does one thing after another; one that hangs is left behind and holds up no exit."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[concurrent.futures.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, work: Callable[[], T]) -> concurrent.futures.Future[T]:
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._jobs.put((future, work))
        return future

    def dismiss(self) -> None:
        self._jobs.put(None)

    def _work(self) -> None:
        be_prompt()
        while (job := self._jobs.get()) is not None:
            future, work = job
            try:
                result = work()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
