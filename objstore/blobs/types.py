"""What blobs hand out: extents, what is known of a blob, and what a write left behind.

Three numbers describe where bytes are. An *append* of `size` logical bytes begins in every shard file of its blob at
`offset`, a multiple of 4 KiB: first its record (`head` bytes), then its frames. An *extent* is a slice of an append, so
that copies and parts share bytes. A *span* is what an append occupies in each shard file, so that it can be punched.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from erasure import SHARD_HEADER, Layout

PAGE = 4096


class Extent(msgspec.Struct, frozen=True, array_like=True):
    """The logical bytes [start, start + length) of the append of `size` bytes at `offset` of a blob's shard files."""

    blob: bytes
    offset: int
    head: int
    size: int
    start: int
    length: int

    def slice(self, start: int, length: int) -> "Extent":
        """The part [start, start + length) of this extent, as an extent."""
        assert start >= 0 and length >= 0 and start + length <= self.length, "a slice lies inside its extent"
        return Extent(self.blob, self.offset, self.head, self.size, self.start + start, length)

    def span(self, layout: Layout) -> int:
        """Bytes that the whole append occupies in each shard file, 4 KiB pages."""
        return span_of(layout, self.head, self.size)


def span_of(layout: Layout, head: int, size: int) -> int:
    """Bytes that a record of `head` bytes and the frames of `size` logical bytes occupy, in 4 KiB pages."""
    return -(-(head + layout.framed(size)) // PAGE) * PAGE


class BlobInfo(msgspec.Struct, frozen=True, array_like=True):
    """A container: `drives` by shard index; `missing` maps a shard to the offset from which it lacks what was appended.

    `missing[shard] == 0` says that the whole shard file is to be made again. `length` is the length of the shard files,
    as far as appends are known. `moved` says that bytes of it were moved to other blobs: ask where an extent is.
    """

    id: bytes
    geometry: tuple[int, int, int, str]
    drives: tuple[str, ...]
    missing: dict[int, int] = {}
    sealed: bool = False
    length: int = SHARD_HEADER
    moved: bool = False

    @property
    def layout(self) -> Layout:
        return layout_of(self.geometry)

    def has(self, shard: int, offset: int) -> bool:
        """Whether the shard is expected to hold the append at `offset`."""
        return self.missing.get(shard, offset + 1) > offset


class Append(NamedTuple):
    """One append of a blob as the catalog lists it, for whoever checks or rebuilds the whole blob."""

    offset: int
    head: int
    size: int

    def span(self, layout: Layout) -> int:
        """Bytes that it occupies in each shard file."""
        return span_of(layout, self.head, self.size)


class Span(NamedTuple):
    """A range of every shard file of a blob."""

    blob: bytes
    offset: int
    span: int


class Left(NamedTuple):
    """What a drive may hold that did not answer when it was to be given back: a range of a shard file, all of it where
    `span` is 0."""

    drive: str
    blob: bytes
    shard: int
    offset: int = 0
    span: int = 0


Leaves = Callable[[Left], None]
"""Told of what is to be given back once its drive answers."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a finished write left: to be recorded in the transaction that publishes it.

    `blobs` tells for every blob touched what is known to be missing now; a later write of the same blob may tell
    more, so a recorder keeps the lower offset of each shard. One that is sealed holds this write alone; of any other
    the recorder was told as it was opened.
    """

    extents: tuple[Extent, ...] = ()
    blobs: tuple[BlobInfo, ...] = ()
    spans: tuple[Span, ...] = ()


_layouts: dict[tuple[int, int, int, str], Layout] = {}


def layout_of(geometry: tuple[int, int, int, str]) -> Layout:
    """The layout that a BlobInfo names; layouts are shared, because there are few."""
    layout = _layouts.get(geometry)
    if layout is None:
        layout = _layouts[geometry] = Layout(*geometry)
    return layout


def geometry_of(layout: Layout) -> tuple[int, int, int, str]:
    """A layout as a BlobInfo names it."""
    return (layout.data, layout.parity, layout.block_size, layout.codec)
