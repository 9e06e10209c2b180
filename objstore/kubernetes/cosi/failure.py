"""What the driver refuses, and what a store's answers mean to COSI: canonical gRPC codes.

https://github.com/kubernetes-sigs/container-object-storage-interface/blob/main/proto/spec.md#error-scheme
"""

from __future__ import annotations

from typing import Any, Final

import grpc

from objstore.client import StoreError, StoreRefused

Code: Any = grpc.StatusCode
"""gRPC has no types."""


class Failure(Exception):
    """A call that cannot be done: `code` says whether trying again may help, `message` what to do about it."""

    def __init__(self, code: Any, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


_CODES: Final = {
    "NoSuchBucket": Code.NOT_FOUND,
    "BucketAlreadyExists": Code.ALREADY_EXISTS,
    "BucketNotEmpty": Code.FAILED_PRECONDITION,
    "DeleteConflict": Code.ABORTED,
    "LimitExceeded": Code.RESOURCE_EXHAUSTED,
    "TooManyBuckets": Code.RESOURCE_EXHAUSTED,
    "QuotaExceeded": Code.RESOURCE_EXHAUSTED,
    "AccessDenied": Code.PERMISSION_DENIED,
    "SignatureDoesNotMatch": Code.UNAUTHENTICATED,
    "InvalidAccessKeyId": Code.UNAUTHENTICATED,
    "InvalidClientTokenId": Code.UNAUTHENTICATED,
    "RequestTimeTooSkewed": Code.UNAUTHENTICATED,
}
_STATUSES: Final = {
    400: Code.INVALID_ARGUMENT,
    403: Code.PERMISSION_DENIED,
    404: Code.ABORTED,  # gone between two calls: somebody is at it as well
    409: Code.ABORTED,
}


def of_store(error: StoreError) -> Failure:
    """What went wrong at the store, as COSI is told."""
    if not isinstance(error, StoreRefused):
        return Failure(Code.UNAVAILABLE, str(error))
    return Failure(_CODES.get(error.code) or _STATUSES.get(error.status, Code.INTERNAL), str(error))


def invalid(field: str, message: str) -> Failure:
    """A field of a request that is missing, or has a value that it cannot have."""
    return Failure(Code.INVALID_ARGUMENT, f"{field} {message}")
