"""`encoding-type=url`: names in a listing percent-encoded, because XML 1.0 cannot carry every key.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html#API_ListObjectsV2_RequestSyntax
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from objstore.aws.errors import AwsError

Encoder = Callable[[str], str]

_SPACES = str.maketrans("\n\t", "  ")


def encoder(encoding_type: str | None) -> Encoder:
    """How a listing writes names: as they are, or percent-encoded (slashes stay). Raises InvalidArgument."""
    if not encoding_type:
        return str
    if encoding_type.lower() != "url":
        raise AwsError(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type",
            ArgumentValue=encoding_type,
        )
    return _quote


def bare(text: str) -> bool:
    """Whether XML can carry a text as it is, and percent-decoding would leave it so."""
    return text.translate(_SPACES).isprintable() and not set(text) & set("%+")


def _quote(text: str) -> str:
    return quote(text, safe="/", errors="surrogatepass")
