"""Server-side encryption of objects: what a request asks for, whose keys open what it reads, and what answers tell.

A write is encrypted as its request says, or else as the default of its bucket. Reads say nothing, but under SSE-C they
bring the key.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
"""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of
from objstore.kms.envelopes import Wanted, canonical
from objstore.s3 import bucket_encryption, customer_keys
from objstore.s3.bucket_encryption import DUAL_LAYER
from objstore.s3.customer_keys import CustomerKey
from objstore.sealing import CUSTOMER, KMS, S3, DataKey, Encryption, Seal, WrongKey
from objstore.store.types import Bucket, CopyKeys, Upload, Version

WRITE_MEMBERS: Final = customer_keys.MEMBERS | {
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "SSEKMSEncryptionContext",
    "BucketKeyEnabled",
}
"""The members that `for_write` honours."""

CUSTOMER_HEADERS: Final = {
    "SSECustomerAlgorithm": "x-amz-server-side-encryption-customer-algorithm",
    "SSECustomerKeyMD5": "x-amz-server-side-encryption-customer-key-MD5",
}
"""For answers whose model lacks the members."""

MAX_CONTEXT: Final = 8 << 10
_HEADER: Final = "x-amz-server-side-encryption"
_NOT_OF_READS: Final = (_HEADER, f"{_HEADER}-aws-kms-key-id", f"{_HEADER}-context", f"{_HEADER}-bucket-key-enabled")
_CONTEXT_HEADER: Final = f"{_HEADER}-context"


# writes


async def for_write(call: Call, context: Context) -> Seal | None:
    """What a new object of this request is sealed with; None when it is not encrypted.

    Raises InvalidArgument and InvalidRequest for contradictions, AccessDenied for what the bucket blocks, and what the
    key management raises.
    """
    bucket = bucket_of(call, context)
    wanted = wanted_by(call, context, bucket)
    return None if wanted is None else await context.envelopes.seal(wanted, bucket.id)


def wanted_by(call: Call, context: Context, bucket: Bucket) -> Wanted | None:
    """How a write is to be encrypted, by its request or its bucket. Raises as `for_write`."""
    customer = customer_keys.of(call, context.keys_over_http)
    scheme = call.get("ServerSideEncryption")
    if customer is not None:
        return _by_customer(call, bucket, customer)
    if scheme is None:
        return _by_default(call, context, bucket)
    if scheme == DUAL_LAYER:
        raise AwsError("NotImplemented", "Dual-layer encryption (aws:kms:dsse) is not implemented.")
    if scheme not in (S3, KMS):
        raise _invalid("The encryption method specified is not supported", _HEADER, scheme)
    if scheme == S3:
        _refuse_kms_members(call, scheme)
        return Wanted(S3)
    rule = bucket_encryption.of(bucket)
    default = rule is not None and rule.algorithm == KMS and bool(rule.bucket_key)
    return Wanted(
        KMS,
        key_id=context.envelopes.key_name(call.get("SSEKMSKeyId")),
        context=_context(call.get("SSEKMSEncryptionContext")),
        bucket_key=bool(call.get("BucketKeyEnabled", default)),
    )


def _by_customer(call: Call, bucket: Bucket, customer: CustomerKey) -> Wanted:
    given = next((call[one] for one in ("ServerSideEncryption", "SSEKMSKeyId") if one in call), None)
    if given is not None:
        raise _invalid(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
            _HEADER,
            given,
        )
    _refuse_kms_members(call, "")
    if bucket_encryption.blocks_customer_keys(bucket):
        raise AwsError("AccessDenied", "This bucket blocks server-side encryption with customer-provided keys (SSE-C).")
    return Wanted(CUSTOMER, customer_key=customer.key)


def _by_default(call: Call, context: Context, bucket: Bucket) -> Wanted | None:
    """By the rule of the bucket; a bucket key may be asked for or declined beside it."""
    rule = bucket_encryption.of(bucket)
    if rule is None or rule.algorithm != KMS:
        _refuse_kms_members(call, "")
        return Wanted(S3) if rule is not None and rule.algorithm == S3 else None
    if "SSEKMSKeyId" in call:
        _refuse_kms_members(call, "")
    return Wanted(
        KMS,
        key_id=context.envelopes.key_name(rule.key_id),
        context=_context(call.get("SSEKMSEncryptionContext")),
        bucket_key=bool(call.get("BucketKeyEnabled", rule.bucket_key)),
    )


def _refuse_kms_members(call: Call, scheme: str) -> None:
    """Raise InvalidArgument for members that mean something under SSE-KMS only."""
    if call.get("SSEKMSKeyId") or call.get("SSEKMSEncryptionContext"):
        raise _invalid(
            "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : "
            "aws:kms",
            _HEADER,
            scheme,
        )


def _context(header: str | None) -> str:
    """The encryption context of a header, base64 of JSON, in its canonical form. Raises InvalidArgument."""
    if not header:
        return ""
    try:
        raw = base64.b64decode(header, validate=True)
        pairs = msgspec.json.decode(raw, type=dict[str, str])
    except ValueError:
        raise _invalid(
            f"The header '{_CONTEXT_HEADER}' shall be Base64-encoded UTF-8 string holding JSON which represents a "
            "string-string map",
            _CONTEXT_HEADER,
            header,
        ) from None
    text = canonical(pairs)
    if len(text) > MAX_CONTEXT:
        raise _invalid(f"The encryption context is longer than {MAX_CONTEXT} bytes.", _CONTEXT_HEADER, "")
    if any(name.startswith("aws:") for name in pairs):
        raise _invalid("Names in an encryption context that begin with 'aws:' are reserved.", _CONTEXT_HEADER, header)
    return text


# reads


def refuse_write_headers(call: Call) -> None:
    """A read does not say how its object is encrypted. Raises InvalidArgument."""
    headers = call.request.headers
    found = next((name for name in _NOT_OF_READS if name in headers), None)
    if found is not None:
        raise _invalid(f"{found} header is not supported for this operation.", found, headers[found])


async def for_read(
    call: Call, context: Context, record: Encryption | None, *, needed: bool = True, prefix: str = ""
) -> DataKey | None:
    """The data key of what is read, or with the prefix `CopySource` of the source of a copy; None for plaintext.

    Under SSE-C the request must bring the right key even if no byte is read; elsewhere the key is only opened when it
    is `needed`. Raises InvalidRequest, and what the key management raises.
    """
    customer = customer_keys.of(call, context.keys_over_http, prefix)
    if record is None or record.scheme != CUSTOMER:
        if customer is not None:
            raise AwsError("InvalidRequest", "The encryption parameters are not applicable to this object.")
        return await context.envelopes.open(record) if record is not None and needed else None
    if customer is None:
        raise AwsError(
            "InvalidRequest",
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
            "retrieve the object.",
        )
    try:
        return await context.envelopes.open(record, customer.key)
    except WrongKey:
        raise AwsError(
            "InvalidRequest",
            "The object was stored with another customer-provided key. The key that it was stored with must be "
            "provided.",
        ) from None


async def for_upload(call: Call, context: Context, upload: Upload) -> Seal | None:
    """What parts of an upload are sealed with; None when it is not encrypted. Raises InvalidRequest as `for_read`."""
    record, customer = upload.encryption, customer_keys.of(call, context.keys_over_http)
    if record is None or record.scheme != CUSTOMER:
        if customer is not None:
            raise AwsError(
                "InvalidRequest",
                "The multipart upload initiate did not request encryption. Please resend the request without sending "
                "encryption parameters.",
            )
        return None if record is None else Seal(await context.envelopes.open(record), record)
    if customer is None:
        raise AwsError(
            "InvalidRequest",
            "The multipart upload initiate requested encryption. Subsequent part requests must include the "
            "appropriate encryption parameters.",
        )
    try:
        return Seal(await context.envelopes.open(record, customer.key), record)
    except WrongKey:
        raise AwsError(
            "InvalidRequest", "The provided encryption parameters did not match the ones used originally."
        ) from None


# copies


async def for_copy(call: Call, context: Context, source: Version) -> CopyKeys:
    """The keys of CopyObject: those of its source, and what the copy is sealed with."""
    bucket = bucket_of(call, context)
    wanted = wanted_by(call, context, bucket)
    key = await for_read(call, context, source.encryption, prefix="CopySource")
    if wanted is None:
        return CopyKeys(key)
    shared = key is not None and _shares(call, context, source.encryption, wanted)
    return CopyKeys(key, await context.envelopes.seal(wanted, bucket.id, key if shared else None), shared)


def _shares(call: Call, context: Context, record: Encryption | None, wanted: Wanted) -> bool:
    """Whether source and copy are under the same key."""
    if record is None or not context.envelopes.shares(record, wanted):
        return False
    source = customer_keys.of(call, context.keys_over_http, "CopySource")
    return wanted.scheme != CUSTOMER or (source is not None and source.key == wanted.customer_key)


async def for_part_copy(call: Call, context: Context, upload: Upload, source: Version) -> CopyKeys:
    """The keys of UploadPartCopy."""
    seal = await for_upload(call, context, upload)
    return CopyKeys(await for_read(call, context, source.encryption, prefix="CopySource"), seal)


# answers


def key_of(seal: Seal | None) -> DataKey | None:
    """The data key of what was sealed."""
    return seal.key if seal is not None else None


def told(call: Call, record: Encryption | None, *, context: bool = False) -> dict[str, Any]:
    """The members that tell of an encryption, with `context` the client's context too."""
    if record is None:
        return {}
    if record.scheme == CUSTOMER:
        return {"SSECustomerAlgorithm": customer_keys.ALGORITHM, "SSECustomerKeyMD5": call["SSECustomerKeyMD5"]}
    members: dict[str, Any] = {"ServerSideEncryption": record.scheme}
    if record.scheme == KMS:
        members["SSEKMSKeyId"] = record.key_id
        if record.bucket_key:
            members["BucketKeyEnabled"] = True
        if context and record.context:
            members["SSEKMSEncryptionContext"] = base64.b64encode(record.context.encode()).decode()
    return members


def _invalid(message: str, name: str, value: str) -> AwsError:
    return AwsError("InvalidArgument", message, ArgumentName=name, ArgumentValue=value)
