"""Buckets of many keys, made while no server runs: by the transaction of CopyObject, thousands in one commit.

The rows are those that as many requests would have left; only the way of each request through the wire is saved.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from objstore.catalog.catalog import Catalog, attach
from objstore.catalog.startup import start
from objstore.catalog.transaction import Transaction
from objstore.drives.pool import Pool
from objstore.store import objects
from objstore.store.types import ALWAYS, ObjectName, Stamp, Version

PREFIXES = 100
"""So many prefixes has every bucket, whatever its number of keys."""
_TOGETHER = 5000


def keys(count: int) -> Iterator[str]:
    """`count` keys, evenly below PREFIXES prefixes, in order."""
    each = count // PREFIXES
    return (f"prefix-{prefix:04d}/key-{number:06d}" for prefix in range(PREFIXES) for number in range(each))


def fill(drives: Sequence[Path], source: ObjectName, buckets: dict[str, int]) -> None:
    """Put copies of an object at the keys of each bucket: how many by its name. The server must not run."""
    pool = Pool.open(drives, strict=False)
    try:
        with tempfile.TemporaryDirectory(prefix="objstore-bench-") as runtime:
            start(pool, Path(runtime), strict=False)
            catalog = attach(pool, Path(runtime), strict=False)
            try:
                asyncio.run(_fill(catalog, source, buckets))
            finally:
                catalog.close()
    finally:
        pool.close()


async def _fill(catalog: Catalog, source: ObjectName, buckets: dict[str, int]) -> None:
    for bucket, count in buckets.items():
        left = keys(count)
        while some := list(islice(left, _TOGETHER)):
            now_us = time.time_ns() // 1000

            def copy(tx: Transaction, bucket: str = bucket, some: list[str] = some, now_us: int = now_us) -> None:
                for key in some:
                    objects.copy(tx, source, bucket, key, lambda found: _draft(found, now_us), ALWAYS, ALWAYS)

            await catalog.write(copy)
            await catalog.maintain()  # what the jobs process does: moves the log into the file


def _draft(found: Version, now_us: int) -> Version:
    stamp = Stamp(now_us, f"{now_us:016x}")
    return msgspec.structs.replace(
        found, version_id=stamp.version_id, ord=stamp.now_us, modified_us=now_us, payload=None, manifest=None
    )
