"""The codec of layouts that need none: replication (one data shard) and plain striping (no parity)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from erasure.errors import TooFewShards

if TYPE_CHECKING:
    from erasure.codecs import Buffer


class Copies:
    """Parity shards are the one data shard again; without parity nothing can be rebuilt."""

    def __init__(self, data: int, parity: int) -> None:
        self._data = data
        self._parity = parity

    def parity(self, block: memoryview, pieces: Sequence[Buffer]) -> Sequence[Buffer]:
        return [pieces[0]] * self._parity

    def rebuild(self, pieces: Mapping[int, Buffer], wanted: Collection[int]) -> dict[int, Buffer]:
        if (self._data > 1 and not pieces.keys() >= set(wanted)) or not pieces:
            raise TooFewShards(len(pieces), self._data)
        if self._data > 1:
            return {index: pieces[index] for index in wanted}
        source = next(iter(pieces.values()))
        return dict.fromkeys(wanted, source)
