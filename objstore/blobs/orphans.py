"""Shard files that nothing refers to: of writes that were never published, and of shards that were healed elsewhere.

A worker that dies leaves files behind that no row names. Instances that live are left alone, for they publish soon,
and so is what is young: a heal places a file before it records it.
"""

import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from objstore.blobs.ids import instance_of
from objstore.blobs.types import BlobInfo
from objstore.drives.drive import Drive

YOUNG = 3600.0
"""Seconds for which a file is never an orphan."""


class Orphan(NamedTuple):
    """A shard file and its length in bytes; `Drive.unlink(blob, shard)` removes it."""

    blob: bytes
    shard: int
    size: int


async def orphans(
    drive: Drive, lookup: Callable[[bytes], BlobInfo | None], living: Collection[bytes], young: float
) -> list[Orphan]:
    """The orphans on a drive. `lookup` asks the catalog, `living` are the tags of instances that run now."""
    before = time.time() - young
    found = [
        Orphan(blob, index, size)
        for blob, index, size, changed in await drive.shards()
        if changed < before and instance_of(blob) not in living
    ]
    return [one for one in found if not _belongs(drive, one, lookup(one.blob))]


def _belongs(drive: Drive, one: Orphan, info: BlobInfo | None) -> bool:
    return info is not None and one.shard < len(info.drives) and info.drives[one.shard] == drive.id
