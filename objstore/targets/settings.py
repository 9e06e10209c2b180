"""Targets as the configuration names them: one `[[targets]]` table each, told apart by `type`.

A bucket's notification configuration names a target by its ARN, `arn:objstore:sqs::ID:TYPE`; MinIO's form,
`arn:minio:sqs::ID:TYPE`, with or without a region, means the same, so that a configuration can move here as it is.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

_ARN: Final = re.compile(r"arn:(?:objstore|minio):sqs:[a-z0-9-]*:([A-Za-z0-9_-]+):([a-z]+)")


class _Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """`id` is the administrator's name for it. Secrets are not shown."""

    id: str

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)

    @property
    def arn(self) -> str:
        return f"arn:objstore:sqs::{self.id}:{self.kind}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.arn})"


class Webhook(_Target, frozen=True, tag="webhook"):
    """HTTP POST; `authorization` is the whole value of that header, `ca_file` replaces the usual authorities."""

    endpoint: str
    authorization: str = ""
    ca_file: str | None = None


class Nats(_Target, frozen=True, tag="nats"):
    """NATS JetStream: a message counts when its stream has it. `stream` is made where it is not there and named."""

    url: str
    subject: str
    stream: str | None = None
    user: str | None = None
    password: str | None = None
    token: str | None = None
    ca_file: str | None = None


class Kafka(_Target, frozen=True, tag="kafka"):
    """A topic of Kafka; `brokers` are HOST:PORT. All replicas in step must have a message before it counts."""

    brokers: tuple[str, ...]
    topic: str
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    user: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: str | None = None


class Amqp(_Target, frozen=True, tag="amqp"):
    """AMQP 0.9.1 (RabbitMQ) with publisher confirms. Without an exchange the routing key is the name of a queue."""

    url: str
    routing_key: str
    exchange: str = ""
    durable: bool = True


class Redis(_Target, frozen=True, tag="redis"):
    """`access`: a list of all events; `namespace`: a hash that holds the last event of each key that is there."""

    url: str
    key: str
    format: Literal["access", "namespace"] = "access"


class Postgresql(_Target, frozen=True, tag="postgresql"):
    """A table, made where it is not there: of all events, or (`namespace`) of the last event of each key."""

    connection: str
    table: str
    format: Literal["access", "namespace"] = "access"


TargetEntry = Webhook | Nats | Kafka | Amqp | Redis | Postgresql


def named(arn: str) -> tuple[str, str] | None:
    """The id and type that an ARN names; None for an ARN of something else."""
    match = _ARN.fullmatch(arn)
    return (match.group(1), match.group(2)) if match else None
