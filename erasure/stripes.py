"""Bytes to frames, payloads to bytes, frames to the frames of other shards.

All three walk stripe by stripe and copy nothing that they need not: data payloads on the way in are slices of the
caller's buffer, and on the way out slices of what was read. The caller must not change a buffer while its slices are
in use.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from erasure.codecs import Buffer, codec
from erasure.errors import TooFewShards
from erasure.frames import check_blob_id, frame_hash, verify
from erasure.layout import HASH, Layout
from erasure.ranges import Plan


def encode(layout: Layout, blob_id: bytes, offset: int, data: Buffer) -> list[list[Buffer]]:
    """Code `data` and return, for each shard index, the buffers to write one after another at `offset` of its file.

    `data` is any number of whole blocks, or ends with the append's short last one; a long append is coded in several
    calls, each with the offset that the frames of the one before end at (`offset + layout.framed(len(data))`).
    """
    check_blob_id(blob_id)
    coder = codec(layout.codec, layout.data, layout.parity)
    view = memoryview(data).cast("B")
    shards: list[list[Buffer]] = [[] for _ in range(layout.width)]
    for start in range(0, len(view), layout.block_size):
        block = view[start : start + layout.block_size]
        pieces = _cut(block, layout.data)
        payloads = (*pieces, *coder.parity(block, pieces))
        for index, payload in enumerate(payloads):
            shards[index] += (frame_hash(payload, blob_id, index, offset), payload)
        offset += HASH + len(payloads[0])
    return shards


def decode(layout: Layout, plan: Plan, shards: Mapping[int, Sequence[Buffer]]) -> list[memoryview]:
    """The bytes of the planned range, as views in order.

    `shards` gives, by shard index, the verified payloads of the plan's stripes (what `verify` returned). With the data
    shards of `plan.shards` nothing is computed or copied; without one of them any `layout.data` shards do. Raises
    TooFewShards.
    """
    views: list[memoryview] = []
    skip, left = plan.skip, plan.take
    for step in range(plan.count):
        block = layout.block_len(plan.size, plan.first + step)
        piece = layout.shard_block(block)
        end = min(skip + left, block)
        needed = range(skip // piece, (end - 1) // piece + 1)
        found = _gather(layout, {index: shard[step] for index, shard in shards.items()}, needed)
        for index in needed:
            base = index * piece
            views.append(memoryview(found[index])[max(skip - base, 0) : min(end - base, piece)])
        left -= end - skip
        skip = 0
    return views


def reconstruct(
    layout: Layout,
    blob_id: bytes,
    offset: int,
    size: int,
    shards: Mapping[int, Buffer],
    wanted: Collection[int],
    *,
    first: int = 0,
    count: int | None = None,
) -> dict[int, list[Buffer]]:
    """The frames of the `wanted` shards, byte for byte what `encode` gave, from the frames of at least `data` others.

    `offset` is where the frames of the append (of `size` logical bytes) begin in every shard file. By default
    `shards` holds the frames of the whole append; to work in steps, pass those of stripes `first` to `first + count`,
    and the result is theirs. Frames are verified before use: raises ShardCorrupt, TooFewShards.
    """
    if count is None:
        count = layout.stripes(size) - first
    if len(shards) < layout.data:
        raise TooFewShards(len(shards), layout.data)
    chosen = sorted(shards)[: layout.data]
    payloads = {index: verify(layout, blob_id, index, offset, shards[index], size, first, count) for index in chosen}
    made: dict[int, list[Buffer]] = {index: [] for index in wanted}
    at = offset + first * layout.frame(layout.block_size)
    for step in range(count):
        found = _gather(layout, {index: payloads[index][step] for index in chosen}, wanted)
        for index in wanted:
            made[index] += (frame_hash(found[index], blob_id, index, at), found[index])
        at += layout.frame(layout.block_len(size, first + step))
    return made


def _cut(block: memoryview, data: int) -> list[Buffer]:
    """The block as `data` pieces of equal length; those that reach past its end are copied and padded with zeros."""
    length = len(block)
    piece = -(-length // data)
    whole = length // piece
    pieces: list[Buffer] = [block[at : at + piece] for at in range(0, whole * piece, piece)]
    pieces += [bytes(block[at * piece :]).ljust(piece, b"\0") for at in range(whole, data)]
    return pieces


def _gather(layout: Layout, pieces: Mapping[int, Buffer], wanted: Collection[int]) -> Mapping[int, Buffer]:
    """The payloads of the wanted shards of one stripe: those at hand, or all rebuilt together."""
    if all(index in pieces for index in wanted):
        return pieces
    missing = [index for index in wanted if index not in pieces]
    return {**pieces, **codec(layout.codec, layout.data, layout.parity).rebuild(pieces, missing)}
