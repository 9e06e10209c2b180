"""Every kind of target, against the real server: what is told arrives, and arrives after the target was away."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import aio_pika
import nats as nats_client
import psycopg
import pytest
import redis as redis_client
from aiokafka import AIOKafkaConsumer

from tests.events import servers
from tests.harness import Running, serving

PATIENCE = 40.0

Bodies = list[dict[str, Any]]


def from_nats(url: str) -> Bodies:
    async def go() -> Bodies:
        client = await nats_client.connect(url)
        try:
            stream = client.jetstream()
            subscription = await stream.subscribe("objects.events", ordered_consumer=True)
            found = []
            while True:
                try:
                    found.append(json.loads((await subscription.next_msg(timeout=0.5)).data))
                except nats_client.errors.TimeoutError:
                    return found
        finally:
            await client.close()

    return asyncio.run(go())


def from_kafka(url: str) -> Bodies:
    async def go() -> Bodies:
        consumer = AIOKafkaConsumer("events", bootstrap_servers=url, auto_offset_reset="earliest")
        await consumer.start()
        try:
            found = await consumer.getmany(timeout_ms=1000)
            return [json.loads(message.value) for batch in found.values() for message in batch]
        finally:
            await consumer.stop()

    return asyncio.run(go())


def from_redis(url: str) -> Bodies:
    with redis_client.Redis.from_url(url) as client:
        return [json.loads(body) for body in client.lrange("events", 0, -1)]


def from_postgresql(url: str) -> Bodies:
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT event_data FROM events ORDER BY id")]


def from_rabbitmq(url: str) -> Bodies:
    async def go() -> Bodies:
        connection = await aio_pika.connect(url)
        try:
            channel = await connection.channel()
            queue = await channel.get_queue("events")
            found = []
            while (message := await queue.get(fail=False)) is not None:
                found.append(json.loads(message.body))
            return found  # not acknowledged: they stay
        finally:
            await connection.close()

    return asyncio.run(go())


CASES: dict[str, tuple[Callable[[Path], AbstractContextManager[str]], str, Callable[[str], Bodies]]] = {
    "nats": (servers.nats, 'url = "{url}"\nsubject = "objects.events"\nstream = "objects"', from_nats),
    "kafka": (servers.kafka, 'brokers = ["{url}"]\ntopic = "events"', from_kafka),
    "redis": (servers.redis, 'url = "{url}"\nkey = "events"', from_redis),
    "postgresql": (servers.postgresql, 'connection = "{url}"\ntable = "events"', from_postgresql),
    "amqp": (servers.rabbitmq, 'url = "{url}"\nrouting_key = "events"', from_rabbitmq),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The kind of target and the URL of a server of it."""
    start, _, _ = CASES[request.param]
    with start(tmp_path) as url:
        yield request.param, url


def records(bodies: Bodies) -> list[tuple[str, str]]:
    told = [record for body in bodies for record in body.get("Records", [])]
    return [(record["eventName"], record["s3"]["object"]["key"]) for record in told]


def test_what_is_told_arrives(case: tuple[str, str], tmp_path: Path) -> None:
    kind, url = case
    _, settings, read = CASES[kind]
    with told(tmp_path, kind, settings.format(url=url)) as running:
        s3 = running.client()
        for number in range(3):
            s3.put_object(Bucket="told", Key="a", Body=b"x" * number)
        s3.delete_object(Bucket="told", Key="a")
        wanted = [("ObjectCreated:Put", "a")] * 3 + [("ObjectRemoved:Delete", "a")]
        deadline = time.monotonic() + PATIENCE
        while (seen := _try(read, url)) != wanted:
            assert time.monotonic() < deadline, f"{seen}\n{running.output()}"
            time.sleep(0.2)
        assert "guest:guest" not in running.output()


def _try(read: Callable[[str], Bodies], url: str) -> list[tuple[str, str]] | str:
    """What a server has; what is wrong while it has no stream, table or queue yet."""
    try:
        return records(read(url))
    except Exception as error:
        return repr(error)


@contextmanager
def told(folder: Path, kind: str, settings: str) -> Iterator[Running]:
    """A server with a bucket `told` that tells the target everything."""
    config = folder / "config.toml"
    config.write_text(f'[[targets]]\ntype = "{kind}"\nid = "it"\n{settings}\n')
    with serving(folder / "store", arguments=("--config", str(config))) as running:
        s3 = running.client()
        s3.create_bucket(Bucket="told")
        rule = {"QueueArn": f"arn:objstore:sqs::it:{kind}", "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
        s3.put_bucket_notification_configuration(
            Bucket="told", NotificationConfiguration={"QueueConfigurations": [rule]}
        )
        yield running


def test_a_namespace_holds_what_is_there(tmp_path: Path) -> None:
    settings = 'url = "{url}"\nkey = "now"\nformat = "namespace"'
    with servers.redis(tmp_path) as url, told(tmp_path, "redis", settings.format(url=url)) as running:
        s3 = running.client()
        for key in ("a", "b"):
            s3.put_object(Bucket="told", Key=key, Body=b"x")
        s3.delete_object(Bucket="told", Key="a")
        deadline = time.monotonic() + PATIENCE
        with redis_client.Redis.from_url(url) as client:
            while (seen := client.hkeys("now")) != [b"told/b"]:
                assert time.monotonic() < deadline, seen
                time.sleep(0.2)
