"""What the erasure tests draw from: layouts small enough to try thousands, appends, and their framed shard files."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

import erasure
from erasure import Layout

CODECS = ("isal", "zfec")

layouts = st.builds(
    Layout,
    data=st.integers(1, 16),
    parity=st.integers(0, 8),
    block_size=st.integers(1, 200),
    codec=st.sampled_from(CODECS),
)
blob_ids = st.binary(min_size=16, max_size=16)
offsets = st.sampled_from((0, 4096, 4096 * 77, 1 << 40))


@dataclass(frozen=True)
class Append:
    """Some bytes and the frames that coding gave, one file for each shard; `offset` is where the frames belong."""

    layout: Layout
    blob: bytes
    offset: int
    data: bytes
    files: list[bytes]

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, plan: erasure.Plan, shards: object) -> bytes:
        """The planned range, read from the shards named, as a reader does it."""
        payloads = {}
        for index in shards:  # type: ignore[attr-defined]
            framed = self.files[index][plan.offset : plan.offset + plan.length]
            payloads[index] = erasure.verify(
                self.layout, self.blob, index, self.offset, framed, self.size, plan.first, plan.count
            )
        return b"".join(erasure.decode(self.layout, plan, payloads))


def append(layout: Layout, data: bytes, blob: bytes = bytes(range(16)), offset: int = 4096) -> Append:
    files = [b"".join(buffers) for buffers in erasure.encode(layout, blob, offset, data)]
    return Append(layout, blob, offset, data, files)


@st.composite
def appends(draw: st.DrawFn, min_size: int = 0, min_parity: int = 0) -> Append:
    """An append of a few stripes, often with a short last block."""
    layout = draw(layouts.filter(lambda layout: layout.parity >= min_parity))
    size = draw(st.integers(min_size, max(min_size, layout.block_size * 4)))
    data = draw(st.randoms(use_true_random=False)).randbytes(size)
    return append(layout, data, draw(blob_ids), draw(offsets))


def some_shards(draw: st.DataObject, layout: Layout) -> list[int]:
    """Any `data` of the shards, in any order."""
    return draw.draw(st.permutations(range(layout.width)))[: layout.data]
