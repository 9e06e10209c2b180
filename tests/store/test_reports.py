"""What blobs find out reaches the queues once, and waits where nothing can be written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from objstore.blobs.types import BlobInfo, Extent, Span, Written
from objstore.catalog.errors import ReadOnly
from objstore.store import repair
from objstore.store.reports import Reports
from tests.store.fakes import INSTANCE, MemoryCatalog, record

BLOB = b"\0" * 6 + INSTANCE + b"random"
INFO = BlobInfo(BLOB, (2, 1, 1 << 20, "isal"), ("a", "b", "c"))
WRITTEN = Written((Extent(BLOB, 4096, 64, 100, 0, 100),), (INFO,), (Span(BLOB, 4096, 4096),))


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
        record(catalog, WRITTEN)
        reports = Reports(catalog)  # type: ignore[arg-type]
        for _ in range(3):
            reports.damaged(BLOB, 2, 4096, "a flipped bit")
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


def test_that_reports_wait_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        catalog = Refusing()
        record(catalog, WRITTEN)
        reports = Reports(catalog)  # type: ignore[arg-type]
        for refuses in (True, True, False, True):
            catalog.refuses = refuses
            reports.damaged(BLOB, 2, 4096, "a flipped bit")
            await reports.flush()

    asyncio.run(main())
    assert [one.message for one in caplog.records if "wait" in one.message] == [
        "1 reports about blobs wait: the store is read-only: a test"
    ] * 2


def test_no_more_reports_wait_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a read-only catalog and a drive gone bad, every object that is read tells."""
    monkeypatch.setattr("objstore.store.reports.MOST", 2)

    async def main() -> None:
        catalog = Refusing()
        record(catalog, WRITTEN)
        reports = Reports(catalog)  # type: ignore[arg-type]
        for shard in range(3):
            reports.damaged(BLOB, shard, 4096, "hash does not match")
        await reports.flush()
        catalog.refuses = False
        await reports.flush()
        assert [one.shard for one in repair.missing_shards(catalog, sealed=False)] == [0, 1]
        reports.damaged(BLOB, 2, 4096, "hash does not match")
        await reports.flush()
        assert [one.shard for one in repair.missing_shards(catalog, sealed=False)] == [0, 1, 2]

    asyncio.run(main())


def test_what_is_told_of_an_append_that_is_gone_is_not_entered() -> None:
    """Its space was given back while somebody read it, or before: of course no shard has it."""

    async def main() -> None:
        catalog = MemoryCatalog()
        record(catalog, WRITTEN)
        reports = Reports(catalog)  # type: ignore[arg-type]
        for shard in range(3):
            reports.damaged(BLOB, shard, 8192, "hash does not match")
        await reports.flush()
        assert repair.missing_shards(catalog, sealed=False) == []

    asyncio.run(main())
