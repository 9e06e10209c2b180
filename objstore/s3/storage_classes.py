"""Storage classes: STANDARD, and REDUCED_REDUNDANCY with one drive less of parity.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
"""

from __future__ import annotations

from typing import Final

from objstore.aws.errors import AwsError

STANDARD: Final = "STANDARD"
_KNOWN: Final = frozenset({STANDARD, "REDUCED_REDUNDANCY"})


def check(name: str | None) -> str:
    """The storage class asked for, STANDARD by default; raises InvalidStorageClass."""
    if name is None:
        return STANDARD
    if name not in _KNOWN:
        raise AwsError("InvalidStorageClass", StorageClassRequested=name)
    return name


def shown(name: str) -> str | None:
    """The storage class as GetObject tells it: STANDARD goes without saying."""
    return None if name == STANDARD else name
