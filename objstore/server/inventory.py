"""What `objstore admin info` and the metrics page show: drives, quorum, counts, healing. Made on demand."""

from __future__ import annotations

import msgspec


class DriveView(msgspec.Struct, frozen=True):
    """One drive: `state` as the drives room names it, sizes in bytes (0 while it does not answer)."""

    path: str
    id: str | None
    state: str
    used: int
    free: int
    mirror: bool
    problem: str | None = None


class Healing(msgspec.Struct, frozen=True):
    """What is to be rebuilt: shards, bytes of shard files they stand for, and mirrors of the catalog."""

    shards: int
    bytes: int
    mirrors: int


class Inventory(msgspec.Struct, frozen=True):
    """The whole store at a glance; `read_only_reason` says why it is not `writable`.

    `may_fail` is how many more drives may go before anything is lost: the parity, less what is not healed yet.
    """

    version: str
    deployment: str
    drives: tuple[DriveView, ...]
    parity: int
    durability: str
    may_fail: int
    writable: bool
    read_only_reason: str | None
    buckets: int
    objects: int
    versions: int
    bytes: int
    healing: Healing
    events: dict[str, int]  # waiting, by target
