"""Opening the target that a setting describes.

The client of a broker is imported when the first target of its kind is opened: together they are a third of the time
that a process takes to start, and 30 MB.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from objstore.outbound.addresses import AllowList
from objstore.targets import settings as s
from objstore.targets.target import Target


def open_target(entry: s.TargetEntry, outbound: tuple[str, ...]) -> Target:
    """The target of a setting; nothing is connected yet. `outbound` is the allow-list, to which a webhook's own host is
    added: the administrator named it."""
    match entry:
        case s.Webhook():
            from objstore.targets.webhook import WebhookTarget

            host = urlsplit(entry.endpoint).hostname or ""
            return WebhookTarget(entry, AllowList([*outbound, host]))
        case s.Nats():
            from objstore.targets.nats import NatsTarget

            return NatsTarget(entry)
        case s.Kafka():
            from objstore.targets.kafka import KafkaTarget

            return KafkaTarget(entry)
        case s.Amqp():
            from objstore.targets.amqp import AmqpTarget

            return AmqpTarget(entry)
        case s.Redis():
            from objstore.targets.redis import RedisTarget

            return RedisTarget(entry)
        case s.Postgresql():
            from objstore.targets.postgresql import PostgresqlTarget

            return PostgresqlTarget(entry)
