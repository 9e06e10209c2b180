"""AWS Signature Version 4 for S3, one file for each grammar: the `Authorization` header, the presigned query, the date,
the credential scope, the payload's hash, the canonical request, and the chain of chunk signatures; `verify` joins
them.
"""

from objstore.aws.sigv4.chunks import ChunkSigning
from objstore.aws.sigv4.payload import Payload
from objstore.aws.sigv4.verify import SignedRequest, verify_header, verify_presigned

__all__ = ["ChunkSigning", "Payload", "SignedRequest", "verify_header", "verify_presigned"]
