"""Topics and their subscriptions: transaction functions.

What is published to a topic waits in the outbox once for each confirmed subscription, so that one that is away holds up
no other.
https://docs.aws.amazon.com/sns/latest/dg/welcome.html
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction

PREFIX = "arn:aws:sns:"


class Topic(msgspec.Struct, frozen=True, array_like=True):
    """A topic of an account. `policy` is "" where only its own account may publish."""

    arn: str
    account: str
    created_us: int
    display_name: str = ""
    policy: str = ""
    tags: tuple[tuple[str, str], ...] = ()


class Subscription(msgspec.Struct, frozen=True, array_like=True):
    """An address to which a topic is delivered, once its `token` has come back (`confirmed`). `raw`: messages only."""

    arn: str
    topic: str
    account: str
    protocol: str
    endpoint: str
    token: str
    confirmed: bool = False
    raw: bool = False


Kept = TypeVar("Kept", Topic, Subscription)

_TABLES = {Topic: "topics", Subscription: "subscriptions"}


def find(tx: Transaction, kind: type[Kept], arn: str) -> Kept | None:
    """The topic or subscription of an ARN."""
    row = tx.one(f"SELECT record FROM {_TABLES[kind]} WHERE arn = ?", arn)
    return unpack(row[0], kind) if row is not None else None


def page(tx: Transaction, kind: type[Kept], account: str, after: str, limit: int) -> list[Kept]:
    """What an account has, by ARN behind `after`."""
    sql = f"SELECT record FROM {_TABLES[kind]} WHERE account = ? AND arn > ? ORDER BY arn LIMIT ?"
    return [unpack(record, kind) for (record,) in tx.all(sql, account, after, limit)]


def put_topic(tx: Transaction, topic: Topic) -> None:
    """Enter a topic, or replace its record."""
    tx.run(
        "INSERT INTO topics (arn, account, record) VALUES (?, ?, ?)"
        " ON CONFLICT (arn) DO UPDATE SET record = excluded.record",
        topic.arn,
        topic.account,
        pack(topic),
    )


def put_subscription(tx: Transaction, one: Subscription) -> None:
    """Enter a subscription, or replace its record."""
    tx.run(
        "INSERT INTO subscriptions (arn, topic, account, record) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (arn) DO UPDATE SET record = excluded.record",
        one.arn,
        one.topic,
        one.account,
        pack(one),
    )


def drop_topic(tx: Transaction, arn: str) -> None:
    """Delete a topic with its subscriptions; what waited for them is dropped too."""
    for one in subscriptions(tx, arn):
        drop_subscription(tx, one.arn)
    tx.run("DELETE FROM topics WHERE arn = ?", arn)


def drop_subscription(tx: Transaction, arn: str) -> None:
    """Delete a subscription and what waited for it."""
    tx.run("DELETE FROM subscriptions WHERE arn = ?", arn)
    tx.run("DELETE FROM outbox WHERE target = ?", arn)


def subscriptions(tx: Transaction, topic: str, after: str = "", limit: int = 100_000) -> list[Subscription]:
    """The subscriptions of a topic, by ARN behind `after`."""
    rows = tx.all(
        "SELECT record FROM subscriptions WHERE topic = ? AND arn > ? ORDER BY arn LIMIT ?", topic, after, limit
    )
    return [unpack(record, Subscription) for (record,) in rows]
