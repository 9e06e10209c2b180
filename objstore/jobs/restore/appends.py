"""What is in a blob, told by the records in front of its appends, and proved by their frames.

A record says what an append is and how many bytes it holds. Whether they are there is told by their frames, which are
hashed with blob, shard and place: what a client wrote into an object to look like a record proves nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from erasure import SHARD_HEADER
from objstore.blobs.records import PAGE, Record, pack_record
from objstore.blobs.types import span_of
from objstore.jobs.restore.shelves import BlobFiles


@dataclass(frozen=True, slots=True)
class Found:
    """An append: `good` are the shards that hold all of it."""

    files: BlobFiles
    offset: int
    head: int
    record: Record
    good: frozenset[int]

    @property
    def span(self) -> int:
        """Bytes that it occupies in each shard file."""
        return span_of(self.files.layout, self.head, self.record.stored)

    @property
    def readable(self) -> bool:
        return len(self.good) >= self.files.layout.data


def walk(files: BlobFiles, known: Sequence[tuple[int, int]] = ()) -> Iterator[Found]:
    """The appends of a blob, in order, outside of the ranges (offset, span) that are `known`."""
    starts = [offset for offset, _ in known]
    at = SHARD_HEADER
    while at < files.length:
        before = bisect_right(starts, at) - 1
        if before >= 0 and at < starts[before] + known[before][1]:
            at = starts[before] + known[before][1]
            continue
        found = _at(files, at)
        if found is not None:
            yield found
            at += found.span
        else:
            at = max(at + PAGE, min(files.next_data(shard, at) for shard in files.shards))


def _at(files: BlobFiles, offset: int) -> Found | None:
    """The append at a place, if there is one that any shard has whole."""
    for shard in sorted(files.shards):
        record = files.record(shard, offset)
        if record is None or record.stored <= 0:
            continue
        for head in sorted({len(pack_record(record)), PAGE}):
            at, size = offset + head, record.stored
            good = frozenset(one for one in files.shards if files.holds(one, at, size))
            if good:
                return Found(files, offset, head, record, good)
    return None
