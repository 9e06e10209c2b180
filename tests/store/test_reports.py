"""What blobs find out reaches the queues once, and waits where nothing can be written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from objstore.blobs.types import BlobInfo
from objstore.catalog.errors import ReadOnly
from objstore.store import extents, repair
from objstore.store.reports import Reports
from tests.store.fakes import INSTANCE, MemoryCatalog

BLOB = b"\0" * 6 + INSTANCE + b"random"
INFO = BlobInfo(BLOB, (2, 1, 1 << 20, "isal"), ("a", "b", "c"))


class Refusing(MemoryCatalog):
    """Read-only until told otherwise."""

    refuses = True

    async def write(self, fn: Callable[[Any], Any]) -> Any:
        if self.refuses:
            raise ReadOnly("a test")
        return await super().write(fn)


def test_reports_are_entered_once_and_kept_until_they_can_be() -> None:
    async def main() -> None:
        catalog = Refusing()
        extents.note_blob(catalog, INFO)
        reports = Reports(catalog)  # type: ignore[arg-type]
        for _ in range(3):
            reports.damaged(BLOB, 2, "a flipped bit")
        reports.sealed(BlobInfo(BLOB, INFO.geometry, INFO.drives, {}, True, 8192))
        await reports.flush()
        assert repair.missing_shards(catalog, sealed=False) == []
        catalog.refuses = False
        await reports.flush()
        assert repair.missing_shards(catalog) == [repair.MissingShard(BLOB, 2, "c", 0)]
        statements = catalog.statements
        await reports.flush()
        assert catalog.statements == statements

    asyncio.run(main())
