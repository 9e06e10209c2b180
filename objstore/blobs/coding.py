"""Encoding without stopping the event loop for long.

ISA-L codes a stripe in a fraction of a millisecond but holds the GIL, so a thread would only add hops: stripes are
coded on the loop, which gets its turn between them. zfec is slower and lets the GIL go: it has a thread.
"""

import asyncio

import erasure
from erasure import Buffer, Layout

INLINE = 64 << 10
"""Bytes that are coded on the loop whatever the codec."""


async def encode(layout: Layout, blob_id: bytes, offset: int, data: Buffer) -> list[list[Buffer]]:
    """As `erasure.encode`: whole blocks, or with the short last one, into the buffers of each shard at `offset`."""
    if len(data) <= INLINE or (len(data) <= layout.block_size and not _slow(layout)):
        return erasure.encode(layout, blob_id, offset, data)
    if _slow(layout):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, erasure.encode, layout, blob_id, offset, data)
    shards: list[list[Buffer]] = [[] for _ in range(layout.width)]
    view = memoryview(data)
    for start in range(0, len(view), layout.block_size):
        stripe = erasure.encode(layout, blob_id, offset, view[start : start + layout.block_size])
        for shard, buffers in zip(shards, stripe, strict=True):
            shard += buffers
        offset += layout.frame(layout.block_size)
        await asyncio.sleep(0)
    return shards


def _slow(layout: Layout) -> bool:
    return layout.codec == "zfec" and layout.data > 1 and layout.parity > 0
