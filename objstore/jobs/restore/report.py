"""What a restore did, and exactly what it could not do: for people and machines."""

from __future__ import annotations

import msgspec


class Taken(msgspec.Struct):
    """The snapshot that was used, and those newer ones that could not be, with the reason."""

    taken_us: int
    seq: int
    size: int
    passed_over: list[str] = msgspec.field(default_factory=list)


class Item(msgspec.Struct, frozen=True):
    """An object, part or run of bytes; `why` is what happened to it, or why nothing could."""

    bucket: str
    key: str
    version: str
    size: int
    why: str = ""


class PartsOf(msgspec.Struct, frozen=True):
    """An upload in progress, and the numbers of its parts that are known now."""

    bucket: str
    key: str
    upload: str
    parts: list[int]
    completed: bool = False


class Report(msgspec.Struct):
    """All of it. Lists are complete, however long.

    `recovered`: objects written after the snapshot. `superseded`: versions that were found, but are older than what
    the key has. `buckets`: those that were made again, without settings. `versioned`: those whose versioning was
    enabled again, because later writes found it so. `gone`: objects of the snapshot that were deleted or replaced
    since, and whose bytes were given back. `unreadable`: kept, but too few of their shards are there; drives that
    are away may bring them back. `lost`: bytes that were written after the snapshot, but of which too little is
    known or left to make an object."""

    snapshot: Taken
    drives_away: list[str] = msgspec.field(default_factory=list)
    objects: int = 0
    recovered: list[Item] = msgspec.field(default_factory=list)
    superseded: list[Item] = msgspec.field(default_factory=list)
    buckets: list[str] = msgspec.field(default_factory=list)
    versioned: list[str] = msgspec.field(default_factory=list)
    uploads: list[PartsOf] = msgspec.field(default_factory=list)
    moved: int = 0
    gone: list[Item] = msgspec.field(default_factory=list)
    unreadable: list[Item] = msgspec.field(default_factory=list)
    lost: list[Item] = msgspec.field(default_factory=list)
    shards_to_heal: int = 0

    @property
    def complete(self) -> bool:
        """Whether all bytes that were found are objects again and can be read."""
        return not (self.unreadable or self.lost)
