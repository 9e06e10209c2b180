"""User metadata, the `x-amz-meta-*` headers: at most 2 KiB of names and values.

Header values are ASCII, so a value outside of it travels as RFC 2047 encoded words (`=?UTF-8?B?...?=`). It is stored
decoded and encoded again for every answer. A client that sends bare UTF-8 all the same is understood.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header

from objstore.aws.errors import AwsError

MAX_BYTES = 2048

_CHARSETS = re.compile(
    r"(us-)?ascii|utf-?8|iso-8859-\d{1,2}|latin-?1|windows-125\d|koi8-r|euc-(jp|kr)|shift_jis|gb18030|big5"
)


def accept(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata as it is stored: names in lower case, values decoded. Raises MetadataTooLarge."""
    stored = {name.lower(): _decode(value) for name, value in metadata.items()}
    size = sum(len(name) + len(value.encode("utf-8", "surrogateescape")) for name, value in stored.items())
    if size > MAX_BYTES:
        raise AwsError("MetadataTooLarge", Size=size, MaxSizeAllowed=MAX_BYTES)
    return stored


def present(metadata: Mapping[str, str]) -> dict[str, str]:
    """Stored metadata as it goes into headers."""
    return {name: value if _plain(value) else _encode(value) for name, value in metadata.items()}


def _plain(value: str) -> bool:
    return value.isascii() and (value.isprintable() or value.replace("\t", " ").isprintable())


def _encode(value: str) -> str:
    data = base64.b64encode(value.encode("utf-8", "surrogateescape"))
    return f"=?UTF-8?B?{data.decode('ascii')}?="


def _decode(value: str) -> str:
    if not value.isascii():
        return _from_latin(value)
    if not (value.startswith("=?") and value.endswith("?=")):
        return value
    try:
        pieces = decode_header(value)
        return "".join(piece if isinstance(piece, str) else piece.decode(_known(charset)) for piece, charset in pieces)
    except (HeaderParseError, LookupError, UnicodeDecodeError, ValueError):
        return value


def _known(charset: str | None) -> str:
    """A character set that clients use. Raises LookupError: others of Python's make what is no text."""
    name = (charset or "ascii").lower()
    if not _CHARSETS.fullmatch(name):
        raise LookupError(name)
    return name


def _from_latin(value: str) -> str:
    """HTTP servers hand the bytes of a header over as Latin-1: bare UTF-8 comes out of it by going back."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
