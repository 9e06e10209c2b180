"""Parameters of a BucketClass: how its buckets are configured, and what becomes of their objects.

They have the names and forms of a claim's `additionalConfig`, as far as those are about a bucket, and one of their own:
`deleteObjects: "true"` lets a bucket be deleted with what is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from objstore.client import Connection
from objstore.kubernetes.claims import configuration
from objstore.kubernetes.claims.configuration import Configuration, ConfigurationError
from objstore.kubernetes.cosi.failure import Code, Failure, invalid
from objstore.kubernetes.tenancy import quotas, settings

DELETE_OBJECTS: Final = "deleteObjects"
_OF_BUCKETS: Final = frozenset(
    {
        "bucketMaxObjects",
        "bucketMaxSize",
        "bucketLifecycle",
        "versioning",
        "objectLock",
        "cors",
        "tags",
        "encryption",
    }
)
KNOWN: Final = _OF_BUCKETS | {DELETE_OBJECTS}
MOST_TAGS: Final = 40


@dataclass(frozen=True)
class BucketClass:
    """What a class asks for; `digest` stands for all of it."""

    configuration: Configuration
    deletes_objects: bool
    digest: str


def parse(given: Mapping[str, str]) -> BucketClass:
    """The parameters of a class. Raises Failure (INVALID_ARGUMENT) with everything that is wrong."""
    unknown = sorted(given.keys() - KNOWN)
    if unknown:
        raise invalid(f"parameters: {', '.join(unknown)}", f"is not known; known are {', '.join(sorted(KNOWN))}")
    deletes = given.get(DELETE_OBJECTS, "false")
    if deletes not in ("true", "false"):
        raise invalid(f"parameters: {DELETE_OBJECTS}", f'is "true" or "false", not {deletes[:64]!r}')
    try:
        asked = configuration.parse({key: given[key] for key in given if key in _OF_BUCKETS}, _OF_BUCKETS)
    except ConfigurationError as error:
        told = "; ".join(f"{key}: {message}" for key, message in error.wrong.items())
        raise Failure(Code.INVALID_ARGUMENT, f"parameters: {told}") from None
    if len(asked.tags or ()) > MOST_TAGS:
        raise invalid("parameters: tags", f"has more than {MOST_TAGS}")
    text = json.dumps(sorted(given.items()))
    return BucketClass(asked, deletes == "true", hashlib.sha256(text.encode()).hexdigest())


def configure(connection: Connection, bucket: str, asked: Configuration) -> None:
    """Bring a new bucket to what its class asks for, but for its tags. Raises StoreRefused for what is not taken."""
    if asked.versioning is not None:
        settings.VERSIONING.ensure(connection, bucket, {"Status": asked.versioning})
    for setting, wanted in (
        (settings.OBJECT_LOCK, asked.object_lock),
        (settings.ENCRYPTION, asked.encryption),
        (settings.LIFECYCLE, asked.lifecycle),
        (settings.CORS, asked.cors),
    ):
        if wanted is not None:
            setting.ensure(connection, bucket, dict(wanted))
    if asked.bucket_limits:
        limits = asked.bucket_limits
        quotas.ensure(connection, quotas.bucket(bucket), _limit(limits.objects), _limit(limits.bytes))


def _limit(number: int | None) -> int | None:
    return None if number is None or number < 0 else number
