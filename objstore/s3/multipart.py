"""Multipart uploads from beginning to end: create, complete, abort. The parts themselves are in `parts.py`.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from objstore.aws.checksums import algorithm, checksum_type
from objstore.aws.errors import AwsError
from objstore.aws.operation import MEBIBYTE, Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.iam.users import owner_of
from objstore.s3 import checksums, conditions, keys, lifecycle, limits, new_objects, versions
from objstore.store.types import CompletedPart, NewUpload


@operation("CreateMultipartUpload", action="s3:PutObject", supports=new_objects.MEMBERS)
async def create_multipart_upload(call: Call, context: Context) -> dict[str, Any]:
    name, kind = _checksum(call)
    new = new_objects.described(call, context)
    upload = await context.store.create_upload(
        call.bucket,
        keys.check(call.key),
        NewUpload(
            owner=new.owner,
            creator=new.creator,
            initiator=owner_of(call.principal),
            metadata=new.metadata,
            headers=new.headers,
            storage_class=new.storage_class,
            acl=new.acl,
            tags=new.tags,
            lock=new.lock,
            checksum_algorithm=name,
            checksum_type=kind,
        ),
    )
    members = {"Bucket": call.bucket, "Key": call.key, "UploadId": upload.id}
    members |= lifecycle.abortion(bucket_of(call, context), upload)
    if name and kind:
        members |= {"ChecksumAlgorithm": name, "ChecksumType": kind}
    return members


def _checksum(call: Call) -> tuple[str | None, str | None]:
    """Algorithm and type that the upload is to have; neither when the client leaves it to its parts."""
    name, kind = call.get("ChecksumAlgorithm"), call.get("ChecksumType")
    if not name:
        if kind:
            raise AwsError(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        return None, None
    chosen = algorithm(name)
    return chosen.name, checksum_type(chosen, kind)


@operation(
    "CompleteMultipartUpload",
    action="s3:PutObject",
    supports={"MultipartUpload", "MpuObjectSize", "IfMatch", "IfNoneMatch"},
    body_limit=8 * MEBIBYTE,
)
async def complete_multipart_upload(call: Call, context: Context) -> dict[str, Any]:
    parts = _completed(call.get("MultipartUpload"))
    published = await context.store.complete(
        call.bucket,
        call.key,
        call["UploadId"],
        parts,
        conditions=conditions.of_write(call.members),
        combine=checksums.combiner(call.members),
        size=_object_size(call.get("MpuObjectSize")),
    )
    return {
        "Location": _location(call),
        "Bucket": call.bucket,
        "Key": call.key,
        "ETag": versions.quoted(published.version.etag),
        **checksums.members(published.version.checksum),
        **versions.written_id(published.version_id),
        **lifecycle.expiration(bucket_of(call, context), call.key, published.version),
    }


def _completed(document: dict[str, Any] | None) -> list[CompletedPart]:
    """The parts that the document names; raises MalformedXML when there are none, or one lacks number or ETag."""
    listed = (document or {}).get("Parts")
    if not listed:
        raise AwsError("MalformedXML")
    return [_completed_part(part) for part in listed]


def _completed_part(part: dict[str, Any]) -> CompletedPart:
    number, etag = part.get("PartNumber"), part.get("ETag")
    if number is None or not etag:
        raise AwsError("MalformedXML")
    claim = checksums.claimed(part)
    return CompletedPart(
        limits.part_number(number),
        str(etag).strip('"'),
        checksum=claim[1] if claim else None,
        algorithm=claim[0].name if claim else None,
    )


def _object_size(value: int | None) -> int | None:
    if value is not None and value < 0:
        raise AwsError("InvalidArgument", ArgumentName="x-amz-mp-object-size", ArgumentValue=value)
    return value


def _location(call: Call) -> str:
    """The address of the object, in path style."""
    request = call.request
    scheme = "https" if request.secure else "http"
    return f"{scheme}://{request.host}/{call.bucket}/{quote(call.key, safe='/', errors='surrogatepass')}"


@operation("AbortMultipartUpload", action="s3:AbortMultipartUpload")
async def abort_multipart_upload(call: Call, context: Context) -> None:
    await context.store.abort(call.bucket, call.key, call["UploadId"])
