"""Kafka: messages keyed by what they are about, so that those of one key stay in one partition, in order."""

from __future__ import annotations

import asyncio
import ssl

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from objstore.targets.settings import Kafka
from objstore.targets.target import Message, TargetError

_SECONDS = 10


class KafkaTarget:
    """A producer that waits for all replicas in step. Messages of a key come one by one, so none overtakes another."""

    def __init__(self, settings: Kafka) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._producer: AIOKafkaProducer | None = None

    async def send(self, message: Message) -> None:
        try:
            async with asyncio.timeout(2 * _SECONDS):
                producer = await self._connected()
                await producer.send_and_wait(self._settings.topic, message.body, key=message.about.encode())  # type: ignore[no-untyped-call]
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise TargetError(f"{self._settings.arn}: {error or type(error).__name__}") from error

    async def _connected(self) -> AIOKafkaProducer:
        async with self._lock:
            if self._producer is None:
                s = self._settings
                secure = ssl.create_default_context(cafile=s.ca_file) if s.tls else None
                protocol = ("SASL_" if s.sasl_mechanism else "") + ("SSL" if s.tls else "PLAINTEXT")
                producer = AIOKafkaProducer(  # type: ignore[no-untyped-call]
                    bootstrap_servers=list(s.brokers),
                    acks="all",
                    request_timeout_ms=_SECONDS * 1000,
                    security_protocol=protocol,
                    sasl_mechanism=s.sasl_mechanism or "PLAIN",
                    sasl_plain_username=s.user,
                    sasl_plain_password=s.password,
                    ssl_context=secure,
                )
                try:
                    await producer.start()  # type: ignore[no-untyped-call]
                except BaseException:
                    await producer.stop()  # type: ignore[no-untyped-call]
                    raise
                self._producer = producer
            return self._producer

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()  # type: ignore[no-untyped-call]
