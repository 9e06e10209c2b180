"""Encoding without stopping the event loop for long.

ISA-L codes a stripe in a fraction of a millisecond but holds the GIL, so a thread would only add hops: stripes are
coded on the loop, which gets its turn between them. zfec is slower and lets the GIL go: it has a thread.
"""

import asyncio
from collections.abc import Sequence

import erasure
from erasure import Buffer, Layout

INLINE = 64 << 10
"""Bytes that are coded on the loop whatever the codec."""


async def encode(layout: Layout, blob_id: bytes, offset: int, parts: Sequence[Buffer]) -> list[list[Buffer]]:
    """As `erasure.encode` for the parts put together; each of them is whole blocks, the last may end with a short
    one."""
    if len(parts) == 1 and len(parts[0]) <= layout.block_size and (len(parts[0]) <= INLINE or not _slow(layout)):
        return erasure.encode(layout, blob_id, offset, parts[0])
    loop = asyncio.get_running_loop()
    shards: list[list[Buffer]] = [[] for _ in range(layout.width)]
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), layout.block_size):
            block = view[start : start + layout.block_size]
            if _slow(layout):
                stripe = await loop.run_in_executor(None, erasure.encode, layout, blob_id, offset, block)
            else:
                stripe = erasure.encode(layout, blob_id, offset, block)
                await asyncio.sleep(0)
            for shard, buffers in zip(shards, stripe, strict=True):
                shard += buffers
            offset += layout.framed(len(block))
    return shards


def _slow(layout: Layout) -> bool:
    return layout.codec == "zfec" and layout.data > 1 and layout.parity > 0
