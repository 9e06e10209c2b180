"""The headers that an object carries from its upload to its downloads: Content-Type and its kin, and user metadata.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from objstore.aws.operation import Call

DEFAULT_TYPE: Final = "binary/octet-stream"
EXPIRES: Final = "expires"

# Stored name -> member of requests and answers. Expires is apart: it goes through as the client wrote it.
_MEMBERS: Final[Mapping[str, str]] = {
    "content-type": "ContentType",
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
}


def accept(call: Call) -> dict[str, str]:
    """The headers of a request as they are stored."""
    stored = {name: str(call[member]) for name, member in _MEMBERS.items() if call.get(member)}
    stored.setdefault("content-type", DEFAULT_TYPE)
    if encoding := _without_chunked(stored.pop("content-encoding", "")):
        stored["content-encoding"] = encoding
    if expires := call.request.headers.get(EXPIRES):
        stored[EXPIRES] = expires
    return stored


def _without_chunked(encoding: str) -> str:
    """`aws-chunked` says how the body was sent, not what the object is."""
    codings = [coding.strip() for coding in encoding.split(",")]
    kept = [coding for coding in codings if coding and coding.lower() != "aws-chunked"]
    return ", ".join(kept) if len(kept) != len(codings) else encoding


def members(stored: Mapping[str, str]) -> dict[str, Any]:
    """Stored headers as members of an answer, all but Expires."""
    return {member: stored[name] for name, member in _MEMBERS.items() if name in stored}
