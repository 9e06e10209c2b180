"""What the store refuses, as one tree: every error carries the code that AWS gives it.

`code` is AWS's name of the error, `detail` what its error document says beside it (`Key`, `BucketName`, `Condition`).
The wire above turns both into a status and a document; nothing here knows HTTP.
Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from objstore.store.types import Version


class StoreError(Exception):
    """Base of all; `code` as AWS spells it, `message` None for AWS's own words, `detail` names what is concerned."""

    code: ClassVar[str] = "InternalError"

    def __init__(self, message: str | None = None, **detail: str) -> None:
        self.message = message
        self.detail: dict[str, str] = detail
        named = ", ".join(f"{name}={value!r}" for name, value in detail.items())
        super().__init__(f"{self.code}: {message or ''} {named}".strip())


class NoSuchBucket(StoreError):
    """No bucket of that name. Detail: BucketName."""

    code = "NoSuchBucket"


class BucketAlreadyExists(StoreError):
    """The name is taken by another owner. Detail: BucketName."""

    code = "BucketAlreadyExists"


class BucketAlreadyOwnedByYou(StoreError):
    """The name is taken by the same owner. Detail: BucketName."""

    code = "BucketAlreadyOwnedByYou"


class TooManyBuckets(StoreError):
    """The owner has as many buckets as it may. Detail: BucketName."""

    code = "TooManyBuckets"


class SnapshotAlreadyExists(StoreError):
    """The bucket has a snapshot of that name. Detail: BucketName."""

    code = "BucketAlreadyExists"


class BucketNotEmpty(StoreError):
    """A bucket with versions or delete markers is not deleted. Detail: BucketName."""

    code = "BucketNotEmpty"


class InvalidBucketState(StoreError):
    """The bucket's versioning does not allow this."""

    code = "InvalidBucketState"


class IllegalVersioningConfiguration(StoreError):
    """The versioning status is neither Enabled nor Suspended."""

    code = "IllegalVersioningConfigurationException"


class ObjectLocked(StoreError):
    """The version is under retention or legal hold, or a retention would become weaker."""

    code = "AccessDenied"

    def __init__(self) -> None:
        super().__init__("Access Denied because object protected by object lock.")


class QuotaExceeded(StoreError):
    """An account, user, bucket or prefix would hold more than it may. Detail: QuotaScope, QuotaName."""

    code = "QuotaExceeded"


class _OnMarker(StoreError):
    """An error that tells of the delete marker it met: `marker`, its record, or None where there is none."""

    def __init__(self, message: str | None = None, *, marker: Version | None = None, **detail: str) -> None:
        super().__init__(message, **detail)
        self.marker = marker


class NoSuchKey(_OnMarker):
    """No current object of that key. Detail: Key. With `marker` a delete marker hides what was there."""

    code = "NoSuchKey"


class MethodNotAllowed(_OnMarker):
    """The version asked for by its id is a delete marker (`marker`): only DELETE is allowed."""

    code = "MethodNotAllowed"


class NoSuchVersion(StoreError):
    """No version of that id. Detail: Key, VersionId."""

    code = "NoSuchVersion"


class NoSuchUpload(StoreError):
    """The upload never was, was aborted or completed. Detail: UploadId."""

    code = "NoSuchUpload"


class InvalidPart(StoreError):
    """A part of a complete was not uploaded, or has another ETag or checksum. Detail: UploadId, PartNumber, ETag."""

    code = "InvalidPart"


class InvalidPartOrder(StoreError):
    """The parts named in a complete are not in ascending order. Detail: UploadId."""

    code = "InvalidPartOrder"


class InvalidWriteOffset(StoreError):
    """An append does not begin where the object ends. Detail: ObjectSize, WriteOffset."""

    code = "InvalidWriteOffset"


class TooManyParts(StoreError):
    """An append to an object that has as many parts as there may be."""

    code = "TooManyParts"


class EntityTooSmall(StoreError):
    """A part other than the last is below 5 MiB. Detail: ProposedSize, MinSizeAllowed, PartNumber, ETag."""

    code = "EntityTooSmall"


class EntityTooLarge(StoreError):
    """The object or part is above what is promised. Detail: ProposedSize, MaxSizeAllowed."""

    code = "EntityTooLarge"


class IncompleteBody(StoreError):
    """The body ended before its declared length. Detail: expected, received (bytes)."""

    code = "IncompleteBody"


class InvalidRequest(StoreError):
    """The request contradicts itself or what is stored."""

    code = "InvalidRequest"


class InvalidArgument(StoreError):
    """An argument has a value that cannot be. Detail: ArgumentName, ArgumentValue."""

    code = "InvalidArgument"


class InvalidRange(StoreError):
    """The range of a part copy lies outside of the source. Detail: ActualObjectSize, RangeRequested."""

    code = "InvalidRange"


class IdempotencyParameterMismatch(StoreError):
    """The client token was used for something else."""

    code = "IdempotencyParameterMismatch"


class PreconditionFailed(StoreError):
    """A condition does not hold. Detail: Condition, the header that failed (`If-Match`...)."""

    code = "PreconditionFailed"


class NotModified(StoreError):
    """A read whose condition says that the client's copy is good."""

    code = "NotModified"


class ConditionalRequestConflict(StoreError):
    """Another write to the same key came between; the client should try again."""

    code = "ConditionalRequestConflict"


class OperationAborted(StoreError):
    """What was looked at changed again and again while it was worked on; the client should try again."""

    code = "OperationAborted"


class NoSuchConfiguration(StoreError):
    """The bucket has no configuration of that id."""

    code = "NoSuchConfiguration"


class TooManyConfigurations(StoreError):
    """The bucket has as many configurations of a kind as it may have."""

    code = "TooManyConfigurations"
