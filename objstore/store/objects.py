"""What put, delete, copy and rename mean: transaction functions, checks first, writes after.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html and conditional-deletes.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from objstore.blobs.types import Written
from objstore.catalog.transaction import Transaction
from objstore.sealing import Seal
from objstore.store import buckets, locks, quotas, versions
from objstore.store.errors import InvalidRequest, MethodNotAllowed, StoreError
from objstore.store.events import outbox
from objstore.store.preconditions import check_delete, check_source, check_write, conditional
from objstore.store.types import (
    ALWAYS,
    Bucket,
    Copied,
    Deleted,
    DeleteItem,
    NewObject,
    ObjectName,
    Preconditions,
    Published,
    Stamp,
    Version,
)

_NEWEST = (1 << 63) - 1


def check(tx: Transaction, name: str, key: str, given: Preconditions, new: NewObject, size: int | None) -> None:
    """Refuse early what `publish` would refuse now: no need to take a body in for it. What counts is decided there."""
    bucket = buckets.require(tx, name)
    if given is ALWAYS and new.lock is None and not quotas.anywhere(tx):
        return
    there = versions.place(tx, bucket, key.encode())
    check_write(given, key, there.current)
    draft = Version("", _NEWEST, False, False, "", size or 0, 0, new.owner, lock=new.lock, creator=new.creator)
    versions.admit(tx, bucket, key.encode(), there, draft)


def publish(
    tx: Transaction,
    name: str,
    key: str,
    draft: Version,
    written: Written | None,
    given: Preconditions,
    how: str = "Put",
) -> Published:
    """Make bytes that are durable the current object of a key; `how` is what events call it."""
    bucket = buckets.require(tx, name)
    there = versions.place(tx, bucket, key.encode())
    check_write(given, key, there.current)
    version = versions.put(tx, bucket, key.encode(), there, draft, written=written)
    outbox.created(tx, bucket, key, version, how)
    return shown(bucket, version)


def shown(bucket: Bucket, version: Version) -> Published:
    """A version with the id that an answer tells of it."""
    return Published(version, version.version_id if bucket.versioning else None)


def delete(
    tx: Transaction,
    bucket: Bucket,
    item: DeleteItem,
    stamp: Stamp,
) -> Deleted:
    """Delete one key or version; `stamp` names the delete marker, in a bucket that needs one.

    What is not there is deleted well. With a condition, and nothing at all at the key, no marker is made either.
    """
    key = item.key.encode()
    if item.version_id is not None:
        version = versions.by_id(tx, bucket, key, item.version_id)
        if version is None:
            return Deleted(item.version_id, False)
        check_delete(item.conditions, version)
        versions.remove(tx, bucket, key, version, stamp.now_us, bypass_governance=item.bypass_governance)
        outbox.removed(tx, bucket, item.key, version, stamp.now_us)
        return Deleted(version.version_id, version.delete_marker)
    there = versions.place(tx, bucket, key)
    if there.newest is not None:
        check_delete(item.conditions, there.newest)
    elif conditional(item.conditions):
        return Deleted()
    if bucket.versioning:
        made = versions.put(tx, bucket, key, there, _marker(bucket, stamp))
        outbox.removed(tx, bucket, item.key, made, stamp.now_us, marker=True)
        return Deleted(made.version_id, True)
    if there.current is not None:
        versions.remove(tx, bucket, key, there.current, stamp.now_us)
        outbox.removed(tx, bucket, item.key, there.current, stamp.now_us)
    return Deleted()


def _marker(bucket: Bucket, stamp: Stamp) -> Version:
    """The draft of a delete marker."""
    return Version(stamp.version_id, stamp.now_us, False, True, "", 0, stamp.now_us, bucket.owner)


def delete_many(tx: Transaction, name: str, items: Sequence[tuple[DeleteItem, Stamp]]) -> list[Deleted | StoreError]:
    """Delete each item; its outcome, or why not. A refused item has written nothing."""
    bucket = buckets.require(tx, name)
    outcome: list[Deleted | StoreError] = []
    for item, stamp in items:
        try:
            outcome.append(delete(tx, bucket, item, stamp))
        except StoreError as error:
            outcome.append(error)
    return outcome


MARKER_AS_SOURCE: Final = "The source of a copy request may not specifically refer to a delete marker by version id."


def source_of(tx: Transaction, source: ObjectName, given: Preconditions) -> tuple[Bucket, Version]:
    """The whole version that a copy is made of, with its bucket.

    Raises as `versions.require`, but InvalidRequest for the id of a delete marker.
    """
    bucket = buckets.seen(tx, source.bucket)
    try:
        version = versions.require(tx, bucket, source.key, source.version_id)
    except MethodNotAllowed:
        raise InvalidRequest(MARKER_AS_SOURCE) from None
    check_source(given, version)
    return bucket, versions.whole(tx, version)


def copy(
    tx: Transaction,
    source: ObjectName,
    name: str,
    key: str,
    draft: Callable[[Version], Version | None],
    source_given: Preconditions,
    given: Preconditions,
) -> Copied[Published] | None:
    """Publish a copy that shares the source's bytes. None where `draft` of it is: look at it again."""
    from_bucket, version = source_of(tx, source, source_given)
    bucket = buckets.require(tx, name)
    there = versions.place(tx, bucket, key.encode())
    check_write(given, key, there.current)
    made = draft(version)
    if made is None:
        return None
    published = shown(bucket, versions.put(tx, bucket, key.encode(), there, made, shared=made.extents))
    outbox.created(tx, bucket, key, published.version, "Copy")
    return Copied(published, version, version.version_id if from_bucket.versioning else None)


def drafted_copy(source: Version, new: NewObject, stamp: Stamp, seal: Seal | None = None) -> Version:
    """The draft of a copy: the source's bytes, ETag, parts and checksum, and what `new` says.

    A `seal` has the source's data key.
    """
    encryption = source.encryption
    return msgspec.structs.replace(
        source,
        version_id=stamp.version_id,
        ord=stamp.now_us,
        modified_us=stamp.now_us,
        owner=new.owner,
        storage_class=new.storage_class,
        metadata=new.metadata,
        headers=new.headers,
        acl=new.acl,
        tags=new.tags,
        lock=new.lock,
        creator=new.creator,
        payload=None,
        manifest=None,
        upload_id=None,
        encryption=seal.record.of(seal.key, encryption.streams) if seal and encryption else None,
    )


def update(
    tx: Transaction, name: str, key: str, version_id: str | None, change: Callable[[Version], Version], now_us: int
) -> Version:
    """Replace what a version says of itself."""
    bucket = buckets.require(tx, name)
    old = versions.require(tx, bucket, key, version_id)
    new = change(old)
    if new != old:
        versions.rewrite(tx, bucket, key.encode(), old, new, now_us)
        outbox.changed(tx, bucket, key, old, new, now_us)
    return new


def lock(
    tx: Transaction, name: str, key: str, version_id: str | None, change: Callable[[Version], Version], now_us: int
) -> Version:
    """The same for what protects a version, in a bucket with object lock."""
    locks.require(buckets.require(tx, name))
    return update(tx, name, key, version_id, change, now_us)


def completed_by(tx: Transaction, bucket: Bucket, key: str, upload_id: str) -> Version | None:
    """The version that an upload became, among the newest few of its key."""
    now = versions.current(tx, bucket.id, key.encode())
    if now is not None and now.upload_id == upload_id:
        return now
    if bucket.versioning:
        return versions.recent_upload(tx, bucket.id, key.encode(), upload_id)
    return None
