"""Put, Get, Delete and List of a bucket's inventory configurations. What they ask for is made by the jobs process.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketInventoryConfiguration.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.s3 import bucket_names, tokens
from objstore.sealing import KMS, S3
from objstore.store.inventories import Inventory

PAGE: Final = 100

_ARN: Final = "arn:aws:s3:::"
_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FORMATS: Final = frozenset({"CSV", "Parquet"})
_MAX_PREFIX: Final = 512
_MAX_FILTER: Final = 1024
# Fields of AWS's storage that there is nothing to tell of here, ever.
NOT_HERE: Final = frozenset(
    {"ObjectLockEventHoldStatus", "ObjectLockEventHoldDuration", "IntelligentTieringReferenceDate"}
)


@operation("PutBucketInventoryConfiguration", action="s3:PutInventoryConfiguration")
async def put_bucket_inventory_configuration(call: Call, context: Context) -> None:
    wanted = parse(call["InventoryConfiguration"])
    if wanted.id != call["Id"]:
        raise AwsError("IdMismatch")
    if wanted.scheme == KMS:
        context.envelopes.key_name(wanted.key_id)  # raises for what can be no key's name
    await context.store.inventories.put(call.bucket, wanted)


@operation("GetBucketInventoryConfiguration", action="s3:GetInventoryConfiguration")
async def get_bucket_inventory_configuration(call: Call, context: Context) -> dict[str, Any]:
    return {"InventoryConfiguration": to_members(context.store.inventories.find(call.bucket, call["Id"])[0])}


@operation("DeleteBucketInventoryConfiguration", action="s3:PutInventoryConfiguration")
async def delete_bucket_inventory_configuration(call: Call, context: Context) -> None:
    await context.store.inventories.remove(call.bucket, call["Id"])


@operation("ListBucketInventoryConfigurations", action="s3:GetInventoryConfiguration", supports={"ContinuationToken"})
async def list_bucket_inventory_configurations(call: Call, context: Context) -> dict[str, Any]:
    token = call.get("ContinuationToken")
    page = context.store.inventories.page(call.bucket, tokens.unpack(token) if token else "", PAGE)
    members: dict[str, Any] = {"ContinuationToken": token} if token else {}
    if page.items:
        members["InventoryConfigurationList"] = [to_members(one) for one in page.items]
    members["IsTruncated"] = page.truncated
    if page.next is not None:
        members["NextContinuationToken"] = tokens.pack(page.next)
    return members


def parse(document: Mapping[str, Any]) -> Inventory:
    """Read an InventoryConfiguration. Raises InvalidArgument, InvalidS3DestinationBucket, NotImplemented."""
    destination = document["Destination"]["S3BucketDestination"]
    if not _ID.fullmatch(document["Id"]):
        raise _argument("The ID of an inventory has 1 to 64 letters, digits, '_', '.' and '-'", "Id", document["Id"])
    if destination["Format"] not in _FORMATS:
        raise AwsError("NotImplemented", f"Inventories in the format {destination['Format']} are not implemented.")
    encryption = destination.get("Encryption") or {}
    if len(encryption) > 1 or encryption.get("SSEKMS") == {"KeyId": ""}:
        raise AwsError("MalformedXML")
    fields: list[str] = document.get("OptionalFields") or []
    if len(set(fields)) != len(fields):
        raise _argument("An optional field is named twice", "OptionalFields", ", ".join(fields))
    if missing := NOT_HERE & set(fields):
        raise AwsError("NotImplemented", f"The inventory field {min(missing)} is not implemented.")
    prefix = destination.get("Prefix") or ""
    if len(prefix.encode()) > _MAX_PREFIX:
        raise _argument("The prefix of the destination is too long", "Prefix", prefix)
    only = document["Filter"]["Prefix"] if document.get("Filter") else None
    if len((only or "").encode()) > _MAX_FILTER:
        raise _argument("The prefix of the filter is too long", "Prefix", only or "")
    return Inventory(
        id=document["Id"],
        enabled=document["IsEnabled"],
        bucket=_bucket(destination["Bucket"]),
        format=destination["Format"],
        frequency=document["Schedule"]["Frequency"],
        versions=document["IncludedObjectVersions"],
        prefix=prefix,
        account=destination.get("AccountId"),
        only=only,
        fields=tuple(fields),
        scheme=KMS if "SSEKMS" in encryption else S3 if "SSES3" in encryption else "",
        key_id=encryption["SSEKMS"]["KeyId"] if "SSEKMS" in encryption else None,
    )


def _bucket(arn: str) -> str:
    name = arn.removeprefix(_ARN)
    if name == arn or not bucket_names.is_valid(name):
        raise AwsError("InvalidS3DestinationBucket")
    return name


def _argument(message: str, name: str, value: str) -> AwsError:
    return AwsError("InvalidArgument", message, ArgumentName=name, ArgumentValue=value)


def to_members(wanted: Inventory) -> dict[str, Any]:
    """A configuration as it was put."""
    destination: dict[str, Any] = {
        "AccountId": wanted.account,
        "Bucket": _ARN + wanted.bucket,
        "Format": wanted.format,
        "Prefix": wanted.prefix or None,
        "Encryption": _encryption_members(wanted),
    }
    return {
        "Destination": {"S3BucketDestination": destination},
        "IsEnabled": wanted.enabled,
        "Filter": None if wanted.only is None else {"Prefix": wanted.only},
        "Id": wanted.id,
        "IncludedObjectVersions": wanted.versions,
        "OptionalFields": list(wanted.fields) or None,
        "Schedule": {"Frequency": wanted.frequency},
    }


def _encryption_members(wanted: Inventory) -> dict[str, Any] | None:
    if wanted.scheme == KMS:
        return {"SSEKMS": {"KeyId": wanted.key_id}}
    return {"SSES3": {}} if wanted.scheme == S3 else None
