"""ListObjectVersions: every version and delete marker by key, newest first.

Both kinds of element come in that one order, as S3 writes them: clients that read a stream (minio-go) rely on it.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.aws.serialising import Turns
from objstore.iam import acl, ownership
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import limits, listing
from objstore.s3.encoding import Encoder, encoder
from objstore.s3.times import second
from objstore.store.types import Bucket, Entry, MarkedPage, VersionEntry


@operation(
    "ListObjectVersions",
    action="s3:ListBucketVersions",
    supports={
        "Delimiter",
        "EncodingType",
        "KeyMarker",
        "MaxKeys",
        "OptionalObjectAttributes",
        "Prefix",
        "VersionIdMarker",
    },
)
async def list_object_versions(call: Call, context: Context) -> dict[str, Any]:
    encode = encoder(call.get("EncodingType"))
    key_marker, version_marker = call.get("KeyMarker", ""), call.get("VersionIdMarker", "")
    if version_marker and not key_marker:
        raise AwsError(
            "InvalidArgument",
            "A version-id marker cannot be specified without a key marker.",
            ArgumentName="version-id-marker",
            ArgumentValue=version_marker,
        )
    size = limits.page_size(call.get("MaxKeys"), "max-keys")
    page: MarkedPage[VersionEntry] = MarkedPage([])
    if size:
        page = await context.store.list_versions(
            call.bucket,
            prefix=call.get("Prefix", ""),
            delimiter=call.get("Delimiter", ""),
            key_marker=key_marker,
            version_id_marker=version_marker or None,
            limit=size,
        )
    bucket = bucket_of(call, context)
    return {
        "Name": call.bucket,
        "MaxKeys": size,
        **listing.marked_members(call, encode, page, "Version", version_marker),
        "Versions": Turns(
            ("DeleteMarkers", [_common(item, encode, bucket) for item in run])
            if markers
            else ("Versions", [_version(item, encode, bucket) for item in run])
            for markers, run in groupby(page.items, lambda item: item.version.delete_marker)
        ),
    }


def _version(item: VersionEntry, encode: Encoder, bucket: Bucket) -> dict[str, Any]:
    return {**listing.entry_members(Entry(item.key, item.version), encode), **_common(item, encode, bucket)}


def _common(item: VersionEntry, encode: Encoder, bucket: Bucket) -> dict[str, Any]:
    """What versions and delete markers tell alike."""
    return {
        "Key": encode(item.key),
        "VersionId": item.version.version_id,
        "IsLatest": item.is_latest,
        "LastModified": second(item.version.modified_us),
        "Owner": acl.owner_members(ownership.of_object(bucket, item.version)),
    }
