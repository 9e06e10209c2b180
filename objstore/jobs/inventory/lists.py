"""Making a list: its data files, then the manifest that names them, its checksum, and links for Hive.

    PREFIX/SOURCE/ID/data/UUID.csv.gz
    PREFIX/SOURCE/ID/2016-11-06T21-32Z/manifest.json, manifest.checksum
    PREFIX/SOURCE/ID/hive/dt=2016-11-06-21-32/symlink.txt

The manifest comes last, so a list that is named by one is whole. What a list that failed had written is deleted.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from objstore.blobs.errors import BlobError
from objstore.jobs.inventory.columns import columns
from objstore.jobs.inventory.tables import FORMATS, Row, Table
from objstore.kms.envelopes import Envelopes, Wanted
from objstore.kms.errors import KmsError
from objstore.s3 import service_writes
from objstore.s3.service_writes import Written
from objstore.sealing import KMS
from objstore.store.errors import StoreError
from objstore.store.inventories import Inventory, Outcome, Place, next_due
from objstore.store.store import Store
from objstore.store.types import Bucket

Allowed = Callable[[Bucket, Bucket, str], bool]
"""Whether lists of a bucket may be written to another, as a key."""

Owns = Callable[[str, Bucket], bool]
"""Whether an account owns a bucket."""

MOST_ROWS: Final = 1_000_000
"""Rows of one data file."""

_PAGE: Final = 1000
_RETRY_US: Final = 3600 * 1_000_000

_log = logging.getLogger(__name__)


class Refused(Exception):
    """The list cannot be written where it is wanted; says why."""


async def run(store: Store, envelopes: Envelopes, allowed: Allowed, owns: Owns) -> int:
    """Make every list that is due; how many were tried."""
    tried, clock = 0, store.inventories.clock
    while (found := store.inventories.due()) is not None:
        bucket, wanted = found
        began_us = clock()
        next_us = next_due(wanted.frequency, began_us)
        try:
            manifest, count = await _make(
                store, envelopes, bucket, wanted, _target(store, bucket, wanted, allowed, owns), began_us
            )
            outcome = Outcome(began_us=began_us, done_us=clock(), manifest=manifest, rows=count)
        except Refused as error:
            outcome = Outcome(began_us=began_us, done_us=clock(), problem=str(error))
        except (StoreError, BlobError, KmsError) as error:
            outcome = Outcome(began_us=began_us, done_us=clock(), problem=str(error))
            next_us = min(next_us, clock() + _RETRY_US)
        if outcome.problem is not None:
            _log.warning("inventory %s of %s: %s", wanted.id, bucket.name, outcome.problem)
        await store.inventories.done(bucket.id, wanted, outcome, next_us)
        tried += 1
    return tried


async def _make(
    store: Store, envelopes: Envelopes, bucket: Bucket, wanted: Inventory, target: Bucket, began_us: int
) -> tuple[str, int]:
    """Write a list; the key of its manifest and how many rows it has. Raises what the store raises."""
    writer = _Writer(store, envelopes, bucket, wanted, target)
    try:
        files, count = await _data(writer)
        return await _publish(writer, files, began_us), count
    except BaseException:
        await writer.undo()
        raise


def _target(store: Store, bucket: Bucket, wanted: Inventory, allowed: Allowed, owns: Owns) -> Bucket:
    """The bucket that gets the list. Raises Refused."""
    try:
        target = store.bucket(wanted.bucket)
    except StoreError:
        raise Refused(f"the destination bucket {wanted.bucket} is not there") from None
    if wanted.account and not owns(wanted.account, target):
        raise Refused(f"the destination bucket {wanted.bucket} does not belong to the account {wanted.account}")
    if not allowed(bucket, target, f"{_folder(bucket, wanted)}data/"):
        raise Refused(f"the policy of {wanted.bucket} does not let s3.amazonaws.com write the list there")
    return target


def _folder(bucket: Bucket, wanted: Inventory) -> str:
    return f"{wanted.prefix}/{bucket.name}/{wanted.id}/" if wanted.prefix else f"{bucket.name}/{wanted.id}/"


class _Writer:
    """Writes objects of one list, and can take them back."""

    def __init__(self, store: Store, envelopes: Envelopes, bucket: Bucket, wanted: Inventory, target: Bucket) -> None:
        self.store, self.envelopes = store, envelopes
        self.bucket, self.wanted, self.target = bucket, wanted, target
        self.folder = _folder(bucket, wanted)
        self.format = FORMATS[wanted.format]
        self._written: list[Written] = []

    async def put(self, key: str, chunks: AsyncIterator[bytes], content_type: str) -> Written:
        wanted = None
        if self.wanted.scheme:
            key_id = self.envelopes.key_name(self.wanted.key_id) if self.wanted.scheme == KMS else ""
            wanted = Wanted(self.wanted.scheme, key_id=key_id)
        made = await service_writes.write(
            self.store, self.envelopes, self.target, key, chunks, content_type=content_type, wanted=wanted
        )
        self._written.append(made)
        return made

    async def undo(self) -> None:
        """Delete what was written."""
        for one in self._written:
            try:
                await self.store.delete(self.target.name, one.key, one.version_id)
            except StoreError as error:
                _log.warning("%s/%s is left of a list that failed: %s", self.target.name, one.key, error)


async def _data(writer: _Writer) -> tuple[list[Written], int]:
    """Write the data files; them, and the number of rows."""
    chosen = columns(writer.wanted)
    rows = _Ahead(_pages(writer))
    await rows.advance()
    files: list[Written] = []
    while rows.page is not None:
        key = f"{writer.folder}data/{uuid.uuid4()}.{writer.format.suffix}"
        chunks = _file(rows, writer.format.table(chosen))
        files.append(await writer.put(key, chunks, writer.format.content_type))
    return files, rows.count


async def _file(rows: _Ahead, table: Table) -> AsyncIterator[bytes]:
    """The bytes of one data file, of the pages that are next."""
    held = 0
    while rows.page is not None and held < MOST_ROWS:
        held += len(rows.page)
        if data := await asyncio.to_thread(table.add, rows.page):
            yield data
        await rows.advance()
    yield await asyncio.to_thread(table.finish)


class _Ahead:
    """Pages with the next one in hand: None when there is no more. `count` is the number of rows so far."""

    def __init__(self, pages: AsyncIterator[list[Row]]) -> None:
        self._pages = pages
        self.page: list[Row] | None = None
        self.count = 0

    async def advance(self) -> None:
        self.page = await anext(self._pages, None)
        self.count += len(self.page or ())


async def _pages(writer: _Writer) -> AsyncIterator[list[Row]]:
    """The rows of the list, some hundred at a time."""
    store, bucket, wanted = writer.store, writer.bucket, writer.wanted
    values = [column.value for column in columns(wanted)]
    after = Place()
    while entries := await asyncio.to_thread(store.inventories.rows, bucket.id, wanted, after, _PAGE):
        yield [[value(bucket, entry) for value in values] for entry in entries]
        last = entries[-1]
        after = Place(last.key.encode(), last.version.ord)


async def _publish(writer: _Writer, files: Sequence[Written], began_us: int) -> str:
    """Write links, checksum and manifest; the manifest's key."""
    began = datetime.fromtimestamp(began_us // 1_000_000, UTC)
    manifest = json.dumps(
        {
            "sourceBucket": writer.bucket.name,
            "destinationBucket": f"arn:aws:s3:::{writer.target.name}",
            "version": "2016-11-30",
            "creationTimestamp": str(began_us // 1000),
            "fileFormat": writer.format.name,
            "fileSchema": writer.format.schema(columns(writer.wanted)),
            "files": [{"key": file.key, "size": file.size, "MD5checksum": file.md5} for file in files],
        },
        indent=2,
    ).encode()
    links = "\n".join(f"s3://{writer.target.name}/{file.key}" for file in files).encode()
    folder = f"{writer.folder}{began:%Y-%m-%dT%H-%MZ}/"
    checksum = hashlib.md5(manifest, usedforsecurity=False).hexdigest().encode()
    await writer.put(f"{writer.folder}hive/dt={began:%Y-%m-%d-%H-%M}/symlink.txt", _once(links), "text/plain")
    await writer.put(f"{folder}manifest.checksum", _once(checksum), "text/plain")
    await writer.put(f"{folder}manifest.json", _once(manifest), "application/json")
    return f"{folder}manifest.json"


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
