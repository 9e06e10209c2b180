"""Redis: a list that every event is pushed to, or a hash of the last event of each key that is there."""

from __future__ import annotations

from redis.asyncio import Redis as Client
from redis.exceptions import RedisError

from objstore.targets.settings import Redis
from objstore.targets.target import Message, TargetError

_SECONDS = 10.0


class RedisTarget:
    """Connections of a pool that is made when it is needed."""

    def __init__(self, settings: Redis) -> None:
        self._settings = settings
        self._client: Client = Client.from_url(
            settings.url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS, retry_on_timeout=False
        )

    async def send(self, message: Message) -> None:
        s = self._settings
        try:
            if s.format == "access":
                await self._client.execute_command("RPUSH", s.key, message.body)  # type: ignore[no-untyped-call]
            elif message.gone:
                await self._client.execute_command("HDEL", s.key, message.about)  # type: ignore[no-untyped-call]
            else:
                await self._client.execute_command("HSET", s.key, message.about, message.body)  # type: ignore[no-untyped-call]
        except (RedisError, OSError, TimeoutError) as error:
            raise TargetError(f"{s.arn}: {error or type(error).__name__}") from error

    async def close(self) -> None:
        await self._client.aclose()
