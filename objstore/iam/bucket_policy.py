"""The policy of a bucket: kept as the text that was put, compiled once for each text.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from objstore.iam.policy import Kind, Policy, is_public, parse
from objstore.store import configuration
from objstore.store.types import Bucket

SUBJECT: Final = "policy"


class BucketPolicy(msgspec.Struct, frozen=True):
    """The document as it came."""

    text: str


def text_of(bucket: Bucket) -> str | None:
    """The bucket's policy as it was put; None where it has none."""
    document = configuration.of(bucket, SUBJECT, BucketPolicy)
    return None if document is None else document.text


def of(bucket: Bucket) -> Policy | None:
    """The bucket's policy, compiled."""
    if SUBJECT not in bucket.configuration:
        return None
    text = text_of(bucket)
    return None if text is None else compiled(text)


def compiled(text: str) -> Policy:
    """The compiled policy of a text. Raises MalformedPolicy."""
    return parse(text, Kind.RESOURCE, name="bucket policy")


@lru_cache(maxsize=4096)
def opens(policy: Policy) -> bool:
    """Whether the policy is public, as AWS means it."""
    return is_public(policy)
