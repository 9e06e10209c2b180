"""Where the versions of a key are, and how they move.

`objects` holds the newest version of a key if that is a real object; `versions` holds all others, newest first, delete
markers among them. So a key without a row in `objects` has a delete marker as its newest version, or nothing. `ord`
grows with every version of a key. The public id of a version is its ord with eight random bytes, so that a version is
found by its id with a point read; the null version of a key, of which there is at most one, is found by an index.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from objstore.blobs.types import Extent, Written
from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.store import extents, locks, payloads, quotas, snapshots, usage
from objstore.store.errors import InvalidArgument, MethodNotAllowed, NoSuchKey, NoSuchVersion
from objstore.store.lifecycle import queue
from objstore.store.manifests import LONG, Manifest
from objstore.store.manifests import whole as whole  # of versions, for whoever has one
from objstore.store.types import ENABLED, NULL, SUSPENDED, Bucket, Version


@dataclass(frozen=True, slots=True)
class Place:
    """What is at a key before a write: the current object, or else the newest delete marker."""

    current: Version | None
    marker: Version | None = None

    @property
    def newest(self) -> Version | None:
        return self.current or self.marker


def ord_of(version_id: str) -> int:
    """The ord in a public id; raises InvalidArgument for what cannot be one."""
    try:
        if len(version_id) != 32:
            raise ValueError
        return int.from_bytes(bytes.fromhex(version_id)[:8], "big") & (1 << 63) - 1
    except ValueError:
        raise InvalidArgument(
            "Invalid version id specified", ArgumentName="versionId", ArgumentValue=version_id
        ) from None


# reading


def current(tx: Transaction, bucket: int, key: bytes) -> Version | None:
    """The current object."""
    row = tx.one("SELECT record FROM objects WHERE bucket = ? AND key = ?", bucket, key)
    return unpack(row[0], Version) if row is not None else None


def newest_archived(tx: Transaction, bucket: int, key: bytes) -> Version | None:
    """The newest row of `versions`."""
    row = tx.one("SELECT record FROM versions WHERE bucket = ? AND key = ? ORDER BY ord DESC LIMIT 1", bucket, key)
    return unpack(row[0], Version) if row is not None else None


def place(tx: Transaction, bucket: Bucket, key: bytes) -> Place:
    """What is at a key."""
    now = current(tx, bucket.id, key)
    if now is not None or not bucket.versioning:
        return Place(now)
    return Place(None, newest_archived(tx, bucket.id, key))


def by_id(tx: Transaction, bucket: Bucket, key: bytes, version_id: str) -> Version | None:
    """The version or delete marker of that id ("null": the null version); raises InvalidArgument."""
    ord_ = None if version_id == NULL else ord_of(version_id)
    now = current(tx, bucket.id, key)
    if now is not None and now.version_id == version_id:
        return now
    if not bucket.versioning:
        return None
    if ord_ is None:
        return archived_null(tx, bucket.id, key)
    row = tx.one("SELECT record FROM versions WHERE bucket = ? AND key = ? AND ord = ?", bucket.id, key, ord_)
    found = unpack(row[0], Version) if row is not None else None
    return found if found is not None and found.version_id == version_id else None


def archived_null(tx: Transaction, bucket: int, key: bytes) -> Version | None:
    """The null version, where it is not the current object."""
    row = tx.one("SELECT record FROM versions WHERE bucket = ? AND key = ? AND is_null = 1", bucket, key)
    return unpack(row[0], Version) if row is not None else None


def recent_upload(tx: Transaction, bucket: int, key: bytes, upload_id: str) -> Version | None:
    """The noncurrent version that an upload became, among the newest 16 of its key."""
    rows = tx.all("SELECT record FROM versions WHERE bucket = ? AND key = ? ORDER BY ord DESC LIMIT 16", bucket, key)
    found = (unpack(record, Version) for (record,) in rows)
    return next((version for version in found if version.upload_id == upload_id), None)


def require(tx: Transaction, bucket: Bucket, key: str, version_id: str | None) -> Version:
    """The current object, or the version of that id; raises NoSuchKey, NoSuchVersion, MethodNotAllowed."""
    if bucket.source:
        return _seen(tx, bucket, key, version_id)
    if version_id is not None:
        version = by_id(tx, bucket, key.encode(), version_id)
        if version is None:
            raise NoSuchVersion(Key=key, VersionId=version_id)
        if version.delete_marker:
            raise MethodNotAllowed(marker=version, Method="GET", ResourceType="DeleteMarker")
        return version
    there = place(tx, bucket, key.encode())
    if there.current is None:
        raise NoSuchKey(marker=there.marker, Key=key)
    return there.current


def _seen(tx: Transaction, view: Bucket, key: str, version_id: str | None) -> Version:
    """The object that a view of a snapshot shows: it is the null version, and has the id that it had."""
    found = snapshots.current(tx, view, key.encode())
    if found is None:
        raise NoSuchVersion(Key=key, VersionId=version_id) if version_id is not None else NoSuchKey(Key=key)
    if version_id not in (None, NULL, found.version_id):
        raise NoSuchVersion(Key=key, VersionId=version_id)
    return found


# writing


def put(
    tx: Transaction,
    bucket: Bucket,
    key: bytes,
    there: Place,
    draft: Version,
    *,
    written: Written | None = None,
    shared: Sequence[Extent] = (),
    admitted: bool = False,
) -> Version:
    """Make `draft` the newest version of the key, and what it replaces noncurrent, or garbage.

    `draft.version_id` gives the random half of its public id, `draft.ord` its earliest ord, `draft.modified_us` is now;
    `draft.content` is stored. Its extents are those just `written`, those `shared` with other versions, to which it
    gets references, and those whose references it takes over. Without retention of its own it gets what the bucket
    gives by default. Raises InvalidRequest and QuotaExceeded, with nothing written, unless it was `admitted` before.
    """
    now_us = draft.modified_us
    newest = there.newest
    ord_ = draft.ord if newest is None else max(draft.ord, newest.ord + 1)
    is_null = bucket.versioning != ENABLED
    version_id = NULL if is_null else f"{ord_:016x}{draft.version_id[16:]}"
    lock = locks.of_new(bucket, draft.lock, now_us) if not draft.delete_marker else None
    draft = msgspec.structs.replace(draft, ord=ord_, is_null=is_null, version_id=version_id, lock=lock)
    replaced = _replaced(tx, bucket, key, there)
    changes = quotas.changes(tx, bucket, _steps(key, draft, replaced))
    if not admitted:
        _check(bucket, draft, changes)

    snapshots.retain(tx, bucket, key, now_us)
    if written is not None:
        extents.record(tx, written)
    extents.acquire(tx, shared)
    version = _store(tx, draft, now_us)
    objects, archived = _make_way(tx, bucket, key, there.current, replaced)
    if version.delete_marker:
        if there.current is not None:
            _clear_current(tx, bucket, key, there.current)
        _archive(tx, bucket.id, key, version)
        archived += 1
    else:
        _make_current(tx, bucket, key, version, there.current)
        objects += 1
    size = version.size - (replaced.size if replaced is not None else 0)
    usage.add(tx, bucket.id, objects=objects, versions=archived, size=size)
    quotas.enter(tx, changes)
    queue.written(tx, bucket, key, now_us, alone=newest is None)
    return version


def admit(
    tx: Transaction, bucket: Bucket, key: bytes, there: Place, draft: Version, *, leaving: bytes | None = None
) -> None:
    """Raise what `put` would raise now; with `leaving`, if the current object of that key were deleted with it."""
    steps = _steps(key, draft, _replaced(tx, bucket, key, there))
    if leaving is not None:
        steps += _steps(leaving, None, _replaced(tx, bucket, leaving, place(tx, bucket, leaving)))
    _check(bucket, draft, quotas.changes(tx, bucket, steps))


def _check(bucket: Bucket, draft: Version, changes: Sequence[quotas.Change]) -> None:
    if not draft.delete_marker:
        locks.check_new(bucket, draft.lock)
        quotas.check(changes, bucket)


def _steps(key: bytes, made: Version | None, gone: Version | None) -> list[quotas.Step]:
    return [quotas.Step(key, one, by) for one, by in ((made, 1), (gone, -1)) if one is not None]


def _replaced(tx: Transaction, bucket: Bucket, key: bytes, there: Place) -> Version | None:
    """The null version, if a new one takes its place."""
    if bucket.versioning == ENABLED:
        return None
    assert locks.of_bucket(bucket) is None, "no version is replaced where one may be protected"
    if there.current is not None and there.current.is_null:
        return there.current
    return archived_null(tx, bucket.id, key) if bucket.versioning == SUSPENDED else None


def _make_way(
    tx: Transaction, bucket: Bucket, key: bytes, current: Version | None, replaced: Version | None
) -> tuple[int, int]:
    """Archive what was current, drop what is replaced; how the counts of objects and versions change.

    The row of `objects` itself is left.
    """
    objects = archived = 0
    if current is not None:
        objects -= 1
        if replaced is not current:
            _archive(tx, bucket.id, key, current)
            archived += 1
    if replaced is not None:
        if replaced is not current:
            _unarchive(tx, bucket.id, key, replaced)
            archived -= 1
        drop(tx, replaced)
    return objects, archived


def remove(
    tx: Transaction, bucket: Bucket, key: bytes, version: Version, now_us: int, *, bypass_governance: bool = False
) -> None:
    """Delete a version or delete marker for good; the next newest becomes current if it is an object.

    Raises ObjectLocked for a version that object lock protects now, with nothing written.
    """
    locks.check_removal(version, now_us, bypass=bypass_governance)
    forget(tx, bucket, key, version, now_us)


def forget(tx: Transaction, bucket: Bucket, key: bytes, version: Version, now_us: int) -> None:
    """As `remove`, whatever protects the version: its bytes are no more."""
    quotas.enter(tx, quotas.changes(tx, bucket, _steps(key, None, version)))
    objects = archived = 0
    now = current(tx, bucket.id, key)
    if now is not None and now.ord == version.ord:
        snapshots.retain(tx, bucket, key, now_us)
        _clear_current(tx, bucket, key, now)
        objects -= 1
        now = None
    else:
        _unarchive(tx, bucket.id, key, version)
        archived -= 1
    if now is None and bucket.versioning:
        next_ = newest_archived(tx, bucket.id, key)
        if next_ is not None and not next_.delete_marker:
            _unarchive(tx, bucket.id, key, next_)
            _make_current(tx, bucket, key, next_, None)
            objects += 1
            archived -= 1
        if next_ is not None:
            queue.changed(tx, bucket, key)  # it may have been due for long, or be a marker that is alone now
    drop(tx, version)
    usage.add(tx, bucket.id, objects=objects, versions=archived, size=-version.size)


def rewrite(tx: Transaction, bucket: Bucket, key: bytes, old: Version, new: Version, now_us: int) -> None:
    """Replace the record of a version in its place; what it refers to stays."""
    assert (old.ord, old.version_id, old.extents, old.payload, old.manifest, old.size) == (
        new.ord,
        new.version_id,
        new.extents,
        new.payload,
        new.manifest,
        new.size,
    ), "only what a version says of itself changes in its place"
    _leave(tx, bucket, key, old, now_us)
    _rerecord(tx, bucket, key, new)
    queue.changed(tx, bucket, key)


def exchange(tx: Transaction, bucket: Bucket, key: bytes, old: Version, new: Version, now_us: int) -> None:
    """Replace the bytes of a whole version in its place by the same bytes elsewhere, which it refers to already."""
    assert (old.ord, old.version_id, old.size, old.payload) == (new.ord, new.version_id, new.size, new.payload)
    _leave(tx, bucket, key, old, now_us)
    if new.extents != old.extents:
        extents.release(tx, old.extents)
    if old.manifest is not None:
        payloads.drop(tx, old.manifest)
    _rerecord(tx, bucket, key, _store(tx, msgspec.structs.replace(new, content=None), now_us))


def _leave(tx: Transaction, bucket: Bucket, key: bytes, version: Version, now_us: int) -> None:
    """Keep a version that is about to change in its place, if it is current and a snapshot shows it."""
    now = current(tx, bucket.id, key) if bucket.era else None
    if now is not None and now.ord == version.ord:
        snapshots.retain(tx, bucket, key, now_us)


def _rerecord(tx: Transaction, bucket: Bucket, key: bytes, version: Version) -> None:
    """Write the record of a version where it stands."""
    record, place = pack(version), (bucket.id, key, version.ord)
    sql = "UPDATE objects SET record = ?, era = ? WHERE bucket = ? AND key = ? AND ord = ?"
    if not tx.run(sql, record, bucket.era, *place):
        tx.run("UPDATE versions SET record = ? WHERE bucket = ? AND key = ? AND ord = ?", record, *place)


def drop(tx: Transaction, version: Version) -> None:
    """Give back what a record that is gone referred to."""
    extents.release(tx, whole(tx, version).extents if version.manifest is not None else version.extents)
    for payload in (version.payload, version.manifest):
        if payload is not None:
            payloads.drop(tx, payload)


def _store(tx: Transaction, version: Version, now_us: int) -> Version:
    """The version as its record has it: inline bytes and long lists in payloads."""
    payload = payloads.add(tx, version.content, now_us) if version.content else version.payload
    listed, parts, manifest, encryption = version.extents, version.parts, None, version.encryption
    if len(listed) > LONG or len(parts or ()) > LONG:
        streams = encryption.streams if encryption is not None else ()
        manifest = payloads.add(tx, pack(Manifest(listed, parts, streams)), now_us)
        listed, parts = (), None
        encryption = encryption and msgspec.structs.replace(encryption, streams=())
    return msgspec.structs.replace(
        version,
        payload=payload,
        content=None,
        extents=listed,
        parts=parts,
        manifest=manifest,
        encryption=encryption,
    )


def _make_current(tx: Transaction, bucket: Bucket, key: bytes, version: Version, now: Version | None) -> None:
    """Make `version` the current object in the place of `now`. The statement names what it replaces, so that it does
    the same on every mirror of the catalog or is noticed."""
    row = (version.ord, bucket.era, pack(version), bucket.id, key)
    if now is None:
        tx.run("INSERT INTO objects (ord, era, record, bucket, key) VALUES (?, ?, ?, ?, ?)", *row)
    else:
        sql = "UPDATE objects SET ord = ?, era = ?, record = ? WHERE bucket = ? AND key = ? AND ord = ?"
        done = tx.run(sql, *row, now.ord)
        assert done == 1, "the current object is another one than was looked at"


def _clear_current(tx: Transaction, bucket: Bucket, key: bytes, now: Version) -> None:
    done = tx.run("DELETE FROM objects WHERE bucket = ? AND key = ? AND ord = ?", bucket.id, key, now.ord)
    assert done == 1, "the current object is another one than was looked at"


def _archive(tx: Transaction, bucket: int, key: bytes, version: Version) -> None:
    tx.run(
        "INSERT INTO versions (bucket, key, ord, is_null, record) VALUES (?, ?, ?, ?, ?)",
        bucket,
        key,
        version.ord,
        int(version.is_null),
        pack(version),
    )


def _unarchive(tx: Transaction, bucket: int, key: bytes, version: Version) -> None:
    tx.run("DELETE FROM versions WHERE bucket = ? AND key = ? AND ord = ?", bucket, key, version.ord)
