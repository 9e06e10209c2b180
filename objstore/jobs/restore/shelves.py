"""The shard files of all drives, without a catalog: which blobs there are, and their bytes, verified.

Everything here blocks. A shard file is known by its header; one without a sound header is passed over, and the others
of its blob do without it. Nothing is ever written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import erasure
from erasure import SHARD_HEADER, HeaderCorrupt, HeaderTooNew, Layout, ShardCorrupt
from objstore.blobs.errors import RecordCorrupt
from objstore.blobs.records import PAGE, Record, unpack_record
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError
from objstore.drives.shardfiles import ShardFiles

_STEP = 4 << 20
Progress = Callable[[int], None]


@dataclass(slots=True)
class Shelf:
    """The shard files of one drive."""

    drive: Drive
    files: ShardFiles

    @property
    def id(self) -> str:
        assert self.drive.id is not None, "only drives with an identity are read"
        return self.drive.id


@dataclass(slots=True)
class BlobFiles:
    """The shard files of one blob: by shard, the drives that have it, the largest file first, and its length."""

    id: bytes
    layout: Layout
    shards: dict[int, list[tuple[int, Shelf]]] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Bytes of the longest shard file."""
        return max((files[0][0] for files in self.shards.values()), default=0)

    def add(self, shard: int, size: int, shelf: Shelf) -> None:
        self.shards.setdefault(shard, []).append((size, shelf))
        self.shards[shard].sort(key=lambda one: -one[0])

    def on(self, shard: int, drive: str) -> bool:
        """Whether that drive has the shard."""
        return any(shelf.id == drive for _, shelf in self.shards.get(shard, ()))

    def drive_of(self, shard: int) -> str | None:
        """The drive to take the shard from."""
        files = self.shards.get(shard)
        return files[0][1].id if files else None

    def read(self, shard: int, offset: int, length: int) -> bytes | None:
        """Exactly these bytes of a shard file; None where it has not so many, or cannot be read."""
        for size, shelf in self.shards.get(shard, ()):
            if offset + length > size:
                continue
            try:
                return bytes(shelf.files.read((self.id, shard, False), offset, length))
            except (OSError, DriveError):
                continue
        return None

    def record(self, shard: int, offset: int) -> Record | None:
        """The record at a place of a shard file, if there is one."""
        page = self.read(shard, offset, PAGE)
        if page is None:
            return None
        try:
            return unpack_record(page, self.id, offset)
        except RecordCorrupt:
            return None

    def next_data(self, shard: int, offset: int) -> int:
        """The first place from `offset` on at which the shard file may have something: what was punched is left out."""
        size, shelf = self.shards[shard][0]
        if offset >= size:
            return self.length
        try:
            at = os.lseek(shelf.files.file((self.id, shard, False)).fd, offset, os.SEEK_DATA)
        except OSError:
            return self.length  # nothing but holes
        return max(offset, at // PAGE * PAGE)

    def frames(self, shard: int, at: int, size: int, plan: erasure.Plan) -> list[memoryview] | None:
        """The verified payloads of planned stripes of an append of `size` bytes whose frames begin `at` a place."""
        raw = self.read(shard, at + plan.offset, plan.length)
        if raw is None:
            return None
        try:
            return erasure.verify(self.layout, self.id, shard, at, raw, size, plan.first, plan.count)
        except ShardCorrupt:
            return None

    def holds(self, shard: int, at: int, size: int) -> bool:
        """Whether the shard has all frames of an append, each of them sound."""
        plans = erasure.steps(self.layout, size, 0, size, max(1, _STEP // self.layout.block_size))
        return all(self.frames(shard, at, size, plan) is not None for plan in plans)

    def content(self, at: int, size: int) -> Iterator[bytes]:
        """The bytes of an append of `size` bytes whose frames begin `at` a place. Raises TooFewShards."""
        for plan in erasure.steps(self.layout, size, 0, size, 1):
            payloads: dict[int, Sequence[memoryview]] = {}
            for shard in sorted(self.shards):
                if len(payloads) < self.layout.data and (found := self.frames(shard, at, size, plan)) is not None:
                    payloads[shard] = found
            for view in erasure.decode(self.layout, plan, payloads):
                yield bytes(view)


def survey(drives: Sequence[Drive], progress: Progress = lambda _: None) -> dict[bytes, BlobFiles]:
    """All blobs of which the drives have shard files, by id. Raises OSError where a drive cannot be listed."""
    blobs: dict[bytes, BlobFiles] = {}
    for drive in drives:
        shelf = Shelf(drive, ShardFiles(drive.path, drive.system))
        for folder in shelf.files.folders():
            for blob, shard, size, _ in shelf.files.listing(folder, False):
                header = _header(shelf, blob, shard)
                if header is not None:
                    blobs.setdefault(blob, BlobFiles(blob, header.layout)).add(shard, size, shelf)
                progress(1)
    return dict(sorted(blobs.items()))


def _header(shelf: Shelf, blob: bytes, shard: int) -> erasure.ShardHeader | None:
    try:
        header = erasure.unpack_header(shelf.files.read((blob, shard, False), 0, SHARD_HEADER))
    except (OSError, DriveError, HeaderCorrupt, HeaderTooNew):
        return None
    return header if (header.blob_id, header.index) == (blob, shard) else None
