"""UpdateObjectEncryption: another key for an encrypted object, without touching its bytes.

The object's data key stays and is sealed anew, from SSE-S3 to SSE-KMS or from one key of SSE-KMS to another. Whoever
kept the old sealed data key and can still use the old key opens the object as before; a copy has a data key of its own.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html
"""

from __future__ import annotations

from typing import Any

import msgspec

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call, operation
from objstore.iam.context import Context
from objstore.iam.lookup import bucket_of, version_of
from objstore.kms.envelopes import Wanted
from objstore.sealing import CUSTOMER, KMS
from objstore.store.errors import OperationAborted
from objstore.store.types import Version

_ONLY = "Only source objects encrypted with SSE-S3 or SSE-KMS are supported."


@operation("UpdateObjectEncryption", action="s3:UpdateObjectEncryption", supports={"VersionId"})
async def update_object_encryption(call: Call, context: Context) -> dict[str, Any]:
    asked: dict[str, Any] = call["ObjectEncryption"].get("SSEKMS") or {}
    if not asked.get("KMSKeyArn"):
        raise AwsError(
            "InvalidRequest",
            "Requests that modify an object's encryption type to SSE-KMS require an AWS KMS key Amazon Resource Name "
            "(ARN). Modify the request to specify a KMS key ARN, and then try again.",
        )
    bucket, found = bucket_of(call, context), version_of(call, context)
    record = found.encryption
    if record is None:
        raise AwsError(
            "InvalidRequest",
            f"The UpdateObjectEncryption operation doesn't support unencrypted source objects. {_ONLY}",
        )
    if record.scheme == CUSTOMER:
        raise AwsError(
            "InvalidRequest",
            "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or "
            f"SSE-C. {_ONLY}",
        )
    key = await context.envelopes.open(record)
    name = context.envelopes.key_name(asked["KMSKeyArn"])
    wanted = Wanted(KMS, name, record.context, bool(asked.get("BucketKeyEnabled", False)))
    seal = await context.envelopes.seal(wanted, bucket.id, key)

    def change(version: Version) -> Version:
        if version.encryption is None or version.encryption.data_key != record.data_key:
            raise OperationAborted("The object's encryption was changed meanwhile")
        kept = version.encryption
        return msgspec.structs.replace(
            version, encryption=msgspec.structs.replace(seal.record, streams=kept.streams, proof=kept.proof)
        )

    version_id = found.version_id if bucket.versioning else None
    await context.store.update_version(call.bucket, call.key, version_id, change)
    return {}
