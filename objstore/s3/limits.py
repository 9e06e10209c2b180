"""Numbers in requests: sizes of pages and numbers of parts, and what is said when they are out of bounds.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from __future__ import annotations

from objstore.aws.errors import AwsError
from objstore.store.types import MAX_PARTS

MAX_PAGE = 1000
_MAX_INT = (1 << 31) - 1


def page_size(value: int | None, name: str, *, most: int = MAX_PAGE, least: int = 0) -> int:
    """How many entries a page has: what the client asked for, cut to `most`. Raises InvalidArgument."""
    if value is None:
        return most
    if not least <= value <= _MAX_INT:
        raise AwsError(
            "InvalidArgument",
            f"Argument {name} must be an integer between {least} and {_MAX_INT}",
            ArgumentName=name,
            ArgumentValue=value,
        )
    return min(value, most)


def part_number(value: int) -> int:
    """A number that a part may have; raises InvalidArgument."""
    if not 1 <= value <= MAX_PARTS:
        raise AwsError(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=value,
        )
    return value


def part_marker(value: int | None) -> int:
    """The number behind which a page of parts begins, 0 without; raises InvalidArgument."""
    if value is None:
        return 0
    if not 0 <= value <= _MAX_INT:
        raise AwsError(
            "InvalidArgument",
            f"Argument part-number-marker must be an integer between 0 and {_MAX_INT}",
            ArgumentName="part-number-marker",
            ArgumentValue=value,
        )
    return value
