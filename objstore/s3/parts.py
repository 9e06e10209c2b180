"""The parts of a multipart upload: UploadPart and UploadPartCopy.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
"""

from __future__ import annotations

from typing import Any

from objstore.aws import copy_source
from objstore.aws.checksums import ALGORITHMS
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import checksums, conditions, customer_keys, encryption, limits, locks, ranges, versions
from objstore.s3.copy import SOURCE_CONDITIONS
from objstore.s3.times import second
from objstore.store.sealed import revealed
from objstore.store.types import CopyKeys, Digester, Upload, Version


@operation("UploadPart", action="s3:PutObject", supports=customer_keys.MEMBERS)
async def upload_part(call: Call, context: Context) -> dict[str, Any]:
    number = limits.part_number(call["PartNumber"])
    upload = context.store.multipart.upload(call.bucket, call.key, call["UploadId"])
    locks.require_digest(call.body, bucket_of(call, context), upload.lock, "Put Part")
    seal = await encryption.for_upload(call, context, upload)
    source = checksums.source(call.body, checksums.of_part(upload, call.body.algorithm))
    part = await context.store.multipart.put_part(call.bucket, call.key, upload.id, number, source, seal)
    return {
        "ETag": versions.quoted(part.etag),
        **checksums.members(revealed(encryption.key_of(seal), part.checksum), type_too=False),
        **encryption.told(call, upload.encryption),
    }


@operation(
    "UploadPartCopy",
    action="s3:PutObject",
    supports=SOURCE_CONDITIONS | customer_keys.MEMBERS | customer_keys.COPY_SOURCE | {"CopySourceRange"},
)
async def upload_part_copy(call: Call, context: Context) -> dict[str, Any]:
    number = limits.part_number(call["PartNumber"])
    source = copy_source.parse(call["CopySource"])
    span = ranges.parse_copy(call["CopySourceRange"]) if "CopySourceRange" in call else None
    held, told = CopyKeys(), {}

    async def keys(upload: Upload, version: Version) -> CopyKeys:
        nonlocal held, told
        held = await encryption.for_part_copy(call, context, upload, version)
        told = encryption.told(call, upload.encryption)
        return held

    copied = await context.store.multipart.copy_part(
        call.bucket,
        call.key,
        call["UploadId"],
        number,
        source,
        span=span,
        source_conditions=conditions.of_read(call.members, "CopySource"),
        digester=_digester,
        keys=keys,
    )
    members: dict[str, Any] = {
        "CopyPartResult": {
            "ETag": versions.quoted(copied.made.etag),
            "LastModified": second(copied.made.modified_us),
            **checksums.members(revealed(encryption.key_of(held.seal), copied.made.checksum), type_too=False),
        },
        **told,
    }
    if copied.source_version_id is not None:
        members["CopySourceVersionId"] = copied.source_version_id
    return members


def _digester(upload: Upload) -> Digester | None:
    """The bytes of a copied part are read only where the upload is to have a checksum of its own choosing."""
    if upload.checksum_algorithm is None:
        return None
    return checksums.digester(ALGORITHMS[upload.checksum_algorithm])
