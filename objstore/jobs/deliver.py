"""Deliver: take events from the outbox to their targets, at least once, those of one key in order.

Each target has a pump of its own, so a dead one holds up no other. A pump takes the oldest rows, sends those of
different keys at once and those of one key one after another, and deletes what was taken. What fails stays, and what is
behind it of its key too; the pump tries again ever later, up to a minute. Only so many events wait for a target: when
there are more, the oldest are given up, which the log tells.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from objstore.catalog.catalog import Catalog
from objstore.jobs.event_documents import message
from objstore.store.events import outbox
from objstore.store.events.outbox import Waiting
from objstore.targets.settings import TargetEntry, named
from objstore.targets.target import Target, TargetError

BATCH = 128
"""Events that are on their way to one target at a time."""
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
TRIM_EVERY = 60.0

_log = logging.getLogger(__name__)

Open = Callable[[TargetEntry], Target]


class Deliveries:
    """The pumps of one process. `keep` is how many events may wait for a target."""

    def __init__(
        self, catalog: Catalog, entries: Collection[TargetEntry], open_target: Open, *, region: str, keep: int
    ) -> None:
        self._catalog = catalog
        self._entries = {(entry.id, entry.kind): entry for entry in entries}
        self._open = open_target
        self._region = region
        self._keep = keep
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._trimmed: dict[str, float] = {}

    async def start_pumps(self) -> None:
        """Give every target for which something waits a pump, unless it has one."""
        for target in await asyncio.to_thread(self._catalog.read, outbox.targets):
            pump = self._pumps.get(target)
            if pump is None or pump.done():
                if pump is not None and not pump.cancelled() and (error := pump.exception()) is not None:
                    _log.error("delivery to %s: %s", target, error)
                self._pumps[target] = asyncio.create_task(self._pump(target))

    async def close(self) -> None:
        """Stop the pumps; what they had not delivered stays in the outbox."""
        for pump in self._pumps.values():
            pump.cancel()
        await asyncio.gather(*self._pumps.values(), return_exceptions=True)

    async def _pump(self, name: str) -> None:
        """Deliver until nothing waits for a target."""
        entry = self._entries.get(named(name) or ("", ""))
        target = self._open(entry) if entry is not None else None
        delay = FIRST_DELAY
        try:
            while batch := await asyncio.to_thread(self._catalog.read, lambda tx: outbox.oldest(tx, name, BATCH)):
                taken, problem = await self._send(target, batch)
                if taken:
                    await self._catalog.write(lambda tx, taken=taken: outbox.delivered(tx, taken))  # type: ignore[misc]
                    delay = FIRST_DELAY
                if problem is not None:
                    _log.warning("events wait for %s: %s", name, problem)
                    await self._trim(name)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, LONGEST_DELAY)
        finally:
            if target is not None:
                await target.close()

    async def _send(self, target: Target | None, batch: list[Waiting]) -> tuple[list[int], str | None]:
        """Send a batch; which rows were taken, and what went wrong first."""
        if target is None:
            return [], "the configuration names no such target any more"
        lanes: dict[tuple[str, str], list[Waiting]] = {}
        for waiting in batch:
            lanes.setdefault((waiting.event.bucket, waiting.event.key), []).append(waiting)
        taken: list[int] = []
        outcomes = await asyncio.gather(*(self._send_lane(target, lane, taken) for lane in lanes.values()))
        return taken, next((problem for problem in outcomes if problem is not None), None)

    async def _send_lane(self, target: Target, lane: list[Waiting], taken: list[int]) -> str | None:
        for waiting in lane:
            try:
                await target.send(message(waiting, self._region))
            except TargetError as error:
                return str(error)
            taken.append(waiting.id)
        return None

    async def _trim(self, name: str) -> None:
        """Give up the oldest events of a target for which too many wait; looked at once a minute."""
        now = asyncio.get_running_loop().time()
        if now - self._trimmed.get(name, -TRIM_EVERY) < TRIM_EVERY:
            return
        self._trimmed[name] = now
        lost = await self._catalog.write(lambda tx: outbox.trim(tx, name, self._keep))
        if lost:
            _log.error("%d events for %s are given up: more than %d were waiting", lost, name, self._keep)
