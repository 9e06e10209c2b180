"""One thread and one clock: nothing happens unless it is told to.

Work goes on until it is at a *gate*, and waits there to be let through: each transaction is one, and so is each pause
of work that is paced. So any other step may come between two transactions of anybody.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from objstore.catalog.errors import ReadOnly, Undecided
from objstore.drives import crew
from objstore.drives.errors import DriveOffline
from objstore.drives.inspection import Inspection, judge, look
from objstore.drives.system import SYSTEM, System
from objstore.jobs.pace import Budget, Pace
from tests.store.fakes import MemoryCatalog

T = TypeVar("T")

DONE, REFUSED, UNDECIDED, LOST = "done", "refused", "undecided", "lost"
"""What becomes of a transaction: published; refused; published, or not, and nobody knows."""


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose time passes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000.0
        self.set_default_executor(Inline())

    def time(self) -> float:
        return self.now

    def rest(self) -> None:
        """Let everything go on until all that is left waits for something."""

        async def until_quiet() -> None:
            await asyncio.sleep(0)
            while self._ready:  # type: ignore[attr-defined]  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

        self.run_until_complete(until_quiet())


class Inline(ThreadPoolExecutor):
    """An executor that does at once what it is given."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class InlineCrew(crew.Crew):
    """In the place of a drive's threads: whoever submits a job does it."""

    def submit(self, job: crew.Job) -> None:
        if self._closed:
            job.error = DriveOffline(self.name, "is closed")
        else:
            try:
                self._perform([job])
            except BaseException as error:
                job.error = error
        crew.settle([job])


class Disks(System):
    """The real ones, but below each path so many bytes stay free."""

    def __init__(self, free: dict[str, int]) -> None:
        self._free = free

    def statvfs(self, path: Any) -> Any:  # type: ignore[override]
        os.stat(path)
        blocks = self._free[str(path)] // 4096
        return SimpleNamespace(f_frsize=4096, f_blocks=2 * blocks, f_bfree=blocks, f_bavail=blocks)


def inspect(paths: Sequence[Path], *, system: System | None = None, **about: Any) -> list[Inspection]:
    """As the drives' own, but one after another."""
    about.pop("deadline", None)
    return judge([look(path, system or SYSTEM) for path in paths], **about)


class Actor:
    """Something that goes on: a request, or a job. `pending` are the gates that it stands at, oldest first."""

    def __init__(self, process: object, name: str) -> None:
        self.process, self.name = process, name
        self.pending: list[asyncio.Future[str]] = []
        self.task: asyncio.Task[Any] | None = None
        self.done: Callable[[asyncio.Task[Any]], None] = lambda _: None

    def __repr__(self) -> str:
        return f"<{self.name}>"


_actor: contextvars.ContextVar[Actor] = contextvars.ContextVar("actor")


class Stage:
    """All that goes on, on one loop."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.actors: list[Actor] = []
        self.killed: list[Actor] = []  # kept, or what they stand in would be cleaned up
        self.open = False  # whether gates stand open

    def begin(
        self,
        process: object,
        name: str,
        work: Coroutine[Any, Any, Any],
        done: Callable[[asyncio.Task[Any]], None] = lambda _: None,
    ) -> Actor:
        """Begin work, which goes on up to its first gate; `done` is called when it is at its end."""
        actor = Actor(process, name)
        actor.done = done
        context = contextvars.copy_context()
        context.run(_actor.set, actor)
        self.actors.append(actor)
        actor.task = self.loop.create_task(work, context=context)
        self.rest()
        return actor

    def rest(self) -> None:
        """Let everything come to its next gate, and see what has ended; what it left in the background may go on."""
        self.loop.rest()
        for actor in list(self.actors):
            if actor.task is not None and actor.task.done():
                if not actor.pending:
                    self.actors.remove(actor)
                done, actor.done = actor.done, lambda _: None
                done(actor.task)

    async def gate(self) -> str:
        """Wait to be let through; what becomes of it is told then."""
        actor = _actor.get(None)
        if actor is None or self.open:
            return DONE
        future: asyncio.Future[str] = self.loop.create_future()
        if actor not in self.actors:
            self.actors.append(actor)  # something that it left in the background
        actor.pending.append(future)
        return await future

    def waiting(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.pending]

    def pass_gate(self, actor: Actor, fate: str = DONE) -> None:
        actor.pending.pop(0).set_result(fate)
        self.rest()

    def through(self, actor: Actor) -> None:
        """Let somebody go on until he waits for something else than a gate, or is at his end."""
        while actor.pending:
            self.pass_gate(actor)

    def kill(self, process: object) -> None:
        """What belongs to a process stands still for ever."""
        self.killed += [actor for actor in self.actors if actor.process is process]
        self.actors = [actor for actor in self.actors if actor.process is not process]

    def pass_time(self, seconds: float) -> None:
        self.loop.now += seconds
        self.rest()

    def close(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        with contextlib.suppress(Exception):
            self.loop.rest()
        self.loop.close()


class SteppedCatalog:
    """The catalog of one process: a database that all share, and a gate before each transaction."""

    def __init__(self, stage: Stage, shared: MemoryCatalog, world: Any) -> None:
        self._stage, self._shared, self._world = stage, shared, world
        self.dead = False
        self.read = shared.read
        self.require_room = shared.require_room

    async def write(self, fn: Callable[[Any], T]) -> T:
        if self.dead:
            await self._stage.loop.create_future()
        fate = await self._stage.gate()
        if fate == REFUSED or self._world.read_only():
            raise ReadOnly("refused by the test")
        if fate == LOST:
            raise Undecided("it never was")
        result = await self._shared.write(fn)
        if fate == UNDECIDED:
            raise Undecided("it was done")
        return result

    async def settled(self) -> None:
        await self.write(lambda _: None)

    async def certain(self, fn: Callable[[Any], Collection[T]]) -> set[T]:
        await self.settled()
        return set(self.read(fn))

    def status(self) -> Any:
        return SimpleNamespace(members=(), wanted=0)

    def ballot(self) -> Any:
        return self._world.ballot


class SteppedPace(Pace):
    """A pace with a gate behind each step."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(Budget(1.0))
        self._stage = stage

    async def __call__(self) -> None:
        await self._stage.gate()

    @contextlib.asynccontextmanager
    async def holding(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        async with lock:
            yield
