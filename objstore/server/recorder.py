"""What a worker notes for buckets with access logging: a line for each request, handed to the catalog in batches.

A request of a bucket without logging costs one look into a dictionary. Lines wait in memory for half a second and are
bounded; what does not fit, because the catalog takes nothing for long, is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from typing import Final

from objstore.aws import copy_source
from objstore.aws.errors import AwsError, as_aws_error
from objstore.aws.exchange import Exchange
from objstore.catalog.catalog import Catalog
from objstore.catalog.errors import CatalogError
from objstore.iam.lookup import BUCKET
from objstore.s3.access_logging import documents, names, records
from objstore.s3.access_logging.records import About
from objstore.s3.delete import DELETED
from objstore.server import metrics
from objstore.store import access_records
from objstore.store.access_records import Target
from objstore.store.errors import StoreError
from objstore.store.store import Store, now_us
from objstore.store.types import Bucket

_FLUSH_SECONDS: Final = 0.5
_MOST: Final = 8 << 20  # bytes of lines in memory
_DELETED_WELL: Final = 204
_COPIES: Final = {"CopyObject": names.COPIED_FROM, "UploadPartCopy": names.PART_COPIED_FROM}

_log = logging.getLogger(__name__)


class Recorder:
    """The lines of one worker."""

    def __init__(self, catalog: Catalog, store: Store) -> None:
        self._catalog = catalog
        self._store = store
        self._lines: dict[Target, bytearray] = {}
        self._size = 0
        self._scheduled = False
        self._flushing = asyncio.Lock()

    def note(self, exchange: Exchange) -> None:
        """Take a request that has ended."""
        request = exchange.request
        if request is None or request.bucket is None or exchange.service != "s3":
            return
        call = exchange.call
        bucket: Bucket | None = call.notes.get(BUCKET) if call is not None else None
        if bucket is None:
            bucket = self._find(request.bucket)  # refused before anybody looked for it
        now = time.time()
        if bucket is not None and documents.SUBJECT in bucket.configuration:
            self._add(bucket, records.line(exchange, bucket, now), now)
            for about in _parts(exchange):
                self._add(bucket, records.line(exchange, bucket, now, about), now)
        if exchange.operation in _COPIES and call is not None:
            self._note_source(exchange, str(call.get("CopySource", "")), now)

    def _find(self, name: str) -> Bucket | None:
        try:
            return self._store.bucket(name)
        except (StoreError, CatalogError):
            return None

    def _note_source(self, exchange: Exchange, text: str, now: float) -> None:
        """The bucket that was copied from hears of it too."""
        try:
            source = copy_source.parse(text)
        except AwsError:
            return
        bucket = self._find(source.bucket)
        if bucket is not None and documents.SUBJECT in bucket.configuration:
            assert exchange.operation is not None, "it is a copy"
            about = About(_COPIES[exchange.operation], source.key, source.version_id, error=exchange.error)
            self._add(bucket, records.line(exchange, bucket, now, about), now)

    def _add(self, bucket: Bucket, line: bytes, now: float) -> None:
        logging = documents.of(bucket)
        assert logging is not None, "the bucket has logging"
        if self._size + len(line) > _MOST:
            metrics.dropped_records.inc()
            return
        day = time.strftime("%Y-%m-%d", time.gmtime(now)) if logging.partitioned == documents.EVENT_TIME else ""
        target = Target(bucket.name, bucket.owner, bucket.configuration[documents.SUBJECT], day)
        self._lines.setdefault(target, bytearray()).extend(line)
        self._size += len(line)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, lambda: asyncio.ensure_future(self.flush()))

    async def flush(self) -> None:
        """Hand over what waits. What cannot be handed over waits on."""
        async with self._flushing:
            self._scheduled = False
            lines = {target: bytes(data) for target, data in self._lines.items()}
            if not lines:
                return
            taken, self._lines = self._lines, {}
            now = now_us()
            try:
                await self._catalog.write(lambda tx: access_records.enter(tx, lines, now))
            except CatalogError as error:
                _log.warning("lines of access logs wait: %s", error)
                self._put_back(taken)
                return
            self._size -= sum(map(len, taken.values()))

    def _put_back(self, taken: dict[Target, bytearray]) -> None:
        for target, data in self._lines.items():
            taken.setdefault(target, bytearray()).extend(data)
        self._lines = taken


def _parts(exchange: Exchange) -> Iterator[About]:
    """A line for each key of a DeleteObjects."""
    call = exchange.call
    if call is None or exchange.operation != "DeleteObjects":
        return
    for key, version_id, error in call.notes.get(DELETED, ()):
        known = as_aws_error(error) if error is not None else None
        status, code = (known.status, known.code) if known is not None else (_DELETED_WELL, None)
        yield About(names.ONE_OF_MANY, key, version_id, status, code)
