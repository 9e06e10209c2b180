"""The `Range` header of GetObject and HeadObject, and the stricter `x-amz-copy-source-range` of UploadPartCopy.

One range of bytes: `bytes=0-9`, `bytes=10-`, `bytes=-5`. What AWS does not understand (another unit, several ranges,
a last byte before the first) it takes for no range at all and answers with the whole object.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html and RFC 9110, section 14
"""

from __future__ import annotations

import re

from objstore.aws.errors import AwsError

Span = tuple[int, int]
"""(start, length) in bytes."""

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*", re.ASCII | re.IGNORECASE)
_COPY_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})", re.ASCII)


def parse(header: str, size: int) -> Span | None:
    """The bytes asked for of an object of `size` bytes, cut to what is there; None when the header is to be ignored.

    Raises InvalidRange when nothing of the range is there.
    """
    match = _RANGE.fullmatch(header)
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise AwsError("InvalidRange", RangeRequested=header, ActualObjectSize=size)
    return start, end - start


def parse_copy(header: str) -> Span:
    """The bytes of a copy source: first and last must be there. Raises InvalidArgument."""
    match = _COPY_RANGE.fullmatch(header)
    if match is None or int(match.group(2)) < int(match.group(1)):
        raise AwsError(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
            "zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    first, last = int(match.group(1)), int(match.group(2))
    return first, last - first + 1


def content_range(span: Span, size: int) -> str:
    """The `Content-Range` of an answer that carries this span."""
    start, length = span
    return f"bytes {start}-{start + length - 1}/{size}"
