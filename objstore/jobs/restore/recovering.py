"""What came after the snapshot, entered again from what the records on the drives say.

Objects, in the order in which they were written; bytes appended to one; parts of uploads, whose completion no record
tells of: they become uploads in progress again. Bytes that were moved are found by the place that they came from. What
was written and never published, or published and deleted again, cannot be told apart from the rest while its bytes are
there: it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from objstore.blobs.ids import created_ms
from objstore.blobs.records import Record, place_in
from objstore.blobs.types import BlobInfo, Extent, Span, Written, geometry_of
from objstore.catalog.transaction import Transaction
from objstore.iam import acl
from objstore.iam.users import ROOT
from objstore.jobs.restore.appends import Found
from objstore.jobs.restore.reconciling import Place, Standing
from objstore.jobs.restore.report import Item, PartsOf, Report
from objstore.store import (
    appending,
    buckets,
    catalog_snapshots,
    completing,
    described,
    extents,
    settling,
    uploads,
    versions,
)
from objstore.store import objects as verbs
from objstore.store.catalog_snapshots import CatalogSnapshot
from objstore.store.completing import Completion
from objstore.store.described import About
from objstore.store.errors import StoreError
from objstore.store.ingest import Stored
from objstore.store.types import (
    ALWAYS,
    ENABLED,
    NULL,
    Bucket,
    Checksum,
    CompletedPart,
    Digest,
    NewObject,
    Part,
    Stamp,
    Upload,
    Version,
)

LATE_US = 900_000_000
"""So long before the snapshot a write may have been stamped that was published after it."""
LONGEST_WRITE_MS = 86_400_000
_ID = 32


def is_new(tx: Transaction, found: Found, taken_us: int) -> bool:
    """Whether an append that the snapshot does not know was published after it, and not given up before."""
    blob = found.files.id
    row = tx.one("SELECT sealed AND settling IS NULL FROM blobs WHERE id = ?", blob)
    if row is None:
        given_back = tx.one("SELECT 1 FROM leftovers WHERE blob = ? LIMIT 1", blob) is not None
        return not given_back and created_ms(blob) >= taken_us // 1000 - LONGEST_WRITE_MS
    return not row[0] and (found.offset >= settling.end_of(tx, blob) or _stamped(found.record) >= taken_us - LATE_US)


def _stamped(record: Record) -> int:
    """When the write of a record began; 0 where it does not tell."""
    try:
        return int(record.version[:16], 16)
    except ValueError:
        return 0


def written_of(found: Found) -> Written:
    """An append as whoever wrote it left it."""
    files, size = found.files, found.record.stored
    shards = range(files.layout.width)
    info = BlobInfo(
        files.id,
        geometry_of(files.layout),
        tuple(files.drive_of(shard) or f"lost{shard}" for shard in shards),  # made anew on any drive
        {shard: 0 for shard in shards if shard not in found.good},
        length=files.length,
    )
    extent = Extent(files.id, found.offset, found.head, size, 0, size)
    return Written((extent,), (info,), (Span(files.id, found.offset, found.span),))


class Recovery:
    """Enters appends into the catalog of a snapshot. `standing` loses what turns out to have been moved."""

    def __init__(self, tx: Transaction, standing: Standing, report: Report, now_us: int, *, assemble: bool) -> None:
        self._tx = tx
        self._standing = standing
        self._report = report
        self._now_us = now_us
        self._assemble = assemble
        self._recovered: dict[tuple[str, str, str], Item] = {}
        self._uploads: dict[tuple[str, str, str], None] = {}
        self._tails: dict[tuple[str, bytes, str], Found] = {}

    def run(self, found: Iterable[Found]) -> None:
        """Enter them all."""
        rest: list[Found] = []
        for one in found:
            if not one.readable and catalog_snapshots.is_snapshot(one.record):
                continue  # was passed over when one was looked for
            if not one.readable:
                self._lose(one, f"{len(one.good)} of the {one.files.layout.data} shards that are needed are there")
            elif not self._moved(one) and not self._snapshot(one):
                rest.append(one)
        whole = [one for one in rest if "." not in one.record.version]
        for one in sorted(whole, key=lambda one: (_stamped(one.record), one.record.at)):
            self._enter(one, self._whole)
        for one in self._tails.values():
            self._lose(one, "the end of an object that was appended to, of which the rest is not there")
        parts = [one for one in rest if "." in one.record.version]
        for one in sorted(parts, key=lambda one: (created_ms(one.files.id), one.offset)):
            self._enter(one, self._part)
        self._report.recovered += self._recovered.values()
        for name in self._uploads:
            self._finish(*name)

    def _enter(self, found: Found, enter: Callable[[Found, Bucket], None]) -> None:
        try:
            enter(found, self._bucket(found.record))
        except (StoreError, ValueError, UnicodeDecodeError) as error:
            self._lose(found, str(error))

    def _bucket(self, record: Record) -> Bucket:
        """The bucket of a record, with versioning where that was enabled when the record was written: else the next one
        of the same key would take the place of this one."""
        name, about = record.bucket, described.read(record)
        known = buckets.find(self._tx, name)
        if known is None:
            self._report.buckets.append(name)
            known = buckets.create(self._tx, Bucket(0, name, ROOT, self._now_us, acl=acl.private(ROOT)))
        if about is not None and about.versioned and known.versioning != ENABLED:
            self._report.versioned.append(name)
            known = buckets.set_versioning(self._tx, name, ENABLED)
        return known

    def _item(self, found: Found, why: str = "") -> Item:
        record = found.record
        return Item(record.bucket, record.key.decode(errors="replace"), record.version, record.size, why)

    def _lose(self, found: Found, why: str) -> None:
        """Tell of bytes that are no object's."""
        self._report.lost.append(self._item(found, why))

    def _written(self, found: Found) -> Written:
        """As `written_of`, for a blob that is known from now on."""
        written = written_of(found)
        if self._tx.one("SELECT 1 FROM blobs WHERE id = ?", found.files.id) is None:
            extents.enter(self._tx, written.blobs[0])
        return written

    def _discard(self, found: Found) -> None:
        extents.discard(self._tx, self._written(found), self._now_us)

    # --- what is no object

    def _snapshot(self, found: Found) -> bool:
        """Enter a snapshot of the catalog that the one in use does not know of."""
        record = found.record
        if not catalog_snapshots.is_snapshot(record):
            return False
        taken = catalog_snapshots.taken_us(record)
        if any(one.taken_us == taken for one in catalog_snapshots.listed(self._tx)):
            self._discard(found)
        else:
            written = self._written(found)
            catalog_snapshots.enter(self._tx, CatalogSnapshot(taken, 0, record.stored, written.extents), written)
        return True

    def _moved(self, found: Found) -> bool:
        """Let an append that was moved after the snapshot be where it is now."""
        if not found.record.origin:
            return False
        origin = place_in(found.record.origin)
        row = self._tx.one("SELECT to_blob, to_offset FROM moved WHERE blob = ? AND offset = ?", *origin)
        place: Place = (row[0], row[1]) if row is not None else origin
        if self._tx.one("SELECT 1 FROM extents WHERE blob = ? AND offset = ?", *place) is None:
            return False  # of an object that was written after the snapshot, and moved then
        if place not in self._standing.gone:
            self._discard(found)
            return True
        extents.move(self._tx, *place, self._written(found), self._now_us)
        self._standing.gone.discard(place)
        self._report.moved += 1
        return True

    # --- objects

    def _whole(self, found: Found, bucket: Bucket) -> None:
        """An object, or bytes behind one."""
        record = found.record
        if not record.etag and not record.about and self._known(bucket, record) is None:
            # a small end that lived in the catalog, written out by the append of the same version that comes next
            self._tails[record.bucket, record.key, record.version] = found
        elif record.at:
            self._appended(found, bucket)
        else:
            self._object(found, bucket)

    def _object(self, found: Found, bucket: Bucket) -> None:
        tx, record = self._tx, found.record
        key = record.key
        key.decode()
        known = self._known(bucket, record)
        if known is not None:
            self._again(found, bucket, known)
            return
        if len(record.version) != _ID:
            raise ValueError(f"version {record.version} is not in the snapshot")
        ord_ = versions.ord_of(record.version)
        there = versions.place(tx, bucket, key)
        if there.newest is not None and there.newest.ord >= ord_:
            self._report.superseded.append(self._item(found, "the key has a newer version"))
            self._discard(found)
            return
        self._put(found, bucket, there, _draft(record, described.read(record), bucket, ord_))

    def _put(
        self, found: Found, bucket: Bucket, there: versions.Place, draft: Version, tail: Found | None = None
    ) -> None:
        record, written = found.record, self._written(found)
        if tail is not None:
            end = self._written(tail)
            written = Written(end.extents + written.extents, end.blobs + written.blobs, end.spans + written.spans)
        old = there.current
        draft = msgspec.structs.replace(draft, extents=(*draft.extents, *written.extents))
        shared = draft.extents[: -len(written.extents)]
        made = versions.put(self._tx, bucket, record.key, there, draft, written=written, shared=shared, admitted=True)
        name = (record.bucket, record.key.decode())
        if old is not None and old.is_null and made.is_null:
            before = self._recovered.pop((*name, str(old.ord)), None)
            if before is not None:
                self._report.superseded.append(msgspec.structs.replace(before, why="replaced by a later write"))
        self._recovered[*name, str(made.ord)] = Item(*name, made.version_id, made.size)

    def _known(self, bucket: Bucket, record: Record) -> Version | None:
        """The version that the record is of, where the snapshot has it."""
        null = versions.by_id(self._tx, bucket, record.key, NULL)
        if record.version == NULL:
            return null
        if len(record.version) != _ID:
            return None
        if null is not None and null.ord == versions.ord_of(record.version):
            return null
        return versions.by_id(self._tx, bucket, record.key, record.version)

    def _again(self, found: Found, bucket: Bucket, known: Version) -> None:
        """The bytes of a version that the snapshot has, written once more: for another storage class."""
        whole = versions.whole(self._tx, known)
        gone = any((extent.blob, extent.offset) in self._standing.gone for extent in whole.extents)
        written = self._written(found)
        if not gone or sum(extent.length for extent in whole.extents) != found.record.stored:
            self._discard(found)
            return
        extents.record(self._tx, written)
        about = described.read(found.record)
        storage_class = about.storage_class if about is not None else whole.storage_class
        new = msgspec.structs.replace(whole, extents=written.extents, storage_class=storage_class)
        versions.exchange(self._tx, bucket, found.record.key, whole, new, self._now_us)
        self._report.moved += 1

    def _appended(self, found: Found, bucket: Bucket) -> None:
        """Bytes behind an object that is there as it was then."""
        record = found.record
        there = versions.place(self._tx, bucket, record.key)
        old = versions.whole(self._tx, there.current) if there.current is not None else None
        if old is not None and old.ord >= versions.ord_of(record.version):
            self._report.superseded.append(self._item(found, "the key has a newer version"))
            self._discard(found)
            return
        tail = self._tails.get((record.bucket, record.key, record.version))
        fits = tail is not None and old is not None and tail.record.at + len(old.content or b"") == old.size
        if old is None or old.size != record.at or (old.content and not fits) or old.encryption is not None:
            raise ValueError(f"{record.size} bytes appended at {record.at}, behind bytes that are not there")
        about = described.read(record)
        new = NewObject(owner=old.owner, creator=about.creator if about is not None else old.creator)
        stored = Stored(record.size, Digest(record.etag, _checksum(record)), None, Written())
        stamp = Stamp(versions.ord_of(record.version), record.version[16:])
        longer = appending.longer(old, new, stored, stamp, stamp.now_us, lambda *_: None)
        self._put(found, bucket, there, longer, tail)
        self._tails.pop((record.bucket, record.key, record.version), None)

    # --- uploads

    def _part(self, found: Found, bucket: Bucket) -> None:
        record = found.record
        upload_id, _, number = record.version.partition(".")
        key = record.key.decode()
        if record.at:
            raise ValueError(
                f"the end of part {number} of upload {upload_id}, whose beginning was in the catalog alone"
            )
        upload = uploads.find(self._tx, bucket, key, upload_id)
        if upload is None:
            if verbs.completed_by(self._tx, bucket, key, upload_id) is not None:
                self._discard(found)
                return
            upload = uploads.begin(self._tx, bucket, _upload(record, upload_id, bucket))
        about, written = described.read(record), self._written(found)
        streams = about.encryption.streams if about is not None and about.encryption is not None else ()
        part = Part(
            *(int(number), record.size, record.etag, self._now_us, _checksum(record)),
            extents=written.extents,
            streams=streams,
        )
        extents.record(self._tx, written)
        uploads.put_part(self._tx, upload, part, None, self._now_us)
        self._uploads[record.bucket, key, upload_id] = None

    def _finish(self, name: str, key: str, upload_id: str) -> None:
        """Tell of an upload that got parts again; make it an object where that is wanted and can be done."""
        bucket = buckets.require(self._tx, name)
        upload = uploads.require(self._tx, bucket, key, upload_id)
        parts = uploads.parts_of(self._tx, uploads.raw_id(upload_id))
        numbers = sorted(parts)
        completed = False
        if self._assemble and numbers == list(range(1, len(numbers) + 1)) and upload.encryption is None:
            stamp = Stamp(self._now_us, upload_id[16:])
            chosen = [CompletedPart(number, parts[number].etag) for number in numbers]
            asked = Completion(upload_id=upload_id, parts=chosen, given=ALWAYS, combine=None, size=None, stamp=stamp)
            try:
                completing.complete(self._tx, name, key, asked)
                completed = True
            except StoreError:
                pass  # an upload that a client could not complete either stays one in progress
        self._report.uploads.append(PartsOf(name, key, upload_id, numbers, completed))


def _draft(record: Record, about: About | None, bucket: Bucket, ord_: int) -> Version:
    """The draft of a version, of what its record tells; its extents come with its bytes."""
    about = about or About(bucket.owner)
    return Version(
        version_id=record.version,
        ord=ord_,
        is_null=False,
        delete_marker=False,
        etag=record.etag,
        size=record.size,
        modified_us=ord_,
        owner=about.owner,
        storage_class=about.storage_class,
        metadata=about.metadata,
        headers=about.headers,
        checksum=_checksum(record),
        acl=about.acl,
        tags=about.tags,
        lock=about.lock,
        creator=about.creator,
        encryption=about.encryption,
    )


def _upload(record: Record, upload_id: str, bucket: Bucket) -> Upload:
    about = described.read(record) or About(bucket.owner)
    encryption = about.encryption and msgspec.structs.replace(about.encryption, streams=(), proof=b"")
    return Upload(
        id=upload_id,
        key=record.key.decode(),
        initiated_us=int(upload_id[:16], 16),
        owner=about.owner,
        initiator=about.owner,
        storage_class=about.storage_class,
        metadata=about.metadata,
        headers=about.headers,
        acl=about.acl,
        tags=about.tags,
        lock=about.lock,
        creator=about.creator,
        encryption=encryption,
    )


def _checksum(record: Record) -> Checksum | None:
    algorithm, _, rest = record.checksum.partition(":")
    value, _, kind = rest.partition(":")
    return Checksum(algorithm, value, kind or "FULL_OBJECT") if value else None
