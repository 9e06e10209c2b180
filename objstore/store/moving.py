"""Changing the storage class of a version in its place: its bytes, as they are stored, written in another geometry.

What the version says of itself stays. The new bytes are durable before one transaction exchanges them for the old
ones, and only if the version is still what was read.
"""

from __future__ import annotations

import contextlib

import msgspec

from objstore.blobs.types import Written
from objstore.catalog.transaction import Transaction
from objstore.store import buckets, extents, versions
from objstore.store.content import Content
from objstore.store.errors import NoSuchBucket, NoSuchKey, NoSuchVersion
from objstore.store.events import outbox
from objstore.store.types import Version


async def change_class(content: Content, bucket: str, key: str, version: Version, storage_class: str) -> bool:
    """As `Store.change_class`."""
    with contextlib.closing(await content.begin_read()):
        return await _change_class(content, bucket, key, version, storage_class)


async def _change_class(content: Content, bucket: str, key: str, version: Version, storage_class: str) -> bool:
    whole = content.catalog.read(lambda tx: _still(tx, bucket, key, version))
    if whole is None:
        return False
    written: Written | None = None
    if whole.extents and content.parity(storage_class) != content.parity(version.storage_class):
        written = await content.rewrite(whole, storage_class, (bucket, key, version.version_id))
    now_us = content.clock()

    def exchange(tx: Transaction) -> bool:
        there = _still(tx, bucket, key, version)
        if there is None or there.extents != whole.extents:
            if written is not None:
                extents.discard(tx, written, now_us)
            return False
        known = buckets.require(tx, bucket)
        if written is not None:
            extents.record(tx, written)
        listed = written.extents if written is not None else there.extents
        new = msgspec.structs.replace(there, storage_class=storage_class, extents=listed)
        versions.exchange(tx, known, key.encode(), there, new, now_us)
        outbox.changed(tx, known, key, there, new, now_us)
        return True

    return await content.commit(written, exchange)


def _still(tx: Transaction, bucket: str, key: str, version: Version) -> Version | None:
    """The version whole, if it is still there as it was seen."""
    try:
        known = buckets.require(tx, bucket)
        there = versions.require(tx, known, key, version.version_id)
    except (NoSuchBucket, NoSuchKey, NoSuchVersion):
        return None
    same = (there.ord, there.storage_class) == (version.ord, version.storage_class)
    return versions.whole(tx, there) if same else None
