"""What tags may be: keys of 1 to 128 characters, values of up to 256; letters, digits, spaces and `+ - = . _ : / @`.

They come as a document, or as the header `x-amz-tagging`, which is written like the query of a URL. An object may have
10 of them, a bucket 50. Keys that begin with `aws:` belong to AWS.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html#tag-restrictions
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

from objstore.aws.errors import AwsError
from objstore.store.tags import BucketTags

TagSet = Sequence[Mapping[str, str]]
"""The member of that name."""

MOST_OF_OBJECT: Final = 10
MOST_OF_BUCKET: Final = 50
MOST_OF_KEY: Final = 128
MOST_OF_VALUE: Final = 256
"""The last two in characters."""

_SYSTEM: Final = "aws:"
_PUNCTUATION: Final = frozenset("+-=._:/@")
_HEADER: Final = "x-amz-tagging"
_HEADER_MESSAGE: Final = (
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "
    "duplicates."
)


def of_object(tag_set: TagSet) -> dict[str, str]:
    """The tags of a document for an object. Raises InvalidTag."""
    pairs = _pairs(tag_set)
    if len(pairs) > MOST_OF_OBJECT:
        # AWS says BadRequest here, Ceph and the public tests of S3 InvalidTag.
        raise AwsError("InvalidTag", f"Object tags cannot be greater than {MOST_OF_OBJECT}")
    return _checked(pairs)


def of_bucket(tag_set: TagSet) -> BucketTags | None:
    """The tags of a document for a bucket, None when there are none. Raises InvalidTag, BadRequest."""
    pairs = _pairs(tag_set)
    if len(pairs) > MOST_OF_BUCKET:
        raise AwsError("BadRequest", f"Bucket tag count cannot be greater than {MOST_OF_BUCKET}")
    return BucketTags(tuple(_checked(pairs).items())) if pairs else None


def from_header(text: str | None) -> dict[str, str]:
    """The tags in an `x-amz-tagging` header. Raises InvalidArgument, InvalidTag, BadRequest."""
    if not text:
        return {}
    try:
        pairs = [_decoded(part) for part in text.split("&") if part]
    except UnicodeDecodeError:
        raise _unreadable(text) from None
    if len({key for key, _ in pairs}) != len(pairs):
        raise _unreadable(text)
    if len(pairs) > MOST_OF_OBJECT:
        raise AwsError("BadRequest", f"Object tags cannot be greater than {MOST_OF_OBJECT}")
    return _checked(pairs)


def members(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as the member TagSet."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _pairs(tag_set: TagSet) -> list[tuple[str, str]]:
    return [(tag["Key"], tag["Value"]) for tag in tag_set]


def _decoded(part: str) -> tuple[str, str]:
    key, _, value = part.replace("+", " ").partition("=")
    return unquote_to_bytes(key).decode(), unquote_to_bytes(value).decode()


def _unreadable(text: str) -> AwsError:
    return AwsError("InvalidArgument", _HEADER_MESSAGE, ArgumentName=_HEADER, ArgumentValue=text)


def _checked(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The tags in order of their keys, as they are shown."""
    tags: dict[str, str] = {}
    for key, value in sorted(pairs):
        if not 1 <= len(key) <= MOST_OF_KEY or not _allowed(key):
            raise AwsError("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > MOST_OF_VALUE or not _allowed(value):
            raise AwsError("InvalidTag", "The TagValue you have provided is invalid", TagKey=key, TagValue=value)
        if key.lower().startswith(_SYSTEM):
            raise AwsError("InvalidTag", "System tags cannot be added/updated by requester", TagKey=key)
        if key in tags:
            raise AwsError("InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=key)
        tags[key] = value
    return tags


def _allowed(text: str) -> bool:
    """Letters, digits and spaces of any script, and a few signs."""
    return all(char in _PUNCTUATION or unicodedata.category(char)[0] in "LNZ" for char in text)
