"""What `objstore admin info` and the metrics page show: drives, quorum, counts, healing. Made on demand."""

from __future__ import annotations

import msgspec


class DriveView(msgspec.Struct, frozen=True):
    """One drive: `state` as the drives room names it, sizes in bytes (0 while it does not answer). `stage` says where
    it is on its way, if it joins, is emptied or leaves: it `held` so many bytes in the beginning and has so many
    `left`."""

    path: str
    id: str | None
    state: str
    used: int
    free: int
    mirror: bool
    problem: str | None = None
    stage: str | None = None
    held: int = 0
    left: int = 0


class BlobsView(msgspec.Struct, frozen=True):
    """The blobs with something alive in them that were written with this parity: how many they are, and how many more
    drives may go before anything in them is lost."""

    parity: int
    count: int
    may_fail: int


class Healing(msgspec.Struct, frozen=True):
    """What is to be rebuilt: shards, bytes of shard files they stand for, and mirrors of the catalog."""

    shards: int
    bytes: int
    mirrors: int


class RedundancyView(msgspec.Struct, frozen=True):
    """What is below its promise, exactly: blobs, the shards they lack, and the parts in them (a version that was put in
    one piece is one part; of one that was uploaded in parts each counts that is below); drives that came back and are
    being looked through. `problem` is for people, None when all that is promised is there and verified."""

    blobs_below: int
    shards_lacking: int
    parts_below: int
    drives_unverified: tuple[str, ...]
    problem: str | None = None


class ScrubView(msgspec.Struct, frozen=True):
    """The latest round of looking through everything: `done` of `total` bytes; what it found damaged, and at its end
    could not mend. Times are seconds since 1970."""

    began: float
    ended: bool
    done: int
    total: int
    damaged_shards: int
    damaged_mirrors: int
    left: tuple[str, ...]


class Restriping(msgspec.Struct, frozen=True):
    """How far the walk over all versions is that writes them anew; `problem`: why it waits."""

    seen: int
    total: int
    moved: int
    problem: str


class Inventory(msgspec.Struct, frozen=True):
    """The whole store at a glance; `read_only_reason` says why it is not `writable`.

    `may_fail` is how many more drives may go before anything is lost: the least of what is true of all `blobs` that
    exist, whatever parity new ones get, and of the catalog.
    """

    version: str
    deployment: str
    drives: tuple[DriveView, ...]
    parity: int
    durability: str
    may_fail: int
    blobs: tuple[BlobsView, ...]
    writable: bool
    read_only_reason: str | None
    buckets: int
    objects: int
    versions: int
    bytes: int
    healing: Healing
    redundancy: RedundancyView
    scrub: ScrubView | None
    events: dict[str, int]  # waiting, by target
    rebalancing: int | None = None  # bytes that are about to be moved between drives
    restriping: Restriping | None = None
