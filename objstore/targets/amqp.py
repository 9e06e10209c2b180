"""AMQP 0.9.1, as RabbitMQ speaks it: with publisher confirms, and `mandatory`, so that what no queue takes is an error.

https://www.rabbitmq.com/docs/confirms
"""

from __future__ import annotations

import asyncio

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPException

from objstore.targets.settings import Amqp
from objstore.targets.target import Message, TargetError

_SECONDS = 10


class AmqpTarget:
    """One connection and channel. Without an exchange, the queue of the routing key is made where it is not there."""

    def __init__(self, settings: Amqp) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None

    async def send(self, message: Message) -> None:
        s = self._settings
        mode = aio_pika.DeliveryMode.PERSISTENT if s.durable else aio_pika.DeliveryMode.NOT_PERSISTENT
        out = aio_pika.Message(
            message.body, content_type="application/json", message_id=str(message.number), delivery_mode=mode
        )
        try:
            exchange = await self._connected()
            await exchange.publish(out, s.routing_key, mandatory=True, timeout=_SECONDS)
        except (AMQPException, OSError, TimeoutError, RuntimeError) as error:
            await self.close()
            raise TargetError(f"{s.arn}: {error or type(error).__name__}") from error

    async def _connected(self) -> AbstractExchange:
        async with self._lock:
            if self._exchange is None:
                s = self._settings
                self._connection = await aio_pika.connect(s.url, timeout=_SECONDS)
                channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                if s.exchange:
                    self._exchange = await channel.get_exchange(s.exchange)
                else:
                    await channel.declare_queue(s.routing_key, durable=s.durable)
                    self._exchange = channel.default_exchange
            return self._exchange

    async def close(self) -> None:
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            await connection.close()
