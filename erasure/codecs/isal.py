"""Intel's ISA-L through pyeclib: Reed-Solomon with a Cauchy matrix, of which every k of n shards decode.

pyeclib (https://opendev.org/openstack/pyeclib) puts an 80-byte header in front of every fragment. Our frames replace
it, so it is cut off here; to decode, headers are put back from a template, which a run over zeros gives once for each
payload length, since nothing in the header depends on the data. Payloads are exactly ceil(block / data) bytes: the
library pads the tail of a block with zeros, as we do, and no further. It takes `bytes` only and holds the GIL while it
works.

Its fragments come from malloc. With glibc's defaults, those of large blocks go back to the kernel at once, and faulting
fresh pages in costs several times the coding: measured at 2+2 with 1 MiB blocks, about 2 ms a block, against 0.3-0.4
with `MALLOC_MMAP_THRESHOLD_=4194304 MALLOC_TRIM_THRESHOLD_=33554432` (or `mallopt`). A process that codes much should
set both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from pyeclib.ec_iface import ECDriver, ECDriverError  # type: ignore[attr-defined,unused-ignore]

from erasure.errors import CodecUnavailable, TooFewShards

if TYPE_CHECKING:
    from erasure.codecs import Buffer

_FRAGMENT_HEADER = 80
_TEMPLATES = 64


class Isal:
    """`isa_l_rs_cauchy` for one (data, parity). Never `isa_l_rs_vand`: not every k of its n shards decode."""

    def __init__(self, data: int, parity: int) -> None:
        try:
            self._driver = ECDriver(k=data, m=parity, ec_type="isa_l_rs_cauchy")
        except ECDriverError as error:
            raise CodecUnavailable(f"pyeclib has no isa_l_rs_cauchy here: {error}") from error
        self._data = data
        self._headers = lru_cache(_TEMPLATES)(self._make_headers)

    def parity(self, block: memoryview, pieces: Sequence[Buffer]) -> Sequence[Buffer]:
        fragments = self._driver.encode(_as_bytes(block))
        return [memoryview(fragment)[_FRAGMENT_HEADER:] for fragment in fragments[self._data :]]

    def rebuild(self, pieces: Mapping[int, Buffer], wanted: Collection[int]) -> dict[int, Buffer]:
        if len(pieces) < self._data:
            raise TooFewShards(len(pieces), self._data)
        chosen = sorted(pieces)[: self._data]
        headers = self._headers(len(pieces[chosen[0]]))
        fragments = [b"".join((headers[index], pieces[index])) for index in chosen]
        missing = sorted(set(wanted) - set(chosen))
        made = self._driver.reconstruct(fragments, list(missing))
        found: dict[int, Buffer] = {index: pieces[index] for index in wanted if index in chosen}
        found.update((index, memoryview(made[at])[_FRAGMENT_HEADER:]) for at, index in enumerate(missing))
        return found

    def _make_headers(self, length: int) -> list[bytes]:
        return [fragment[:_FRAGMENT_HEADER] for fragment in self._driver.encode(bytes(length * self._data))]


def _as_bytes(block: memoryview) -> bytes:
    """The block as `bytes`, copied only where it is not one whole `bytes` object already."""
    whole = block.obj
    if isinstance(whole, bytes) and len(whole) == len(block):
        return whole
    return bytes(block)
