"""Delivering access logs: lines that have waited long enough become objects in the buckets that are to have them.

Delivery is the best that can be done, as on AWS: most lines arrive within the interval, a few may come twice (after a
crash between writing an object and forgetting its lines) or not at all (what a worker that was killed had not handed
over yet, half a second's; what a target does not take for a day). Permission is looked at every time; what is not
allowed, or has no target any more, is dropped.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html#LogDeliveryBestEffort
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from objstore.blobs.errors import BlobError
from objstore.catalog.catalog import Catalog
from objstore.iam import acl, service_access
from objstore.kms.envelopes import Envelopes
from objstore.kms.errors import KmsError
from objstore.s3 import service_writes
from objstore.s3.access_logging import documents
from objstore.s3.access_logging.documents import Logging
from objstore.store import access_records
from objstore.store.access_records import Group, Target
from objstore.store.errors import StoreError
from objstore.store.store import Store, now_us
from objstore.store.types import Bucket, Owner

LARGE: Final = 4 << 20
"""Bytes of lines that are delivered without waiting, and about as many as one object has."""

KEPT_US: Final = 24 * 3600 * 1_000_000
_MOST_KEPT: Final = 256 << 20  # bytes that wait for one target

_log = logging.getLogger(__name__)


async def deliver(
    catalog: Catalog,
    store: Store,
    envelopes: Envelopes,
    *,
    interval_us: int,
    region: str,
    account_of: Callable[[Owner], str],
    clock: Callable[[], int] = now_us,
) -> int:
    """Write all log objects that are due; how many."""
    written = 0
    for group in catalog.read(access_records.groups):
        if group.size < LARGE and 0 <= clock() - group.oldest_us < interval_us:
            continue
        try:
            written += await _deliver(catalog, store, envelopes, group, region, account_of(group.target.owner), clock)
        except (StoreError, BlobError, KmsError) as error:
            _log.warning("access log of %s: %s", group.target.source, error)
            if clock() - group.oldest_us > KEPT_US or group.size > _MOST_KEPT:
                await _drop(catalog, group, "it could not be written for too long")
    return written


async def _deliver(
    catalog: Catalog,
    store: Store,
    envelopes: Envelopes,
    group: Group,
    region: str,
    account: str,
    clock: Callable[[], int],
) -> int:
    """Write the objects of one target; how many."""
    target, wanted = group.target, msgspec.json.decode(group.target.logging, type=Logging)
    written = left = 0
    while left < group.size:
        idents, lines = catalog.read(lambda tx: access_records.take(tx, group.key, LARGE))
        if not idents:
            break
        now = datetime.fromtimestamp(clock() // 1_000_000, UTC)
        unique = os.urandom(8).hex().upper()
        key = documents.key_of(wanted, account, region, target.source, target.day, now, unique)
        bucket = _allowed(store, target, account, wanted, key)
        if bucket is None:
            await _drop(catalog, group, "it may not be written where it is wanted")
            break
        await _put(store, envelopes, bucket, key, lines, wanted)
        await catalog.write(lambda tx, idents=tuple(idents): access_records.drop(tx, idents))  # type: ignore[misc]
        written, left = written + 1, left + len(lines)
    return written


def _allowed(store: Store, target: Target, account: str, wanted: Logging, key: str) -> Bucket | None:
    """The bucket that takes the log; None where there is none, or it does not let it in any more."""
    try:
        bucket = store.bucket(wanted.bucket)
    except StoreError:
        return None
    source = Bucket(0, target.source, target.owner, 0)
    return bucket if service_access.may_log(source, account, bucket, [key, wanted.prefix]) else None


async def _put(store: Store, envelopes: Envelopes, bucket: Bucket, key: str, lines: bytes, wanted: Logging) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield lines

    grants = (*acl.private(bucket.owner), *wanted.grants) if wanted.grants else None
    await service_writes.write(store, envelopes, bucket, key, chunks(), content_type="text/plain", acl=grants)


async def _drop(catalog: Catalog, group: Group, why: str) -> None:
    _log.warning("%d bytes of the access log of %s are dropped: %s", group.size, group.target.source, why)
    await catalog.write(lambda tx: access_records.drop_target(tx, group.key))
