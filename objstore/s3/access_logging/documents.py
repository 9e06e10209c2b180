"""What a bucket's access logging is configured to be: where log objects go and how they are called.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLogging.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.store import configuration
from objstore.store.types import Acl, Bucket

SUBJECT: Final = "logging"
EVENT_TIME: Final = "EventTime"
DELIVERY_TIME: Final = "DeliveryTime"
MAX_PREFIX: Final = 512
"""Bytes, so that a key has room for what comes behind."""


class Logging(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`partitioned` is "" for simple keys, else by which time keys are sorted into days. `since_us`: of a change."""

    bucket: str
    prefix: str = ""
    partitioned: str = ""
    grants: Acl = ()
    since_us: int = 0


def of(bucket: Bucket) -> Logging | None:
    """The bucket's logging; None where it has none."""
    return configuration.of(bucket, SUBJECT, Logging)


def parse(enabled: Mapping[str, Any], grants: Acl, now_us: int) -> Logging:
    """Read a LoggingEnabled, whose grants are read already. Raises InvalidArgument, MalformedXML."""
    prefix, form = enabled["TargetPrefix"], enabled.get("TargetObjectKeyFormat") or {}
    if len(form) > 1:
        raise AwsError("MalformedXML")
    if len(prefix.encode("utf-8", "surrogatepass")) > MAX_PREFIX:
        raise AwsError(
            "InvalidArgument",
            f"The target prefix is longer than {MAX_PREFIX} bytes.",
            ArgumentName="TargetPrefix",
            ArgumentValue=prefix,
        )
    partitioned = ""
    if "PartitionedPrefix" in form:
        partitioned = (form["PartitionedPrefix"] or {}).get("PartitionDateSource") or DELIVERY_TIME
    return Logging(
        bucket=enabled["TargetBucket"], prefix=prefix, partitioned=partitioned, grants=grants, since_us=now_us
    )


def to_members(logging: Logging, grants: list[dict[str, Any]]) -> dict[str, Any]:
    """A bucket's logging as the member LoggingEnabled; `grants` are its grants as members."""
    if logging.partitioned:
        form: dict[str, Any] = {"PartitionedPrefix": {"PartitionDateSource": logging.partitioned}}
    else:
        form = {"SimplePrefix": {}}
    return {
        "TargetBucket": logging.bucket,
        "TargetGrants": grants or None,
        "TargetPrefix": logging.prefix,
        "TargetObjectKeyFormat": form,
    }


def key_of(logging: Logging, account: str, region: str, bucket: str, day: str, now: datetime, unique: str) -> str:
    """The key of a log object delivered `now`; `day` (2026-11-24) is that of its records, where keys go by it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html#server-access-logging-overview
    """
    if not logging.partitioned:
        return f"{logging.prefix}{now:%Y-%m-%d-%H-%M-%S}-{unique}"
    moment = now
    if logging.partitioned == EVENT_TIME:
        moment = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return f"{logging.prefix}{account}/{region}/{bucket}/{moment:%Y/%m/%d/%Y-%m-%d-%H-%M-%S}-{unique}"
