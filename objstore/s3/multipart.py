"""Multipart uploads from beginning to end: create, complete, abort. The parts themselves are in `parts.py`.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from objstore.aws.checksums import algorithm, checksum_type
from objstore.aws.errors import AwsError
from objstore.aws.operation import MEBIBYTE, Call, Reply, operation
from objstore.iam.callers import initiator_of
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.s3 import checksums, conditions, customer_keys, encryption, keys, lifecycle, limits, new_objects, versions
from objstore.sealing import DataKey, Seal
from objstore.store.errors import NoSuchUpload
from objstore.store.sealed import revealed
from objstore.store.types import CompletedPart, NewUpload


@operation("CreateMultipartUpload", action="s3:PutObject", supports=new_objects.MEMBERS)
async def create_multipart_upload(call: Call, context: Context) -> dict[str, Any]:
    name, kind = _checksum(call)
    new = new_objects.described(call, context)
    seal = await encryption.for_write(call, context)
    upload = await context.store.multipart.create(
        call.bucket,
        keys.check(call.key),
        NewUpload(
            owner=new.owner,
            creator=new.creator,
            initiator=initiator_of(call.principal),
            metadata=new.metadata,
            headers=new.headers,
            storage_class=new.storage_class,
            acl=new.acl,
            tags=new.tags,
            lock=new.lock,
            checksum_algorithm=name,
            checksum_type=kind,
            encryption=seal.record if seal is not None else None,
        ),
    )
    members = {"Bucket": call.bucket, "Key": call.key, "UploadId": upload.id}
    members |= encryption.told(call, upload.encryption, context=True)
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
    supports=customer_keys.MEMBERS | {"MultipartUpload", "MpuObjectSize", "IfMatch", "IfNoneMatch"},
    body_limit=8 * MEBIBYTE,
)
async def complete_multipart_upload(call: Call, context: Context) -> Reply:
    named = _completed(call.get("MultipartUpload"))
    seal = await _seal(call, context)
    key = encryption.key_of(seal)
    parts = [_covered(part, key) for part in named]
    published = await context.store.multipart.complete(
        call.bucket,
        call.key,
        call["UploadId"],
        parts,
        conditions=conditions.of_write(call.members),
        combine=checksums.combiner(call.members, key),
        size=_object_size(call.get("MpuObjectSize")),
        data_key=key,
    )
    made = published.version
    if seal is None:  # perhaps completed before, encrypted: then its checksum is still hidden
        key = await encryption.for_read(call, context, made.encryption)
    told = encryption.told(call, made.encryption)
    customer = {name: str(told.pop(member)) for member, name in encryption.CUSTOMER_HEADERS.items() if member in told}
    members = {
        "Location": _location(call),
        "Bucket": call.bucket,
        "Key": call.key,
        "ETag": versions.quoted(made.etag),
        **checksums.members(revealed(key, made.checksum)),
        **told,
        **versions.written_id(published.version_id),
        **lifecycle.expiration(bucket_of(call, context), call.key, made),
    }
    return Reply(members, headers=customer)


async def _seal(call: Call, context: Context) -> Seal | None:
    """What the upload is sealed with. Raises InvalidRequest as parts do; None for an upload that is no more."""
    try:
        upload = context.store.multipart.upload(call.bucket, call.key, call["UploadId"])
    except NoSuchUpload:
        return None  # completed before, or never there: the store tells
    return await encryption.for_upload(call, context, upload)


def _covered(part: CompletedPart, key: DataKey | None) -> CompletedPart:
    """A part whose checksum is as that of an encrypted upload's part is stored."""
    if key is None or part.checksum is None:
        return part
    return replace(part, checksum=key.hide(part.checksum))


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
    await context.store.multipart.abort(call.bucket, call.key, call["UploadId"])
