"""PostgreSQL: a row for every event, or for the last event of each key that is there."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from objstore.targets.settings import Postgresql
from objstore.targets.target import Message, TargetError

_SECONDS = 10

_TABLES = {
    "access": "CREATE TABLE IF NOT EXISTS {} (id bigint PRIMARY KEY, event_time timestamptz, event_data jsonb)",
    "namespace": "CREATE TABLE IF NOT EXISTS {} (key text PRIMARY KEY, value jsonb)",
}
_ADD = "INSERT INTO {} (id, event_time, event_data) VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING"
_SET = "INSERT INTO {} (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_DROP = "DELETE FROM {} WHERE key = %s"


class PostgresqlTarget:
    """One connection, each statement a transaction of its own."""

    def __init__(self, settings: Postgresql) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None

    async def send(self, message: Message) -> None:
        s = self._settings
        body = message.body.decode()
        try:
            async with self._lock, asyncio.timeout(2 * _SECONDS):
                connection = await self._connected()
                if s.format == "access":
                    when = datetime.fromtimestamp(message.time_us / 1_000_000, UTC)
                    await connection.execute(self._sql(_ADD), (message.number, when, body))
                elif message.gone:
                    await connection.execute(self._sql(_DROP), (message.about,))
                else:
                    await connection.execute(self._sql(_SET), (message.about, body))
        except (psycopg.Error, OSError, TimeoutError) as error:
            await self.close()
            raise TargetError(f"{s.arn}: {type(error).__name__}") from error

    def _sql(self, text: str) -> sql.Composed:
        return sql.SQL(text).format(sql.Identifier(*self._settings.table.split(".")))

    async def _connected(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self._settings.connection, autocommit=True, connect_timeout=_SECONDS
            )
            await self._connection.execute(self._sql(_TABLES[self._settings.format]))
        return self._connection

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
