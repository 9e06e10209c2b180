"""What can go wrong with blobs, as one tree.

A caller needs to tell five situations apart: no blob may be written now (`NotEnoughDrives`, `OutOfSpace`), this write
is not durable enough to be acknowledged (`WriteQuorumLost`), or was not published in time (`NotPublished`), these bytes
cannot be had now (`Unreadable`), and the catalog does not know the blob (`BlobUnknown`). Errors of one drive never come
through: they are what the blobs exist to survive.

`code` and `message` are what a client gets to see, if this reaches one: S3's words. Full drives are named: whoever is
refused for want of space can say to the operator where.
"""

from __future__ import annotations

from collections.abc import Collection

from objstore.counting import are, number_of

_UNAVAILABLE = "ServiceUnavailable"
_FULL = "StorageFull"


def full_drives(paths: Collection[str]) -> str:
    """What a client is told that wanted to store more."""
    return f"There is not enough free space on the drives to store this. Full: {', '.join(paths)}."


class BlobError(Exception):
    """Any failure of the blobs."""

    code: str = "InternalError"
    message: str | None = None


class NotEnoughDrives(BlobError):
    """Too few drives are online to write with the parity promised."""

    code = _UNAVAILABLE
    message = "Too few drives are online to store this safely. Please try again later."

    def __init__(self, online: int, parity: int) -> None:
        there = f"{number_of(online, 'drive')} {are(online)} online"
        super().__init__(f"{there}: writing with parity {parity} needs at least {parity + 1}")
        self.online = online
        self.parity = parity


class OutOfSpace(BlobError):
    """Too few of the online drives have room left for a new blob. `full` has the paths of those that have none."""

    code = _FULL

    def __init__(self, full: Collection[str], parity: int) -> None:
        super().__init__(f"full: {', '.join(full)}; what is left cannot hold data with parity {parity}")
        self.message = full_drives(full)
        self.full = tuple(full)
        self.parity = parity


class WriteQuorumLost(BlobError):
    """So many drives failed during a write that it must not be acknowledged. `failures` maps drive ids to reasons.

    `full`: paths of the drives, where every one that failed did so for want of space.
    """

    code = _UNAVAILABLE

    def __init__(
        self, blob: bytes, durable: int, needed: int, failures: dict[str, str], full: Collection[str] = ()
    ) -> None:
        reasons = "; ".join(f"{drive}: {reason}" for drive, reason in failures.items())
        there = f"{number_of(durable, 'shard')} {are(durable)} durable"
        super().__init__(f"blob {blob.hex()}: {there}, {needed} {are(needed)} needed ({reasons})")
        self.blob = blob
        self.durable = durable
        self.needed = needed
        self.failures = failures
        if full:
            self.code, self.message = _FULL, full_drives(full)


class NotPublished(BlobError):
    """A write was durable, and waited for so long to be published that its blob has been settled, or its shards made
    anew, without it."""

    code = _UNAVAILABLE
    message = "It took too long to publish what was stored. Please try again."

    def __init__(self, blob: bytes) -> None:
        super().__init__(f"blob {blob.hex()} was settled, or healed, before this write to it was published")
        self.blob = blob


class Unreadable(BlobError):
    """Fewer verified shards than `data` could be read. `failures` maps shard indexes to reasons."""

    code = _UNAVAILABLE
    message = "Too few drives answer with good data to read this now. Please try again later."

    def __init__(self, blob: bytes, offset: int, failures: dict[int, str]) -> None:
        reasons = "; ".join(f"shard {index}: {reason}" for index, reason in sorted(failures.items()))
        super().__init__(f"blob {blob.hex()} at {offset}: too few good shards ({reasons})")
        self.blob = blob
        self.offset = offset
        self.failures = failures


class BlobUnknown(BlobError):
    """The catalog has no row for this blob."""

    def __init__(self, blob: bytes) -> None:
        super().__init__(f"blob {blob.hex()} is not known")
        self.blob = blob


class RecordCorrupt(BlobError):
    """A self-describing record fails its checksum or is not one."""
