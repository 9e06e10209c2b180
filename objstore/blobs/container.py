"""A blob that this process is writing: its name, its drives, the shard files made, and what they lack so far.

Making one asks placement for drives and creates all shard files at once. A drive that fails at that moment costs
nothing, since there are no bytes yet: it is left out and the blob is made anew on the others, in the layout they
allow.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Sequence

from erasure import Layout, pack_header
from objstore.blobs.errors import OutOfSpace, WriteQuorumLost
from objstore.blobs.geometry import choose_layout, write_quorum
from objstore.blobs.ids import new_blob_id
from objstore.blobs.placement import place, roomy
from objstore.blobs.quorum import GRACE, Late, settle
from objstore.blobs.types import PAGE, BlobInfo, Leaves, Left, geometry_of
from objstore.drives.drive import Drive
from objstore.drives.errors import DriveError, DriveFull
from objstore.drives.pool import Pool

_rng = random.Random()


class Container:
    """The writer's side of a blob. `failed` maps shards to why they get no more bytes; `left` is told of files that
    cannot be removed now."""

    def __init__(self, blob_id: bytes, layout: Layout, drives: Sequence[Drive], left: Leaves) -> None:
        self.id = blob_id
        self._left = left
        self.layout = layout
        self.geometry = geometry_of(layout)
        self.drives = tuple(drives)
        self.drive_ids = tuple(drive.id or "" for drive in drives)
        self.quorum = write_quorum(layout)
        self.missing: dict[int, int] = {}
        self.failed: dict[int, DriveError] = {}
        self.length = PAGE

    def info(self, *, sealed: bool) -> BlobInfo:
        """What is known now."""
        return BlobInfo(self.id, self.geometry, self.drive_ids, dict(self.missing), sealed, self.length)

    def fail(self, shard: int, error: DriveError, offset: int) -> None:
        """The shard's drive failed, or was late, with bytes from `offset` on."""
        self.failed[shard] = error
        self.missing[shard] = min(offset, self.missing.get(shard, offset))

    def alive(self) -> list[int]:
        """Shards whose drives have taken everything so far."""
        return [shard for shard in range(self.layout.width) if shard not in self.failed]

    def require_quorum(self) -> None:
        """Raise WriteQuorumLost when fewer shards than the quorum are durable."""
        durable = self.layout.width - len(self.failed)
        if durable < self.quorum:
            raise self.lost(self.failed)

    def lost(self, failures: dict[int, DriveError]) -> WriteQuorumLost:
        """The error that says so."""
        reasons = {self.drive_ids[shard]: error.reason for shard, error in failures.items()}
        full = [str(self.drives[shard].path) for shard, error in failures.items() if isinstance(error, DriveFull)]
        full = full if len(full) == len(failures) else []
        return WriteQuorumLost(self.id, self.layout.width - len(failures), self.quorum, reasons, full)

    async def unlink(self) -> None:
        """Remove every shard file: nothing of the blob is published."""
        late = [shard for shard, error in self.failed.items() if isinstance(error, Late)]  # it would be late again
        calls = {shard: drive.unlink(self.id, shard) for shard, drive in enumerate(self.drives) if shard not in late}
        failures = await settle(calls, 0)
        for shard in sorted({*failures, *self.failed}):  # what failed before may yet come about
            self._left(Left(self.drive_ids[shard], self.id, shard))


def choose_drives(
    pool: Pool, parity: int, room: int = 0, faulty: Collection[str] = (), full: Collection[str] = ()
) -> tuple[Layout, list[Drive]]:
    """The layout that a new blob gets now, and the drives with `room` that it may go to.

    Drives whose ids are in `faulty` or `full` just refused it. Raises NotEnoughDrives, OutOfSpace.
    """
    online = [drive for drive in pool.drives if drive.accepting and drive.id not in faulty]
    choice = [drive for drive in roomy(online, room) if drive.writable and drive.id not in full]
    prompt = [drive for drive in choice if not drive.late(GRACE / 2)]  # others waited for it, in vain or nearly so
    if len(choice) - len(prompt) <= parity < len(prompt):
        choice = prompt
    if len(choice) <= parity < len(online):
        raise OutOfSpace([str(drive.path) for drive in online if drive not in choice], parity)
    return choose_layout(len(choice), parity), choice


async def make(pool: Pool, instance: bytes, parity: int, reserve: Callable[[Layout], int], left: Leaves) -> Container:
    """A new blob, `reserve` of its layout being preallocated in each shard file; raises NotEnoughDrives, OutOfSpace.

    When the caller is cancelled meanwhile, what was made is removed again.
    """
    making = asyncio.ensure_future(_make(pool, instance, parity, reserve, left))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_unmake)
        raise


_unmaking: set[asyncio.Task[None]] = set()


def _unmake(making: asyncio.Task[Container]) -> None:
    if not making.cancelled() and making.exception() is None:
        task = asyncio.ensure_future(making.result().unlink())
        _unmaking.add(task)
        task.add_done_callback(_unmaking.discard)


async def _make(pool: Pool, instance: bytes, parity: int, reserve: Callable[[Layout], int], left: Leaves) -> Container:
    faulty: set[str] = set()
    full: set[str] = set()
    while True:
        layout, _ = choose_drives(pool, parity, 0, faulty, full)
        layout, choice = choose_drives(pool, parity, reserve(layout), faulty, full)
        blob = Container(new_blob_id(instance), layout, place(choice, layout.width, _rng), left)
        failures = await _create(blob, reserve(layout))
        if not failures:
            return blob
        for shard, error in failures.items():
            (full if isinstance(error, DriveFull) else faulty).add(blob.drive_ids[shard])
            if not isinstance(error, DriveFull):
                blob.failed[shard] = error
        await blob.unlink()


async def _create(blob: Container, reserve: int) -> dict[int, DriveError]:
    calls = {
        shard: drive.create(blob.id, shard, pack_header(blob.id, shard, blob.layout), reserve)
        for shard, drive in enumerate(blob.drives)
    }
    return await settle(calls, blob.quorum)
