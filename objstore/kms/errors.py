"""What key management refuses, as one tree: every error carries the code by which S3's clients know it.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, https://docs.aws.amazon.com/kms/latest/APIReference
"""

from __future__ import annotations

from typing import ClassVar


class KmsError(Exception):
    """Base of all. `message` says what to do; it never holds a key."""

    code: ClassVar[str] = "InternalError"

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(f"{self.code}: {message}")


class KeyNotFound(KmsError):
    """No key of that name."""

    code = "KMS.NotFoundException"


class KeyDisabled(KmsError):
    """The key was disabled: neither does it seal nor open."""

    code = "KMS.DisabledException"


class KeyUnusable(KmsError):
    """The key cannot do what is asked: of another type, or without the version that sealed."""

    code = "KMS.KMSInvalidStateException"


class KeyExists(KmsError):
    """A key of that name is there already."""

    code = "KMS.AlreadyExistsException"


class KmsDenied(KmsError):
    """The key management service refuses this server."""

    code = "AccessDenied"


class KmsUnavailable(KmsError):
    """The key management service cannot be reached, or does not answer in time."""

    code = "ServiceUnavailable"
