"""Codecs: the mathematics of one stripe, behind one protocol.

A codec sees payloads only, all of one length; frames, hashes and files are not its business. Every codec here is
systematic (the data shards are the bytes themselves), so only parity is ever computed on the way in, and nothing at
all on the way out while the data shards are there. Without parity, or with one data shard (replication), there is no
mathematics and the codec's name makes no difference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Protocol

from erasure.codecs.copies import Copies
from erasure.errors import CodecUnavailable, LayoutInvalid

Buffer = bytes | bytearray | memoryview


class Codec(Protocol):
    """What coding one stripe needs."""

    def parity(self, block: memoryview, pieces: Sequence[Buffer]) -> Sequence[Buffer]:
        """The parity payloads of a stripe, given whole (`block`, not padded) and as its equal, padded data `pieces`."""
        ...

    def rebuild(self, pieces: Mapping[int, Buffer], wanted: Collection[int]) -> dict[int, Buffer]:
        """The payloads of the `wanted` shards from at least `data` others, given by shard index."""
        ...


def default_codec() -> str:
    """The codec to choose for new layouts: "isal" where pyeclib's library loads, else "zfec"."""
    try:
        codec("isal", 2, 1)
    except CodecUnavailable:
        return "zfec"
    return "isal"


@cache
def codec(name: str, data: int, parity: int) -> Codec:
    """The codec `name` for `data` + `parity` shards, made once. Raises CodecUnavailable, LayoutInvalid."""
    if data == 1 or parity == 0:
        return Copies(data, parity)
    try:
        match name:
            case "isal":
                from erasure.codecs.isal import Isal

                return Isal(data, parity)
            case "zfec":
                from erasure.codecs.zfec import Zfec

                return Zfec(data, parity)
    except ImportError as error:
        raise CodecUnavailable(f"codec {name} needs a library that is not installed: {error}") from error
    raise LayoutInvalid(f"there is no codec named {name!r}")
