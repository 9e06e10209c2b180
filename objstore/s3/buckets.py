"""CreateBucket, HeadBucket, DeleteBucket, ListBuckets, GetBucketLocation.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam import acl, ownership
from objstore.iam.context import Context
from objstore.iam.identities import accounts
from objstore.iam.lookup import bucket_of
from objstore.iam.users import owner_of
from objstore.s3 import bucket_names, limits, locations, tags, tokens
from objstore.s3.times import second
from objstore.store.errors import BucketAlreadyOwnedByYou, NoSuchBucket
from objstore.store.locks import OBJECT_LOCK, ObjectLock
from objstore.store.tags import BUCKET_TAGS
from objstore.store.types import ENABLED, Bucket

MAX_BUCKETS: Final = 10_000

_LOCK: Final = "ObjectLockEnabledForBucket"

_GRANTS: Final = frozenset({"ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"})


@operation(
    "CreateBucket",
    action="s3:CreateBucket",
    supports=_GRANTS | {"CreateBucketConfiguration", _LOCK, "ObjectOwnership"},
    weighs_document=True,
)
async def create_bucket(call: Call, context: Context) -> dict[str, Any]:
    name, owner = bucket_names.check(call.bucket), owner_of(call.principal)
    configuration = _configuration(call)
    region = locations.check(configuration.get("LocationConstraint"), context.region)
    documents: dict[str, msgspec.Struct] = {}
    if (tagged := tags.of_bucket(configuration.get("Tags") or [])) is not None:
        documents[BUCKET_TAGS] = tagged
    if call.get(_LOCK):
        documents[OBJECT_LOCK] = ObjectLock()
    asked = acl.requested(call.members, call.request.headers, context.users, owner)
    grants = acl.private(owner) if asked is None else asked
    controls = call.get("ObjectOwnership") or context.object_ownership
    if controls == ownership.ENFORCED:
        ownership.require_private(grants, owner)
    while True:
        try:
            await context.store.create_bucket(
                name,
                owner,
                region=region,
                acl=grants,
                ownership=controls,
                versioning=ENABLED if OBJECT_LOCK in documents else "",
                documents=documents,
                most=lambda tx: accounts.max_buckets(tx, owner.id),
            )
        except BucketAlreadyOwnedByYou:
            # us-east-1 answers the second creation like the first; nowhere may it look as if it had changed anything.
            try:
                known = context.store.bucket(name)
            except NoSuchBucket:
                continue  # deleted meanwhile, so it can be made
            same = known.acl == grants and known.ownership == (call.get("ObjectOwnership") or known.ownership)
            if not same or not documents.keys() <= known.configuration.keys():
                raise AwsError("BucketAlreadyExists", BucketName=name) from None
            if context.region != locations.US_EAST_1:
                raise
        return {"Location": f"/{name}"}


def _configuration(call: Call) -> dict[str, Any]:
    configuration: dict[str, Any] = call.get("CreateBucketConfiguration") or {}
    for member in configuration:
        if member not in ("LocationConstraint", "Tags"):
            raise AwsError("NotImplemented", f"{member} of a CreateBucketConfiguration is not implemented.")
    return configuration


@operation("HeadBucket", action="s3:ListBucket")
async def head_bucket(call: Call, context: Context) -> dict[str, Any]:
    return {"BucketRegion": region_of(bucket_of(call, context), context), "AccessPointAlias": False}


@operation("DeleteBucket", action="s3:DeleteBucket")
async def delete_bucket(call: Call, context: Context) -> None:
    await context.store.delete_bucket(call.bucket)


@operation("GetBucketLocation", action="s3:GetBucketLocation")
async def get_bucket_location(call: Call, context: Context) -> dict[str, Any]:
    location = locations.shown(bucket_of(call, context).region, context.region)
    return {} if location is None else {"LocationConstraint": location}


@operation(
    "ListBuckets",
    action="s3:ListAllMyBuckets",
    supports={"MaxBuckets", "ContinuationToken", "Prefix", "BucketRegion"},
)
async def list_buckets(call: Call, context: Context) -> dict[str, Any]:
    """The caller's buckets; root sees everybody's, an anonymous caller none."""
    principal = call.principal
    limit = limits.page_size(call.get("MaxBuckets"), "max-buckets", most=MAX_BUCKETS, least=1)
    token, prefix = call.get("ContinuationToken"), call.get("Prefix")
    members: dict[str, Any] = {"Owner": acl.owner_members(owner_of(principal)), "Buckets": []}
    if prefix is not None:
        members["Prefix"] = prefix
    after = tokens.unpack(token) if token else ""
    if principal.anonymous or call.get("BucketRegion", context.region) != context.region:
        return members
    owner = None if principal.is_root else principal.id
    page = context.store.list_buckets(owner=owner, prefix=prefix or "", after=after, limit=limit)
    members["Buckets"] = [
        {
            "Name": bucket.name,
            "CreationDate": second(bucket.created_us),
            "BucketRegion": region_of(bucket, context),
        }
        for bucket in page.items
    ]
    if page.next is not None:
        members["ContinuationToken"] = tokens.pack(page.next)
    return members


def region_of(bucket: Bucket, context: Context) -> str:
    """Where a bucket is, as a region: the old name `EU` is none."""
    return context.region if bucket.region in ("", "EU") else bucket.region
