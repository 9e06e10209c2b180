"""The tags of a bucket, as its configuration has them. An object's are in its version.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html
"""

from __future__ import annotations

from typing import Final

import msgspec

from objstore.store import configuration
from objstore.store.types import Bucket

BUCKET_TAGS: Final = "tagging"
"""The subject of `configuration` under which they are."""


class BucketTags(msgspec.Struct, frozen=True):
    """Keys with their values, in order of the keys; never empty."""

    pairs: tuple[tuple[str, str], ...]


def of_bucket(bucket: Bucket) -> dict[str, str]:
    """The tags of a bucket by key; empty where it has none."""
    found = configuration.of(bucket, BUCKET_TAGS, BucketTags)
    return dict(found.pairs) if found is not None else {}
