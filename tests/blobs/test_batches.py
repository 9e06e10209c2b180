"""Which appends share a write and its sync."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from objstore.blobs import batches
from tests.blobs.setting import Setting, put_between, run

MIB = 1 << 20


class Gate:
    """Lets no append to a drive begin before it is open; `come` counts them."""

    def __init__(self) -> None:
        self.come = 0
        self.open = asyncio.Event()
        self._arrivals: asyncio.Queue[None] = asyncio.Queue()

    async def __call__(self, _: str) -> None:
        self.come += 1
        self._arrivals.put_nowait(None)
        await self.open.wait()

    async def reached(self) -> None:
        """One more has come."""
        await self._arrivals.get()


async def held(setting: Setting) -> tuple[Gate, asyncio.Task[object]]:
    """A write of one drive that is on its way and does not end."""
    gate = Gate()
    put_between(setting.pool, 1, ["append"], gate)
    first: asyncio.Task[object] = asyncio.create_task(setting.put(os.urandom(50_000)))
    await gate.reached()
    return gate, first


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_short_appends_that_come_meanwhile_share_the_next_write(tmp_path: Path) -> None:
    bodies = [os.urandom(50_000) for _ in range(8)]

    async def scene(setting: Setting) -> None:
        gate, first = await held(setting)
        later = []
        for body in bodies:
            later.append(asyncio.create_task(setting.put(body)))
            await turns()
        assert gate.come == 1
        gate.open.set()
        await first
        extents = await asyncio.gather(*later)
        assert gate.come == 2
        for extent, body in zip(extents, bodies, strict=True):
            assert await setting.get(extent) == body

    run(tmp_path / "pool", scene)


def test_long_ones_do_not_wait(tmp_path: Path) -> None:
    bodies = [os.urandom(3 * MIB) for _ in range(2)]

    async def scene(setting: Setting) -> None:
        gate, first = await held(setting)
        later = [asyncio.create_task(setting.put(body)) for body in bodies]
        await gate.reached()
        gate.open.set()
        await first
        extents = await asyncio.gather(*later)
        for extent, body in zip(extents, bodies, strict=True):
            assert await setting.get(extent) == body

    run(tmp_path / "pool", scene)


@pytest.mark.parametrize(("seconds", "writes"), [(600.0, 1), (0.0, 3)])
def test_a_batch_waits_for_what_a_busy_loop_has_at_hand_but_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, writes: int
) -> None:
    monkeypatch.setattr(batches, "GATHERING", seconds)
    bodies = [os.urandom(50_000) for _ in range(3)]

    async def busy(rest: asyncio.Event) -> None:
        while not rest.is_set():
            time.sleep(0.001)  # noqa: ASYNC251 - what a loop does that is busy
            await asyncio.sleep(0)

    async def scene(setting: Setting) -> None:
        gate, rest = Gate(), asyncio.Event()
        gate.open.set()
        put_between(setting.pool, 1, ["append"], gate)
        await setting.put(os.urandom(50_000))  # makes the blob
        gate.come = 0
        work = asyncio.create_task(busy(rest))
        puts = []
        for body in bodies:
            puts.append(asyncio.create_task(setting.put(body)))
            await turns()
            if writes > 1:
                await puts[-1]
        assert gate.come == (0 if writes == 1 else writes)
        rest.set()
        await work
        extents = await asyncio.gather(*puts)
        assert gate.come == writes
        for extent, body in zip(extents, bodies, strict=True):
            assert await setting.get(extent) == body

    run(tmp_path / "pool", scene)
