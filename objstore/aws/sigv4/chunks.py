"""The chain of signatures in a signed `aws-chunked` body: each chunk's signature covers the one before it, the first
covers the request's own. https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

from __future__ import annotations

import hashlib
import hmac

from objstore.aws.errors import AwsError
from objstore.aws.sigv4.scope import Scope
from objstore.aws.sigv4.scope import signature as signature_of

_EMPTY = hashlib.sha256(b"").hexdigest()


class ChunkSigning:
    """Checks the chunks of one body in order; holds the signing key, so its repr says nothing."""

    __slots__ = ("_context", "_key", "_previous", "access_key")

    def __init__(self, key: bytes, date: str, scope: Scope, seed: str) -> None:
        self._key = key
        self._context = f"{date}\n{scope}"
        self._previous = seed
        self.access_key = scope.access_key

    def verify_chunk(self, sha256: str, signature: str) -> None:
        """SignatureDoesNotMatch unless `signature` is the next chunk's, whose data hash to `sha256` (hex)."""
        self._verify(f"AWS4-HMAC-SHA256-PAYLOAD\n{self._context}\n{self._previous}\n{_EMPTY}\n{sha256}", signature)

    def verify_trailer(self, lines: bytes, signature: str) -> None:
        """SignatureDoesNotMatch unless `signature` covers the trailers, given as `name:value\\n` lines."""
        digest = hashlib.sha256(lines).hexdigest()
        self._verify(f"AWS4-HMAC-SHA256-TRAILER\n{self._context}\n{self._previous}\n{digest}", signature)

    def _verify(self, text: str, signature: str) -> None:
        expected = signature_of(self._key, text)
        if not hmac.compare_digest(expected.encode("ascii"), signature.encode("utf-8", "replace")):
            raise AwsError(
                "SignatureDoesNotMatch",
                AWSAccessKeyId=self.access_key,
                StringToSign=text,
                SignatureProvided=signature,
            )
        self._previous = expected
