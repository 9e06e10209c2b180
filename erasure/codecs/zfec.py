"""zfec: Reed-Solomon in portable C, for machines where pyeclib has no wheel. It releases the GIL while it works.

Slower than ISA-L by an order of magnitude, and its parity differs: blobs are read with the codec they were written
with. https://github.com/tahoe-lafs/zfec
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from zfec import Decoder, Encoder  # type: ignore[attr-defined]

from erasure.errors import TooFewShards

if TYPE_CHECKING:
    from erasure.codecs import Buffer


class Zfec:
    """zfec's encoder and decoder for one (data, parity)."""

    def __init__(self, data: int, parity: int) -> None:
        self._data = data
        self._encoder = Encoder(data, data + parity)
        self._decoder = Decoder(data, data + parity)
        self._numbers = tuple(range(data, data + parity))

    def parity(self, block: memoryview, pieces: Sequence[Buffer]) -> Sequence[Buffer]:
        made: list[Buffer] = self._encoder.encode(tuple(pieces), self._numbers)
        return made

    def rebuild(self, pieces: Mapping[int, Buffer], wanted: Collection[int]) -> dict[int, Buffer]:
        if len(pieces) < self._data:
            raise TooFewShards(len(pieces), self._data)
        chosen = tuple(sorted(pieces)[: self._data])
        data: Sequence[Buffer] = tuple(pieces[index] for index in chosen)
        if chosen[-1] >= self._data:
            data = tuple(self._decoder.decode(data, chosen))
        parity = tuple(index for index in wanted if index >= self._data)
        made = self._encoder.encode(data, parity) if parity else ()
        found: dict[int, Buffer] = {index: data[index] for index in wanted if index < self._data}
        found.update(zip(parity, made, strict=True))
        return found
