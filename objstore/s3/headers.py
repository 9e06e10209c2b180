"""The headers that an object carries from its upload to its downloads: Content-Type and its kin, and user metadata.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from objstore.aws.errors import AwsError
from objstore.aws.operation import Call

DEFAULT_TYPE: Final = "binary/octet-stream"
EXPIRES: Final = "expires"
REDIRECT: Final = "x-amz-website-redirect-location"

_REDIRECTS: Final = ("/", "http://", "https://")
_MAX_REDIRECT: Final = 2048

# Stored name -> member of requests and answers. Expires is apart: it goes through as the client wrote it.
_MEMBERS: Final[Mapping[str, str]] = {
    "content-type": "ContentType",
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    REDIRECT: "WebsiteRedirectLocation",
}


def accept(call: Call) -> dict[str, str]:
    """The headers of a request as they are stored. Raises InvalidRedirectLocation."""
    given = call.members
    stored = {name: str(given[member]) for name, member in _MEMBERS.items() if given.get(member)}
    stored.setdefault("content-type", DEFAULT_TYPE)
    if encoding := _without_chunked(stored.pop("content-encoding", "")):
        stored["content-encoding"] = encoding
    if expires := call.request.headers.get(EXPIRES):
        stored[EXPIRES] = expires
    if REDIRECT in stored:
        _check_redirect(stored[REDIRECT])
    return stored


def copied(source: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """The headers of a copy that keeps its source's, but for the redirect of a website: that is each object's own."""
    kept = {name: value for name, value in source.items() if name != REDIRECT}
    return kept | {name: value for name, value in wanted.items() if name == REDIRECT}


def _check_redirect(location: str) -> None:
    """Where a website sends who asks for the object: a key of the same website, or another address."""
    if not location.startswith(_REDIRECTS):
        raise AwsError("InvalidRedirectLocation")
    if len(location) > _MAX_REDIRECT:
        raise AwsError(
            "InvalidRedirectLocation",
            f"The length of website redirect location cannot exceed {_MAX_REDIRECT:,} characters.",
        )


def _without_chunked(encoding: str) -> str:
    """`aws-chunked` says how the body was sent, not what the object is."""
    codings = [coding.strip() for coding in encoding.split(",")]
    kept = [coding for coding in codings if coding and coding.lower() != "aws-chunked"]
    return ", ".join(kept) if len(kept) != len(codings) else encoding


def members(stored: Mapping[str, str]) -> dict[str, Any]:
    """Stored headers as members of an answer, all but Expires."""
    return {member: stored[name] for name, member in _MEMBERS.items() if name in stored}
