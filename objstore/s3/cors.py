"""PutBucketCors, GetBucketCors, DeleteBucketCors: which pages of other origins may use a bucket from a browser.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.store import configuration
from objstore.store.types import Bucket

SUBJECT: Final = "cors"
MAX_RULES: Final = 100
MAX_BYTES: Final = 64 << 10  # of the document
MAX_ID: Final = 255
METHODS: Final = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One rule. `origins` and `headers` may hold one `*` each; `max_age` is in seconds."""

    methods: tuple[str, ...]
    origins: tuple[str, ...]
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: int | None = None
    id: str | None = None


class Cors(msgspec.Struct, frozen=True):
    """A bucket's rules; of those that match a request the first one counts."""

    rules: tuple[Rule, ...]


def of(bucket: Bucket) -> Cors | None:
    """The bucket's rules; None where it has none."""
    return configuration.of(bucket, SUBJECT, Cors)


@operation("PutBucketCors", action="s3:PutBucketCORS", body_limit=MAX_BYTES)
async def put_bucket_cors(call: Call, context: Context) -> dict[str, Any]:
    await context.store.configure(call.bucket, SUBJECT, parse(call["CORSConfiguration"]))
    return {}


@operation("GetBucketCors", action="s3:GetBucketCORS")
async def get_bucket_cors(call: Call, context: Context) -> dict[str, Any]:
    cors = of(bucket_of(call, context))
    if cors is None:
        raise AwsError("NoSuchCORSConfiguration", BucketName=call.bucket)
    return {"CORSRules": [_members(rule) for rule in cors.rules]}


@operation("DeleteBucketCors", action="s3:PutBucketCORS")
async def delete_bucket_cors(call: Call, context: Context) -> None:
    await context.store.configure(call.bucket, SUBJECT, None)


def parse(document: Mapping[str, Any]) -> Cors:
    """The rules of a CORSConfiguration. Raises MalformedXML, InvalidRequest."""
    given: Sequence[Mapping[str, Any]] = document["CORSRules"]
    if not given:
        raise AwsError("MalformedXML")
    if len(given) > MAX_RULES:
        raise AwsError(
            "InvalidRequest", f"The number of CORS rules should not exceed allowed limit of {MAX_RULES} rules."
        )
    rules = tuple(_rule(one) for one in given)
    ids = [rule.id for rule in rules if rule.id]
    if len(set(ids)) != len(ids):
        raise AwsError("InvalidRequest", "Rule ID must be unique. Found same ID for more than one rule")
    return Cors(rules)


def _rule(given: Mapping[str, Any]) -> Rule:
    rule = Rule(
        methods=tuple(given["AllowedMethods"]),
        origins=tuple(given["AllowedOrigins"]),
        headers=tuple(given.get("AllowedHeaders", ())),
        expose=tuple(given.get("ExposeHeaders", ())),
        max_age=given.get("MaxAgeSeconds"),
        id=given.get("ID"),
    )
    if not rule.methods or not rule.origins or "" in rule.origins:
        raise AwsError("MalformedXML")
    for method in rule.methods:
        if method not in METHODS:
            raise AwsError(
                "InvalidRequest", f"Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            )
    for name, patterns in (("AllowedOrigin", rule.origins), ("AllowedHeader", rule.headers)):
        for pattern in patterns:
            if pattern.count("*") > 1:
                raise AwsError("InvalidRequest", f'{name} "{pattern}" can not have more than one wildcard.')
    for header in rule.expose:
        if "*" in header:
            raise AwsError(
                "InvalidRequest",
                f'ExposeHeader "{header}" contains wildcard. We currently do not support wildcard for ExposeHeader.',
            )
    if rule.max_age is not None and rule.max_age < 0:
        raise AwsError("InvalidRequest", "MaxAgeSeconds must not be negative.")
    if rule.id is not None and len(rule.id) > MAX_ID:
        raise AwsError("InvalidArgument", f"ID length should not exceed allowed limit of {MAX_ID}")
    return rule


def _members(rule: Rule) -> dict[str, Any]:
    """A rule as it was put, in the order in which AWS writes it."""
    members = {
        "ID": rule.id,
        "AllowedHeaders": list(rule.headers) or None,
        "AllowedMethods": list(rule.methods),
        "AllowedOrigins": list(rule.origins),
        "ExposeHeaders": list(rule.expose) or None,
        "MaxAgeSeconds": rule.max_age,
    }
    return {name: value for name, value in members.items() if value is not None}
