"""ListMultipartUploads and ListParts: what has been begun and is not yet an object.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws.operation import Call, operation
from objstore.iam import acl
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import checksums, customer_keys, encryption, lifecycle, limits, listing
from objstore.s3.encoding import Encoder, encoder
from objstore.s3.times import second
from objstore.s3.versions import quoted
from objstore.sealing import CUSTOMER, DataKey
from objstore.store.sealed import revealed
from objstore.store.types import MarkedPage, Part, Upload


@operation(
    "ListMultipartUploads",
    action="s3:ListBucketMultipartUploads",
    supports={"Delimiter", "EncodingType", "KeyMarker", "MaxUploads", "Prefix", "UploadIdMarker"},
)
async def list_multipart_uploads(call: Call, context: Context) -> dict[str, Any]:
    encode = encoder(call.get("EncodingType"))
    key_marker = call.get("KeyMarker", "")
    # Without a key marker, AWS does not look at the upload id marker.
    id_marker = call.get("UploadIdMarker", "") if key_marker else ""
    size = limits.page_size(call.get("MaxUploads"), "max-uploads")
    page: MarkedPage[Upload] = MarkedPage([])
    if size:
        page = await context.store.multipart.list_uploads(
            call.bucket,
            prefix=call.get("Prefix", ""),
            delimiter=call.get("Delimiter", ""),
            key_marker=key_marker,
            upload_id_marker=id_marker or None,
            limit=size,
        )
    return {
        "Bucket": call.bucket,
        "MaxUploads": size,
        **listing.marked_members(call, encode, page, "Upload", id_marker),
        "Uploads": [_upload(upload, encode) for upload in page.items],
    }


def _upload(upload: Upload, encode: Encoder) -> dict[str, Any]:
    return {
        "Key": encode(upload.key),
        "UploadId": upload.id,
        "Initiated": second(upload.initiated_us),
        "StorageClass": upload.storage_class,
        **_people(upload),
        **_checksum(upload),
    }


@operation(
    "ListParts", action="s3:ListMultipartUploadParts", supports=customer_keys.MEMBERS | {"MaxParts", "PartNumberMarker"}
)
async def list_parts(call: Call, context: Context) -> dict[str, Any]:
    after = limits.part_marker(call.get("PartNumberMarker"))
    size = limits.page_size(call.get("MaxParts"), "max-parts")
    page = await context.store.multipart.list_parts(
        call.bucket, call.key, call["UploadId"], after=after, limit=max(size, 1)
    )
    items = page.items[:size]
    key = await _data_key(call, context, page.upload)
    return {
        "Bucket": call.bucket,
        "Key": call.key,
        "UploadId": page.upload.id,
        **lifecycle.abortion(bucket_of(call, context), page.upload),
        "PartNumberMarker": after,
        "NextPartNumberMarker": items[-1].number if items else after,
        "MaxParts": size,
        "IsTruncated": bool(items) and page.next is not None,
        "Parts": [_part(part, page.upload, key) for part in items],
        "StorageClass": page.upload.storage_class,
        **_people(page.upload),
        **_checksum(page.upload),
    }


async def _data_key(call: Call, context: Context, upload: Upload) -> DataKey | None:
    """The key that shows the checksums of an encrypted upload's parts; under SSE-C only when the request brings it."""
    record = upload.encryption
    if record is not None and record.scheme == CUSTOMER and "SSECustomerAlgorithm" not in call:
        return None
    seal = await encryption.for_upload(call, context, upload)
    return encryption.key_of(seal)


def _part(part: Part, upload: Upload, key: DataKey | None) -> dict[str, Any]:
    shown = revealed(key, part.checksum) if upload.encryption is None or key is not None else None
    return {
        "PartNumber": part.number,
        "LastModified": second(part.modified_us),
        "ETag": quoted(part.etag),
        "Size": part.size,
        **checksums.members(shown, type_too=False),
    }


def _people(upload: Upload) -> dict[str, Any]:
    return {"Initiator": acl.owner_members(upload.initiator), "Owner": acl.owner_members(upload.owner)}


def _checksum(upload: Upload) -> dict[str, Any]:
    """The algorithm that was asked for; an upload that takes that of its parts has none yet."""
    if upload.checksum_algorithm is None:
        return {}
    return {"ChecksumAlgorithm": upload.checksum_algorithm, "ChecksumType": upload.checksum_type}
