"""Which snapshot of the catalog to begin with: the newest that is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import apsw

from erasure import SHARD_HEADER, TooFewShards
from objstore.blobs.records import PAGE, Record
from objstore.catalog.dumping import DumpBroken, Head, load
from objstore.catalog.errors import SchemaTooNew
from objstore.jobs.restore.shelves import BlobFiles
from objstore.store import catalog_snapshots


@dataclass(frozen=True, slots=True)
class Candidate:
    """A snapshot of the catalog, as its record tells of it."""

    files: BlobFiles
    record: Record

    @property
    def taken_us(self) -> int:
        return catalog_snapshots.taken_us(self.record)

    def content(self) -> Iterator[bytes]:
        """Its bytes. Raises TooFewShards."""
        return self.files.content(SHARD_HEADER + PAGE, self.record.stored)


def candidates(blobs: Mapping[bytes, BlobFiles]) -> list[Candidate]:
    """All snapshots that the drives tell of, newest first."""
    found = []
    for files in blobs.values():
        records = (files.record(shard, SHARD_HEADER) for shard in sorted(files.shards))
        record = next((one for one in records if one is not None), None)
        if record is not None and catalog_snapshots.is_snapshot(record):
            found.append(Candidate(files, record))
    return sorted(found, key=lambda one: one.taken_us, reverse=True)


def read(candidate: Candidate, deployment: str, connection: apsw.Connection) -> Head:
    """Fill an empty database with a snapshot. Raises DumpBroken, SchemaTooNew, with the reason."""
    try:
        head = load(candidate.content(), connection)
    except TooFewShards as error:
        raise DumpBroken(str(error)) from error
    if head.deployment != deployment:
        raise DumpBroken(f"it is of another deployment ({head.deployment})")
    found = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise DumpBroken(f"what it holds is not sound: {found[0]}")
    return head


__all__ = ["Candidate", "DumpBroken", "SchemaTooNew", "candidates", "read"]
