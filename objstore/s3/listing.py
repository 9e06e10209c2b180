"""ListObjects and ListObjectsV2: the current objects of a bucket in byte order of their keys, page by page.

With a delimiter, keys that share what stands before it are rolled up into one common prefix, which counts as an entry.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam import acl, ownership
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import limits, tokens
from objstore.s3.encoding import Encoder, bare, encoder
from objstore.s3.times import second
from objstore.s3.versions import quoted
from objstore.store.types import Bucket, Entry, MarkedPage, Page

# Objects are never in an archive, so there is no RestoreStatus to add (OptionalObjectAttributes).
_SUPPORTS = frozenset({"Delimiter", "EncodingType", "MaxKeys", "Prefix", "OptionalObjectAttributes"})


@operation("ListObjects", action="s3:ListBucket", supports=_SUPPORTS | {"Marker"})
async def list_objects(call: Call, context: Context) -> dict[str, Any]:
    encode = encoder(call.get("EncodingType"))
    marker = call.get("Marker", "")
    page, members = await _page(call, context, marker, encode)
    members["Marker"] = encode(marker)
    # SDKs read this one prefix as it stands, or decode it: both get the same where it can be written bare.
    if bare(prefix := call.get("Prefix", "")):
        members["Prefix"] = prefix
    if page.next is not None and call.get("Delimiter"):
        members["NextMarker"] = encode(page.next)
    bucket = bucket_of(call, context)
    members["Contents"] = [entry_members(entry, encode, bucket) for entry in page.items]
    return members


@operation(
    "ListObjectsV2", action="s3:ListBucket", supports=_SUPPORTS | {"ContinuationToken", "FetchOwner", "StartAfter"}
)
async def list_objects_v2(call: Call, context: Context) -> dict[str, Any]:
    encode = encoder(call.get("EncodingType"))
    token, start_after = call.get("ContinuationToken"), call.get("StartAfter", "")
    page, members = await _page(call, context, tokens.unpack(token) if token else start_after, encode)
    if token is not None:
        members["ContinuationToken"] = token
    if start_after:
        members["StartAfter"] = encode(start_after)
    if page.next is not None:
        members["NextContinuationToken"] = tokens.pack(page.next)
    members["KeyCount"] = len(page.items) + len(page.prefixes)
    owned_in = bucket_of(call, context) if call.get("FetchOwner") else None
    members["Contents"] = [entry_members(entry, encode, owned_in) for entry in page.items]
    return members


async def _page(call: Call, context: Context, after: str, encode: Encoder) -> tuple[Page[Entry], dict[str, Any]]:
    """The page behind `after`, and the members that both versions of the operation share."""
    prefix, delimiter = call.get("Prefix", ""), call.get("Delimiter", "")
    refuse_unordered(call, delimiter)
    size = limits.page_size(call.get("MaxKeys"), "max-keys")
    page: Page[Entry] = Page([])
    if size:
        page = await context.store.list_objects(
            call.bucket, prefix=prefix, delimiter=delimiter, after=after, limit=size
        )
    members: dict[str, Any] = {
        "Name": call.bucket,
        "MaxKeys": size,
        "IsTruncated": page.truncated,
        **shared_members(call, encode),
    }
    if page.prefixes:
        members["CommonPrefixes"] = [{"Prefix": encode(one)} for one in page.prefixes]
    return page, members


def shared_members(call: Call, encode: Encoder) -> dict[str, Any]:
    """What every listing tells of its request: prefix, delimiter, encoding."""
    members = {"Prefix": encode(call.get("Prefix", ""))}
    if call.get("Delimiter"):
        members["Delimiter"] = encode(call["Delimiter"])
    if call.get("EncodingType"):
        members["EncodingType"] = "url"
    return members


def marked_members(call: Call, encode: Encoder, page: MarkedPage[Any], which: str, marker: str) -> dict[str, Any]:
    """What listings tell that are continued by a key and an id, `which` being "Upload" or "Version"; `marker` is the id
    behind which the page began."""
    members: dict[str, Any] = {
        "KeyMarker": encode(call.get("KeyMarker", "")),
        f"{which}IdMarker": marker,
        "IsTruncated": page.truncated,
        "CommonPrefixes": [{"Prefix": encode(one)} for one in page.prefixes],
        **shared_members(call, encode),
    }
    if page.next is not None:
        members["NextKeyMarker"] = encode(page.next)
        if page.next_id is not None:
            members[f"Next{which}IdMarker"] = page.next_id
    return members


def refuse_unordered(call: Call, delimiter: str) -> None:
    """`allow-unordered`, which Ceph has, permits any order. Ours serves, but not beside a delimiter."""
    if delimiter and ("allow-unordered", "true") in call.request.query:
        raise AwsError(
            "InvalidArgument",
            "allow-unordered cannot be used together with a delimiter",
            ArgumentName="allow-unordered",
            ArgumentValue="true",
        )


def entry_members(entry: Entry, encode: Encoder, owned_in: Bucket | None = None) -> dict[str, Any]:
    """One object of a listing, with its owner where its bucket is given."""
    version = entry.version
    members: dict[str, Any] = {
        "Key": encode(entry.key),
        "LastModified": second(version.modified_us),
        "ETag": quoted(version.etag),
        "Size": version.size,
        "StorageClass": version.storage_class,
    }
    if version.checksum is not None:
        members["ChecksumAlgorithm"] = [version.checksum.algorithm]
        members["ChecksumType"] = version.checksum.type
    if owned_in is not None:
        members["Owner"] = acl.owner_members(ownership.of_object(owned_in, version))
    return members
