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
from typing import Protocol

from objstore.catalog.catalog import Catalog
from objstore.jobs.event_documents import message
from objstore.jobs.mail import mail
from objstore.outbound.addresses import AllowList
from objstore.store.events import outbox, topics
from objstore.store.events.outbox import Event, Waiting
from objstore.store.events.topics import Subscription
from objstore.targets.settings import TargetEntry, Webhook, named
from objstore.targets.target import Target, TargetError
from objstore.targets.webhook import WebhookTarget

BATCH = 128
"""Events that are on their way to one target at a time."""
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0
TRIM_EVERY = 60.0

_log = logging.getLogger(__name__)

Open = Callable[[TargetEntry], Target]


class Deliveries:
    """The pumps of one process. `outbound` is the allow-list, `keep` how many events may wait for a target."""

    def __init__(
        self,
        catalog: Catalog,
        entries: Collection[TargetEntry],
        open_target: Open,
        *,
        outbound: Collection[str],
        region: str,
        keep: int,
    ) -> None:
        self._catalog = catalog
        self._entries = {(entry.id, entry.kind): entry for entry in entries}
        self._open = open_target
        self._outbound = AllowList(outbound)
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
        send = self._opened(name)
        delay = FIRST_DELAY
        try:
            while batch := await asyncio.to_thread(self._catalog.read, lambda tx: outbox.oldest(tx, name, BATCH)):
                taken, problem = await self._send(send, batch)
                if taken:
                    await self._catalog.write(lambda tx, taken=taken: outbox.delivered(tx, taken))  # type: ignore[misc]
                    delay = FIRST_DELAY
                if problem is not None:
                    _log.warning("events wait for %s: %s", name, problem)
                    await self._trim(name)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, LONGEST_DELAY)
        finally:
            if send is not None:
                await send.close()

    def _opened(self, name: str) -> _Sending | None:
        """What sends to the target or subscription of a name; None when there is none any more."""
        if name.startswith(topics.PREFIX):
            one = self._catalog.read(lambda tx: topics.find(tx, Subscription, name))
            if one is None:
                return None
            return _ToSubscriber(
                one, WebhookTarget(Webhook(id=one.arn, endpoint=one.endpoint), self._outbound), self._region
            )
        entry = self._entries.get(named(name) or ("", ""))
        return _ToTarget(self._open(entry), self._region) if entry is not None else None

    async def _send(self, send: _Sending | None, batch: list[Waiting]) -> tuple[list[int], str | None]:
        """Send a batch; which rows were taken, and what went wrong first."""
        if send is None:
            return [], "there is no such target any more"
        lanes: dict[tuple[str, str], list[Waiting]] = {}
        for waiting in batch:
            lanes.setdefault(waiting.lane, []).append(waiting)
        taken: list[int] = []
        outcomes = await asyncio.gather(*(_send_lane(send, lane, taken) for lane in lanes.values()))
        return taken, next((problem for problem in outcomes if problem is not None), None)

    async def _trim(self, name: str) -> None:
        """Give up the oldest events of a target for which too many wait; looked at once a minute."""
        now = asyncio.get_running_loop().time()
        if now - self._trimmed.get(name, -TRIM_EVERY) < TRIM_EVERY:
            return
        self._trimmed[name] = now
        lost = await self._catalog.write(lambda tx: outbox.trim(tx, name, self._keep))
        if lost:
            _log.error("%d events for %s are given up: more than %d were waiting", lost, name, self._keep)


class _Sending(Protocol):
    async def send(self, waiting: Waiting) -> None: ...
    async def close(self) -> None: ...


class _ToTarget:
    """Sends events to a target of the configuration."""

    def __init__(self, target: Target, region: str) -> None:
        self._target, self._region = target, region

    async def send(self, waiting: Waiting) -> None:
        assert isinstance(waiting.entry, Event), "messages of topics wait for subscribers"
        await self._target.send(message(waiting.id, waiting.entry, self._region))

    async def close(self) -> None:
        await self._target.close()


class _ToSubscriber:
    """Sends to the address of a subscription."""

    def __init__(self, subscription: Subscription, target: WebhookTarget, region: str) -> None:
        self._subscription, self._target, self._region = subscription, target, region

    async def send(self, waiting: Waiting) -> None:
        letter, headers = mail(waiting, self._subscription, self._region)
        await self._target.send(letter, headers)

    async def close(self) -> None:
        await self._target.close()


async def _send_lane(send: _Sending, lane: list[Waiting], taken: list[int]) -> str | None:
    """Send what has one lane, in order, until something goes wrong; what that was."""
    for waiting in lane:
        try:
            await send.send(waiting)
        except TargetError as error:
            return str(error)
        taken.append(waiting.id)
    return None
