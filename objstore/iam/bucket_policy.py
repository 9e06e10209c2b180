"""The policy of a bucket: kept as the text that was put, compiled once for each text.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from objstore.iam.policy import Fault, Kind, MalformedPolicy, Policy, is_public, parse
from objstore.store import configuration
from objstore.store.types import Bucket

SUBJECT: Final = "policy"

_WILD = re.compile(r"[*?]|\$\{")


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


def check_resources(policy: Policy, bucket: str) -> None:
    """Raise MalformedPolicy when a statement speaks of what is not in the bucket."""
    for statement in policy.statements:
        for resource in statement.resources.written if statement.resources else ():
            if not _may_be_in(resource.removeprefix("arn:aws:s3:::"), bucket):
                raise MalformedPolicy(Kind.RESOURCE, Fault.RESOURCE)


def _may_be_in(pattern: str, bucket: str) -> bool:
    """Whether a pattern of `bucket/key` may match the bucket or what is in it."""
    fixed = _WILD.split(pattern, maxsplit=1)[0]
    inside = f"{bucket}/"
    return pattern == bucket or fixed.startswith(inside) or (fixed != pattern and inside.startswith(fixed))


@lru_cache(maxsize=4096)
def opens(policy: Policy) -> bool:
    """Whether the policy is public, as AWS means it."""
    return is_public(policy)
