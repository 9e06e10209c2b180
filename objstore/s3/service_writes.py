"""Objects that the store itself writes into a bucket: they belong to its owner, and are encrypted as it wants.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from objstore.aws.checksums import DEFAULT
from objstore.kms.envelopes import Envelopes, Wanted
from objstore.s3 import bucket_encryption
from objstore.s3.checksums import digester
from objstore.sealing import KMS, S3
from objstore.store.store import Store
from objstore.store.types import Acl, Bucket, NewObject, Source


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: its size in bytes, MD5 in hex, and version id (None in a bucket never versioned)."""

    key: str
    size: int
    md5: str
    version_id: str | None


async def write(
    store: Store,
    envelopes: Envelopes,
    bucket: Bucket,
    key: str,
    chunks: AsyncIterator[bytes],
    *,
    content_type: str,
    acl: Acl | None = None,
    wanted: Wanted | None = None,
) -> Written:
    """Write an object of unknown size; without `wanted` by the bucket's default encryption.

    Raises what the store and the key management raise.
    """
    wanted = wanted or by_default(envelopes, bucket)
    seal = None if wanted is None else await envelopes.seal(wanted, bucket.id)
    digests, md5, size = digester(DEFAULT), hashlib.md5(usedforsecurity=False), 0

    def update(data: Any) -> None:
        nonlocal size
        size += len(data)
        md5.update(data)
        digests.update(data)

    new = NewObject(owner=bucket.owner, headers={"content-type": content_type}, acl=acl, seal=seal)
    made = await store.put(bucket.name, key, Source(chunks, None, update, digests.finish), new)
    return Written(key, size, md5.hexdigest(), made.version_id)


def by_default(envelopes: Envelopes, bucket: Bucket) -> Wanted | None:
    """How a bucket wants objects to be encrypted that do not say it themselves."""
    rule = bucket_encryption.of(bucket)
    if rule is None or rule.algorithm is None:
        return None
    if rule.algorithm != KMS:
        return Wanted(S3)
    return Wanted(KMS, key_id=envelopes.key_name(rule.key_id), bucket_key=bool(rule.bucket_key))
