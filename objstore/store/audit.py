"""Audit: whether one snapshot of the catalog agrees with itself, row by row.

Everything is counted anew from the records of versions and parts, and held against what is kept beside them: references
to appends, payloads, usage, quotas. References are gathered in a scratch database that may go to disk, so memory stays
bounded whatever the store holds.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import apsw
import msgspec

from erasure import SHARD_HEADER
from objstore.blobs.types import BlobInfo, Extent, layout_of, span_of
from objstore.catalog.errors import CorruptRecord
from objstore.catalog.records import unpack
from objstore.catalog.transaction import Row, Transaction, Value
from objstore.counting import number_of
from objstore.store import catalog_snapshots, quotas, snapshots, versions
from objstore.store.quotas import Position, Target
from objstore.store.sealed import stored_size
from objstore.store.types import Bucket, Part, Upload, Version

PROGRESS = 500
"""Rows between two calls of `progress`."""


class Snapshot(Transaction, Protocol):
    """A transaction that reads, and gives the rows of long queries one by one."""

    def rows(self, sql: str, *params: Value) -> Iterator[Row]: ...


class Fault(msgspec.Struct, frozen=True):
    """Something that does not agree: `kind` is record, reference, payload, blob, usage or quota."""

    kind: str
    where: str
    reason: str


class Audit:
    """One audit of a snapshot. Iterate `faults`; the counts beside it are final then."""

    def __init__(self, snapshot: Snapshot, progress: Callable[[int], None] = lambda _: None) -> None:
        self.objects = self.versions = self.parts = self.extents = self.blobs = 0
        self._snapshot = snapshot
        self._progress = progress
        self._buckets: dict[int, Bucket] = {}
        self._usage: dict[int, Counter[str]] = {}
        self._quotas: dict[Target, quotas.Quota] = {}
        self._held: dict[Target, Counter[str]] = {}
        self._scratch = apsw.Connection("")
        self._scratch.pragma("journal_mode", "off")
        self._scratch.execute(
            "CREATE TABLE refs (blob BLOB, offset INTEGER, count INTEGER, PRIMARY KEY (blob, offset)) WITHOUT ROWID;"
            "CREATE TABLE payloads (id INTEGER PRIMARY KEY, count INTEGER)"
        )

    def faults(self) -> Iterator[Fault]:
        """Everything that does not agree. Blocks: some 20 us for a version. Call it once."""
        with contextlib.closing(self._scratch), self._scratch:
            yield from self._read_buckets()
            yield from self._walk_versions("objects")
            yield from self._walk_versions("versions")
            yield from self._walk_parts()
            yield from self._walk_retained()
            for one in catalog_snapshots.listed(self._snapshot):
                yield from self._note_extents(f"catalog snapshot {one.taken_us}", one.extents)
            yield from self._compare_references()
            yield from self._compare_payloads()
            yield from self._check_blobs()
            yield from self._compare_usage()
            yield from self._compare_quotas()

    # what there is, from the records

    def _read_buckets(self) -> Iterator[Fault]:
        for bucket, name, record in self._snapshot.rows("SELECT id, name, record FROM buckets ORDER BY id"):
            self._usage[bucket] = Counter()
            try:
                self._buckets[bucket] = unpack(record, Bucket)
            except CorruptRecord as error:
                yield Fault("record", f"bucket {name.decode(errors='replace')}", str(error))
        for row in self._snapshot.rows("SELECT scope, bucket, name FROM quotas WHERE at_bucket IS NULL"):
            target = Target(*row)
            quota = quotas.find(self._snapshot, target)
            if quota is not None:
                self._quotas[target], self._held[target] = quota, Counter()

    def _walk_versions(self, table: str) -> Iterator[Fault]:
        count = 0
        for bucket, key, ord_, record in self._snapshot.rows(f"SELECT bucket, key, ord, record FROM {table}"):
            count += 1
            if not count % PROGRESS:
                self._progress(PROGRESS)
            where = self._named(bucket, key, ord_)
            if bucket not in self._usage:
                yield Fault("reference", where, "is in a bucket that does not exist")
                continue
            try:
                stored = unpack(record, Version)
                version = versions.whole(self._snapshot, stored)
            except (CorruptRecord, AssertionError) as error:
                yield Fault("record", where, str(error))
                continue
            yield from self._note_version(table, bucket, key, ord_, stored, version)
        self._progress(count % PROGRESS)

    def _walk_retained(self) -> Iterator[Fault]:
        for bucket, key, from_era, record in snapshots.retained(self._snapshot):
            where = f"{self._bucket(bucket)}/{_text(key)} (kept of era {from_era})"
            try:
                stored = unpack(record, Version)
                version = versions.whole(self._snapshot, stored)
            except (CorruptRecord, AssertionError) as error:
                yield Fault("record", where, str(error))
                continue
            yield from self._note_extents(where, version.extents)
            self._note_payloads(stored.payload, stored.manifest)

    def _note_version(
        self, table: str, bucket: int, key: bytes, ord_: int, stored: Version, version: Version
    ) -> Iterator[Fault]:
        where = self._named(bucket, key, ord_)
        if version.ord != ord_ or (table == "objects" and version.delete_marker):
            yield Fault("record", where, "is the record of another version")
        held = sum(extent.length for extent in version.extents) + len(version.content or b"")
        if not version.delete_marker and held != stored_size(version):
            yield Fault("record", where, f"refers to {held} bytes, its size is {stored_size(version)}")
        self._usage[bucket].update({table: 1, "bytes": version.size})
        self.objects += table == "objects"
        self.versions += table == "versions"
        self._note_quotas(bucket, key, version)
        yield from self._note_extents(where, version.extents)
        self._note_payloads(stored.payload, stored.manifest)

    def _walk_parts(self) -> Iterator[Fault]:
        sql = "SELECT upload, number, parts.record, uploads.record FROM parts LEFT JOIN uploads ON uploads.id = upload"
        for upload, number, record, of in self._snapshot.rows(sql):
            self.parts += 1
            where = f"part {number} of upload {_text(upload)}"
            if of is None:
                yield Fault("reference", where, "is of an upload that does not exist")
            try:
                part = unpack(record, Part)
                if of is not None:
                    unpack(of, Upload)
            except CorruptRecord as error:
                yield Fault("record", where, str(error))
                continue
            yield from self._note_extents(where, part.extents)
            self._note_payloads(part.payload)

    def _note_extents(self, where: str, extents: Sequence[Extent]) -> Iterator[Fault]:
        for extent in extents:
            place = (extent.blob, extent.offset)
            sql = "SELECT head, size FROM extents WHERE blob = ? AND offset = ?"
            row = self._snapshot.one(sql, *place)
            if row is None:
                moved = self._snapshot.one("SELECT to_blob, to_offset FROM moved WHERE blob = ? AND offset = ?", *place)
                place = (moved[0], moved[1]) if moved is not None else place
                row = self._snapshot.one(sql, *place) if moved is not None else None
            if row is None:
                yield Fault("reference", where, f"refers to {_place(*place)}, which has no row")
            elif row[1] != extent.size or extent.start + extent.length > extent.size:
                yield Fault(
                    "reference", where, f"refers to {extent.size} bytes at {_place(*place)}, which has {row[1]}"
                )
            self._scratch.execute(
                "INSERT INTO refs VALUES (?, ?, 1) ON CONFLICT (blob, offset) DO UPDATE SET count = count + 1", place
            )

    def _note_payloads(self, *payloads: int | None) -> None:
        for payload in payloads:
            if payload is not None:
                self._scratch.execute(
                    "INSERT INTO payloads VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1", (payload,)
                )

    def _note_quotas(self, bucket: int, key: bytes, version: Version) -> None:
        if version.delete_marker:
            return
        owner = self._buckets[bucket].owner.id.encode() if bucket in self._buckets else b""
        for target, held in self._held.items():
            scope, of, name = target
            if (
                (scope == "account" and name == owner)
                or (scope == "user" and name == version.creator.encode())
                or (scope == "bucket" and of == bucket)
                or (scope == "prefix" and of == bucket and key.startswith(name))
            ):
                held.update({"objects": 1, "bytes": version.size})

    # held against what is kept beside them

    def _compare_references(self) -> Iterator[Fault]:
        kept = self._snapshot.rows("SELECT blob, offset, refs, span, head, size FROM extents ORDER BY blob, offset")
        counted = self._scratch.execute("SELECT blob, offset, count FROM refs ORDER BY blob, offset")
        there: Any = next(counted, None)
        for blob, offset, refs, *_ in kept:
            self.extents += 1
            while there is not None and there[:2] < (blob, offset):
                there = next(counted, None)  # without a row: told where it was met
            count = there[2] if there is not None and there[:2] == (blob, offset) else 0
            if count != refs:
                yield Fault(
                    "reference", _place(blob, offset), f"{number_of(count, 'reference')} to it, its row says {refs}"
                )

    def _compare_payloads(self) -> Iterator[Fault]:
        kept = self._snapshot.rows("SELECT id FROM payloads ORDER BY id")
        counted = self._scratch.execute("SELECT id, count FROM payloads ORDER BY id")
        there: Any = next(counted, None)
        for (payload,) in kept:
            while there is not None and there[0] < payload:
                yield Fault("payload", f"payload {there[0]}", "is referred to and has no row")
                there = next(counted, None)
            if there is None or there[0] != payload:
                yield Fault("payload", f"payload {payload}", "nothing refers to it")
                continue
            if there[1] > 1:
                yield Fault("payload", f"payload {payload}", f"{number_of(there[1], 'reference')} to it")
            there = next(counted, None)
        while there is not None:
            yield Fault("payload", f"payload {there[0]}", "is referred to and has no row")
            there = next(counted, None)

    def _check_blobs(self) -> Iterator[Fault]:
        counted: Counter[int] = Counter()
        sql = "SELECT id, record, sealed, length, parity FROM blobs"
        for blob, record, sealed, length, parity in self._snapshot.rows(sql):
            self.blobs += 1
            try:
                info = unpack(record, BlobInfo)
            except CorruptRecord as error:
                yield Fault("record", f"blob {blob.hex()}", str(error))
                continue
            yield from self._check_blob(info, length if sealed else None)
            if parity != info.layout.parity:
                yield Fault("blob", f"blob {blob.hex()}", f"its row says parity {parity}, it has {info.layout.parity}")
            counted[parity] += self._snapshot.one("SELECT 1 FROM extents WHERE blob = ? LIMIT 1", blob) is not None
        for table in ("extents", "garbage", "shards"):
            sql = f"SELECT DISTINCT blob FROM {table} WHERE blob NOT IN (SELECT id FROM blobs)"
            for (blob,) in self._snapshot.rows(sql):
                yield Fault("blob", f"blob {blob.hex()}", f"has rows of {table} and none of its own")
        kept = Counter(
            {int(row[0]): int(row[1]) for row in self._snapshot.all("SELECT parity, blobs FROM blob_counts")}
        )
        for parity in sorted({*kept, *counted}):
            if kept[parity] != counted[parity]:
                told = (
                    f"counted are {number_of(kept[parity], 'blob')} with something in them, there are {counted[parity]}"
                )
                yield Fault("blob", f"parity {parity}", told)
        yield from self._check_moves()

    def _check_blob(self, info: BlobInfo, length: int | None) -> Iterator[Fault]:
        where, layout = f"blob {info.id.hex()}", layout_of(info.geometry)
        shards = self._snapshot.all("SELECT idx, drive FROM shards WHERE blob = ? ORDER BY idx", info.id)
        if [row[0] for row in shards] != list(range(layout.width)) or len({row[1] for row in shards}) != len(shards):
            yield Fault(
                "blob",
                where,
                f"has {number_of(len(shards), 'row')} of shards, {layout.width} are due, each on another drive",
            )
        end = SHARD_HEADER
        for offset, span, head, size in self._snapshot.rows(
            "SELECT offset, span, head, size FROM extents WHERE blob = ? UNION ALL"
            " SELECT offset, span, NULL, NULL FROM garbage WHERE blob = ? ORDER BY 1",
            info.id,
            info.id,
        ):
            if offset < end:
                yield Fault("blob", where, f"what lies at {offset} begins before the end, {end}, of what is before it")
            if head is not None and span != span_of(layout, head, size):
                yield Fault("blob", where, f"{size} bytes at {offset} do not take {span} bytes of a shard file")
            end = max(end, offset + span)
        if length is not None and end > max(length, SHARD_HEADER):
            yield Fault("blob", where, f"is sealed at {length}, and holds something up to {end}")

    def _check_moves(self) -> Iterator[Fault]:
        sql = (
            "SELECT blob, offset FROM moved"
            " WHERE NOT EXISTS (SELECT 1 FROM extents WHERE (blob, offset) = (to_blob, to_offset))"
            " AND NOT EXISTS (SELECT 1 FROM garbage WHERE (blob, offset) = (to_blob, to_offset))"
        )
        for blob, offset in self._snapshot.rows(sql):
            yield Fault("reference", _place(blob, offset), "was moved to where nothing is")

    def _compare_usage(self) -> Iterator[Fault]:
        kept = {row[0]: row[1:] for row in self._snapshot.rows("SELECT bucket, objects, versions, bytes FROM usage")}
        for bucket in sorted({*kept, *self._usage}):
            counted = self._usage.get(bucket)
            there = None if counted is None else (counted["objects"], counted["versions"], counted["bytes"])
            if kept.get(bucket) != there:
                told, found = _counts(kept.get(bucket)), _counts(there)
                yield Fault("usage", f"bucket {self._bucket(bucket)}", f"usage says {told}, there are {found}")

    def _compare_quotas(self) -> Iterator[Fault]:
        for target, quota in self._quotas.items():
            held = self._held[target]
            if (quota.objects, quota.bytes) != (held["objects"], held["bytes"]):
                where = f"quota of {target.scope} {_text(target.name) or self._bucket(target.bucket)}"
                told = f"{number_of(quota.objects, 'object')} and {number_of(quota.bytes, 'byte')}"
                yield Fault("quota", where, f"says {told}, there are {held['objects']} and {held['bytes']}")

    def _named(self, bucket: int, key: bytes, ord_: int) -> str:
        return f"{self._bucket(bucket)}/{_text(key)} (version {Position(bucket, key, ord_).ord:016x})"

    def _bucket(self, bucket: int) -> str:
        return self._buckets[bucket].name if bucket in self._buckets else f"number {bucket}"


def _counts(row: tuple[int, ...] | None) -> str:
    nouns = ("object", "version", "byte")
    return "nothing" if row is None else ", ".join(map(number_of, row, nouns))


def _place(blob: bytes, offset: int) -> str:
    return f"blob {blob.hex()} at {offset}"


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
