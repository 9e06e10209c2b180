"""Opening the target that a setting describes."""

from __future__ import annotations

from urllib.parse import urlsplit

from objstore.outbound.addresses import AllowList
from objstore.targets import settings as s
from objstore.targets.amqp import AmqpTarget
from objstore.targets.kafka import KafkaTarget
from objstore.targets.nats import NatsTarget
from objstore.targets.postgresql import PostgresqlTarget
from objstore.targets.redis import RedisTarget
from objstore.targets.target import Target
from objstore.targets.webhook import WebhookTarget


def open_target(entry: s.TargetEntry, outbound: tuple[str, ...]) -> Target:
    """The target of a setting; nothing is connected yet. `outbound` is the allow-list, to which a webhook's own host is
    added: the administrator named it."""
    match entry:
        case s.Webhook():
            host = urlsplit(entry.endpoint).hostname or ""
            return WebhookTarget(entry, AllowList([*outbound, host]))
        case s.Nats():
            return NatsTarget(entry)
        case s.Kafka():
            return KafkaTarget(entry)
        case s.Amqp():
            return AmqpTarget(entry)
        case s.Redis():
            return RedisTarget(entry)
        case s.Postgresql():
            return PostgresqlTarget(entry)
