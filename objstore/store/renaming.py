"""RenameObject: another key for the current object, in one transaction that moves no bytes.

The target shares the source's bytes and carries all that the source says of itself; the source is then deleted as
usual, so with versioning it stays behind a delete marker. A client token makes it safe to ask twice: what it did is
remembered for a while, and asked for again it is done.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_RenameObject.html
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from objstore.catalog.records import pack
from objstore.catalog.transaction import Transaction
from objstore.store import buckets, objects, versions
from objstore.store.errors import IdempotencyParameterMismatch
from objstore.store.events import outbox
from objstore.store.preconditions import check_destination, check_source
from objstore.store.types import ALWAYS, Bucket, DeleteItem, Preconditions, Stamp

REMEMBERED: Final = 15 * 60
"""Seconds for which a client token counts: longer than any client goes on trying."""


class Renaming(msgspec.Struct, frozen=True, array_like=True):
    """What a rename asks for; `token` "" for none, `creator` is who asks."""

    key: str
    target: str
    source_given: Preconditions = ALWAYS
    given: Preconditions = ALWAYS
    creator: str = ""
    token: str = ""


def rename(tx: Transaction, name: str, asked: Renaming, stamp: Stamp) -> None:
    """Give the current object another key. Within a quota it needs no room where the source leaves nothing behind.

    Raises as `Store.rename`.
    """
    bucket = buckets.require(tx, name)
    if done(tx, bucket, asked, stamp.now_us):
        return
    version = versions.whole(tx, versions.require(tx, bucket, asked.key, None))
    check_source(asked.source_given, version, "x-amz-rename-source")
    target = asked.target.encode()
    there = versions.place(tx, bucket, target)
    check_destination(asked.given, asked.target, there.current)
    if asked.key != asked.target:
        made = msgspec.structs.replace(
            version,
            version_id=stamp.version_id,
            ord=stamp.now_us,
            modified_us=stamp.now_us,
            payload=None,
            manifest=None,
            creator=asked.creator,
        )
        versions.admit(tx, bucket, target, there, made, leaving=asked.key.encode())
        new = versions.put(tx, bucket, target, there, made, shared=made.extents, admitted=True)
        outbox.created(tx, bucket, asked.target, new, "Copy")
        objects.delete(tx, bucket, DeleteItem(asked.key), stamp)
    if asked.token:
        _remember(tx, bucket, asked, stamp.now_us)


def done(tx: Transaction, bucket: Bucket, asked: Renaming, now_us: int) -> bool:
    """Whether this very rename was done before; raises IdempotencyParameterMismatch if its token did another."""
    if not asked.token:
        return False
    row = tx.one(
        "SELECT digest FROM renames WHERE bucket = ? AND token = ? AND at > ?",
        bucket.id,
        asked.token,
        now_us - REMEMBERED * 1_000_000,
    )
    if row is not None and row[0] != _digest(asked):
        raise IdempotencyParameterMismatch()
    return row is not None


def _remember(tx: Transaction, bucket: Bucket, asked: Renaming, now_us: int) -> None:
    tx.run("DELETE FROM renames WHERE at <= ?", now_us - REMEMBERED * 1_000_000)
    tx.run(
        "INSERT INTO renames (bucket, token, digest, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (bucket, token) DO UPDATE SET digest = excluded.digest, at = excluded.at",
        bucket.id,
        asked.token,
        _digest(asked),
        now_us,
    )


def _digest(asked: Renaming) -> bytes:
    """Everything that a rename asks for, in short."""
    return hashlib.sha256(pack(asked)).digest()
