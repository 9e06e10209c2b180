"""What need not wait sets no timer; what waits is given its time, and is cancelled as under `asyncio.timeout`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from objstore.aws.timeouts import in_time

LONG = 60.0
SOON = 0.001


def timers() -> int:
    return len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]


async def at_once(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value, timers()


async def later(value: Any, turns: int = 3) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(passed.set_result, None)
        await passed
    return await at_once(value)


def test_what_is_there_sets_no_timer() -> None:
    assert asyncio.run(in_time(at_once(1), LONG)) == (1, 0)


def test_what_waits_is_awaited_to_its_end_with_a_timer() -> None:
    assert asyncio.run(in_time(later(1), LONG)) == (1, 1)


@pytest.mark.parametrize("work", [at_once, later])
def test_an_error_comes_through(work: Any) -> None:
    with pytest.raises(KeyError):
        asyncio.run(in_time(work(KeyError("x")), LONG))


@pytest.mark.parametrize("turns", [0, 1], ids=["at its first wait", "later"])
def test_what_takes_too_long_is_cancelled(turns: int) -> None:
    seen: list[str] = []

    async def slow() -> None:
        try:
            await later(1, turns)
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            await asyncio.sleep(0)
            seen.append("cleaned up")
            raise

    with pytest.raises(TimeoutError):
        asyncio.run(in_time(slow(), SOON))
    assert seen == ["cancelled", "cleaned up"]


def test_what_ends_all_the_same_ends_as_under_a_timeout() -> None:
    async def stubborn() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 1
        raise AssertionError

    async def under_timeout() -> int:
        async with asyncio.timeout(SOON):
            return await stubborn()

    outcomes = []
    for work in (in_time(stubborn(), SOON), under_timeout()):
        try:
            outcomes.append(asyncio.run(work))
        except TimeoutError:
            outcomes.append(-1)
    assert outcomes[0] == outcomes[1]


def test_the_cancelling_of_its_task_goes_through() -> None:
    async def run() -> bool:
        event, cancelled = asyncio.Event(), False

        async def waiting() -> None:
            nonlocal cancelled
            try:
                await event.wait()
            except asyncio.CancelledError:
                cancelled = True
                raise

        task = asyncio.ensure_future(in_time(waiting(), LONG))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return cancelled

    assert asyncio.run(run())
