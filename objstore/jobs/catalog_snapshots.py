"""Taking snapshots of the catalog: a dump, made beside running commits, into a blob of its own.

Rows are read on a thread from one read transaction, which holds up no writer (write-ahead logs cannot begin anew
meanwhile), and streamed into the blob as they come, so it takes bounded memory and no room beside that of the blob.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading

from objstore.blobs import Blobs
from objstore.blobs.errors import BlobError
from objstore.blobs.records import pack_record
from objstore.blobs.writer import Writer
from objstore.catalog import dumping
from objstore.catalog.catalog import Catalog
from objstore.catalog.errors import CatalogError, Undecided
from objstore.catalog.session import Reading
from objstore.catalog.transaction import Transaction
from objstore.store import catalog_snapshots
from objstore.store.catalog_snapshots import CatalogSnapshot, Schedule
from objstore.store.store import now_us

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The dump is not wanted any more."""


async def run(catalog: Catalog, blobs: Blobs, schedule: Schedule) -> CatalogSnapshot | None:
    """Take a snapshot if one is due; it. Raises what writing and committing raise: then it is due again."""
    if not catalog.read(lambda tx: catalog_snapshots.due(tx, now_us(), schedule)):
        return None
    writer = blobs.writer(blobs.pool.parity, alone=True)
    clock = now_us()
    taken = catalog.read(lambda tx: catalog_snapshots.next_us(tx, clock))
    try:
        seq, size, keys = await _dump(catalog, writer, blobs.pool.deployment or "", clock)
        written = await writer.finish(pack_record(catalog_snapshots.record_of(taken, size)))
    except BaseException:
        await writer.abort()
        raise
    made = CatalogSnapshot(taken, seq, size, written.extents, keys, clock)

    def enter(tx: Transaction) -> int:
        catalog_snapshots.enter(tx, made, written)
        return catalog_snapshots.drop_expired(tx, now_us(), schedule)

    try:
        dropped = await catalog.write(enter)
    except Undecided:  # its files go, or stay, as soon as the catalog knows
        blobs.unpublished(written)
        raise
    except CatalogError:
        await blobs.discard(written)
        raise
    _log.info("a snapshot of the catalog was taken: transaction %d, %d bytes; %d old ones dropped", seq, size, dropped)
    return made


async def _dump(catalog: Catalog, writer: Writer, deployment: str, clock: int) -> tuple[int, int, bytes]:
    """Write a dump: the transaction that it stands at, its bytes, and the digest of the keys in it."""
    loop, stopped, size = asyncio.get_running_loop(), threading.Event(), 0

    def write(piece: bytes) -> None:
        nonlocal size
        if stopped.is_set():
            raise _Stopped
        asyncio.run_coroutine_threadsafe(writer.write(piece), loop).result()
        size += len(piece)

    def read(tx: Transaction) -> tuple[int, bytes]:
        assert isinstance(tx, Reading), "what the catalog gives to read with"
        if size:  # the mirror read so far is damaged, and will be replaced: the next time begins with a good one
            raise BlobError("the mirror that was dumped is damaged")
        return dumping.dump(tx, deployment, clock, write).seq, catalog_snapshots.keys_of(tx)

    reading = asyncio.ensure_future(asyncio.to_thread(catalog.read, read))
    try:
        seq, keys = await asyncio.shield(reading)
    except asyncio.CancelledError:
        stopped.set()
        with contextlib.suppress(Exception):
            await reading
        raise
    return seq, size, keys
