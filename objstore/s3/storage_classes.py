"""Storage classes: STANDARD, REDUCED_REDUNDANCY with one drive less of parity, and those that the settings add.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from objstore.aws.errors import AwsError
from objstore.store.store import Store

STANDARD: Final = "STANDARD"


def known(store: Store) -> Collection[str]:
    """The storage classes of this store."""
    return store.storage_classes.keys()


def check(name: str | None, store: Store) -> str:
    """The storage class asked for, STANDARD by default; raises InvalidStorageClass."""
    if name is None:
        return STANDARD
    if name not in known(store):
        raise AwsError("InvalidStorageClass", StorageClassRequested=name)
    return name


def shown(name: str) -> str | None:
    """The storage class as GetObject tells it: STANDARD goes without saying."""
    return None if name == STANDARD else name
