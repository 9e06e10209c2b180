"""NATS JetStream: a message counts when the stream has stored it; its number lets the stream drop duplicates.

https://docs.nats.io/nats-concepts/jetstream/streams
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import Error
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from objstore.targets.settings import Nats
from objstore.targets.target import Message, TargetError

_SECONDS = 10


class NatsTarget:
    """One connection; JetStream acknowledges every message."""

    def __init__(self, settings: Nats) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._client: Client | None = None
        self._stream: JetStreamContext | None = None

    async def send(self, message: Message) -> None:
        try:
            stream = await self._connected()
            headers = {"Nats-Msg-Id": str(message.number)}
            await stream.publish(self._settings.subject, message.body, headers=headers, timeout=_SECONDS)
        except (Error, OSError, TimeoutError) as error:
            await self.close()
            raise TargetError(f"{self._settings.arn}: {error or type(error).__name__}") from error

    async def _connected(self) -> JetStreamContext:
        async with self._lock:
            if self._stream is None:
                self._client = await nats.connect(**self._options())
                self._stream = self._client.jetstream()
                await self._make_stream(self._stream)
            return self._stream

    def _options(self) -> dict[str, Any]:
        s = self._settings
        options: dict[str, Any] = {
            "servers": s.url,
            "user": s.user,
            "password": s.password,
            "token": s.token,
            "connect_timeout": _SECONDS,
            "allow_reconnect": False,
            "error_cb": _quiet,
        }
        if s.ca_file:
            options["tls"] = ssl.create_default_context(cafile=s.ca_file)
        return options

    async def _make_stream(self, stream: JetStreamContext) -> None:
        """Make the stream, where its name is set and it is not there."""
        name = self._settings.stream
        if name is not None:
            try:
                await stream.stream_info(name)
            except NotFoundError:
                await stream.add_stream(name=name, subjects=[self._settings.subject])

    async def close(self) -> None:
        client, self._client, self._stream = self._client, None, None
        if client is not None:
            await client.close()


async def _quiet(_: Exception) -> None:
    """What goes wrong is raised where it matters."""
