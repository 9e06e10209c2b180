"""Ranged reads: which frames of an append hold the bytes that are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from erasure.layout import Layout


@dataclass(frozen=True, slots=True)
class Plan:
    """The stripes that a read of logical bytes [start, start + take) of an append touches, and how to cut the result.

    Of every shard file read, the frames of stripes `first` to `first + count` lie in `length` bytes at `offset` from
    where the append's frames begin. Of the logical bytes of these stripes `skip` go before the range. `shards` are the
    data shards that hold the range: all of them once it spans stripes, fewer for a short read inside one block.
    """

    size: int
    first: int
    count: int
    offset: int
    length: int
    skip: int
    take: int
    shards: range


def plan(layout: Layout, size: int, start: int, length: int) -> Plan:
    """What to read of each shard for logical bytes [start, start + length) of an append of `size` bytes.

    Raises ValueError where the range is not inside the append. An empty range needs no stripes.
    """
    if not 0 <= start <= start + length <= size:
        raise ValueError(f"bytes {start} to {start + length} are not inside an append of {size} bytes")
    if length == 0:
        return Plan(size, 0, 0, 0, 0, 0, 0, range(0))
    block = layout.block_size
    first, skip = divmod(start, block)
    end = start + length
    count = layout.stripes(end) - first
    offset = first * layout.frame(block)
    framed = layout.framed(min((first + count) * block, size)) - offset
    shards = range(layout.data)
    if count == 1:
        piece = layout.shard_block(layout.block_len(size, first))
        shards = range(skip // piece, (skip + length - 1) // piece + 1)
    return Plan(size, first, count, offset, framed, skip, length, shards)


def steps(layout: Layout, size: int, start: int, length: int, stripes: int) -> Iterator[Plan]:
    """The same range as consecutive plans of at most `stripes` stripes each, to stream with bounded memory."""
    end = start + length
    if not 0 <= start <= end <= size or stripes < 1:
        raise ValueError(f"bytes {start} to {end} of {size} cannot be read in steps of {stripes} stripes")
    while start < end:
        stop = min((start // layout.block_size + stripes) * layout.block_size, end)
        yield plan(layout, size, start, stop - start)
        start = stop
