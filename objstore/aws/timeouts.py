"""Waiting for a bounded time, at no cost where there is nothing to wait for.

`asyncio.timeout` sets a timer and takes it back, whether or not what stands below it ever waits. The next piece of a
body has mostly come by the time it is asked for, so the timer is set only when something waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def in_time(awaitable: Awaitable[T], seconds: float) -> T:
    """What `awaitable` gives. Raises TimeoutError, after having cancelled it, when it waits for longer."""
    steps = awaitable.__await__()
    try:
        first = next(steps)
    except StopIteration as ended:
        result: T = ended.value
        return result
    async with asyncio.timeout(seconds):
        return await _Begun(first, steps)


class _Begun(Awaitable[T]):
    """What was begun and waits for `first`, to be awaited to its end."""

    __slots__ = ("_first", "_steps")

    def __init__(self, first: Any, steps: Generator[Any, Any, T]) -> None:
        self._first = [first]
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, T]:
        return self  # type: ignore[return-value]  # as much of a generator as `await` asks for

    def __next__(self) -> Any:
        return self._first.pop() if self._first else next(self._steps)

    def throw(self, error: BaseException) -> Any:
        return self._steps.throw(error)
