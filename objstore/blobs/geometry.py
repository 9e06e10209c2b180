"""Which layout a new blob gets: the widest that the drives online allow, with the parity promised.

There are no fixed erasure sets. Four drives with parity 2 give 2+2; when one of them is gone, a new blob is 1+2, so
that a write during an outage is as safe as any other. A write counts when `data` shards are durable, one more when
data equals parity: otherwise two halves of a split pool could both say yes.
"""

from erasure import Layout, default_codec
from objstore.blobs.errors import NotEnoughDrives

MAX_WIDTH = 16
MAX_PARITY = 8
BLOCK = 1 << 20
"""Logical bytes of a stripe of new blobs."""


def choose_layout(drives: int, parity: int, *, codec: str | None = None, max_width: int = MAX_WIDTH) -> Layout:
    """The layout of a new blob on `drives` drives that can be written; raises NotEnoughDrives."""
    assert 0 <= parity <= MAX_PARITY, "parity is 0 to 8 shards"
    data = min(drives, max_width) - parity
    if data < 1:
        raise NotEnoughDrives(drives, parity)
    return Layout(data, parity, BLOCK, codec=codec or default_codec())


def reduced_parity(parity: int) -> int:
    """The parity of the storage class REDUCED_REDUNDANCY in a pool whose parity is `parity`."""
    return max(1, parity - 1) if parity else 0


def write_quorum(layout: Layout) -> int:
    """Shards that must be durable before a write counts."""
    needed = layout.data + 1 if layout.data == layout.parity else layout.data
    return min(needed, layout.width)
