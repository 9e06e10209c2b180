"""PutBucketEncryption, GetBucketEncryption, DeleteBucketEncryption: how new objects are encrypted unless their requests
say it, and how they must not be.

A bucket without a configuration encrypts nothing by itself.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-encryption.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/blocking-unblocking-s3-c-encryption-gpb.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.kms.errors import KeyNotFound
from objstore.sealing import CUSTOMER, KMS, S3
from objstore.store import configuration
from objstore.store.types import Bucket

SUBJECT: Final = "encryption"
NONE: Final = "NONE"
DUAL_LAYER: Final = "aws:kms:dsse"


class BucketEncryption(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one rule of a bucket. `key_id` is as it was given; `bucket_key` None where it was not."""

    algorithm: str | None = None
    key_id: str | None = None
    bucket_key: bool | None = None
    blocked: tuple[str, ...] = ()


def of(bucket: Bucket) -> BucketEncryption | None:
    """The bucket's rule; None where it has none."""
    return configuration.of(bucket, SUBJECT, BucketEncryption)


def blocks_customer_keys(bucket: Bucket) -> bool:
    """Whether new objects must not be encrypted with keys of their customers."""
    rule = of(bucket)
    return rule is not None and CUSTOMER in rule.blocked


@operation("PutBucketEncryption", action="s3:PutEncryptionConfiguration")
async def put_bucket_encryption(call: Call, context: Context) -> None:
    rule = parse(call["ServerSideEncryptionConfiguration"])
    if rule.algorithm == KMS:
        try:
            context.envelopes.key_name(rule.key_id)
        except KeyNotFound:
            raise AwsError("InvalidArgument", "Invalid KMS key id.", ArgumentName="KMSMasterKeyID") from None
    await context.store.configure(call.bucket, SUBJECT, rule)


@operation("GetBucketEncryption", action="s3:GetEncryptionConfiguration")
async def get_bucket_encryption(call: Call, context: Context) -> dict[str, Any]:
    rule = of(bucket_of(call, context))
    if rule is None:
        raise AwsError("ServerSideEncryptionConfigurationNotFoundError", BucketName=call.bucket)
    return {"ServerSideEncryptionConfiguration": {"Rules": [_members(rule)]}}


@operation("DeleteBucketEncryption", action="s3:PutEncryptionConfiguration")
async def delete_bucket_encryption(call: Call, context: Context) -> None:
    await context.store.configure(call.bucket, SUBJECT, None)


def parse(document: Mapping[str, Any]) -> BucketEncryption:
    """The rule of a ServerSideEncryptionConfiguration. Raises MalformedXML, InvalidArgument, NotImplemented."""
    rules = document["Rules"]
    if len(rules) != 1:
        raise AwsError("MalformedXML")
    rule: Mapping[str, Any] = rules[0]
    default: Mapping[str, Any] = rule.get("ApplyServerSideEncryptionByDefault") or {}
    blocked = tuple((rule.get("BlockedEncryptionTypes") or {}).get("EncryptionType") or ())
    algorithm, key_id = default.get("SSEAlgorithm"), default.get("KMSMasterKeyID")
    if not default and "BlockedEncryptionTypes" not in rule and "BucketKeyEnabled" not in rule:
        raise AwsError("MalformedXML")
    if default and algorithm is None:
        raise AwsError("MalformedXML")
    if algorithm == DUAL_LAYER:
        raise AwsError("NotImplemented", "Dual-layer encryption (aws:kms:dsse) is not implemented.")
    if algorithm not in (None, S3, KMS) or not set(blocked) <= {NONE, CUSTOMER}:
        raise AwsError("MalformedXML")
    if NONE in blocked and len(blocked) > 1:
        raise AwsError("InvalidArgument", "NONE cannot be blocked beside other encryption types.")
    if key_id and algorithm != KMS:
        raise AwsError(
            "InvalidArgument",
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
        )
    return BucketEncryption(algorithm, key_id or None, rule.get("BucketKeyEnabled"), blocked)


def _members(rule: BucketEncryption) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if rule.algorithm is not None:
        default = {"SSEAlgorithm": rule.algorithm}
        if rule.key_id:
            default["KMSMasterKeyID"] = rule.key_id
        members["ApplyServerSideEncryptionByDefault"] = default
    members["BucketKeyEnabled"] = bool(rule.bucket_key)
    if rule.blocked:
        members["BlockedEncryptionTypes"] = {"EncryptionType": list(rule.blocked)}
    return members
