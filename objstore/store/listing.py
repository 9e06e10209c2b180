"""Pages of objects, versions and uploads.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, ...ListObjectVersions.html and
...ListMultipartUploads.html. Common prefixes count to the limit as much as keys do.
"""

from __future__ import annotations

from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.store import snapshots, versions
from objstore.store.errors import NoSuchUpload
from objstore.store.types import NULL, Bucket, Entry, Listed, MarkedPage, Page, Upload, VersionEntry
from objstore.store.uploads import raw_id
from objstore.store.walking import Position, Row, Walk, beginning, walk

_OBJECTS = "SELECT key, 0, record FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
_VERSIONS = (
    "SELECT key, ord, record, 1 FROM objects WHERE bucket = ? AND key >= ? AND key < ? UNION ALL"
    " SELECT key, ord, record, 0 FROM versions WHERE bucket = ? AND key >= ? AND key < ?"
    " ORDER BY 1, 2 DESC LIMIT ?"
)
_OF_KEY = (
    "SELECT key, ord, record, 1 FROM objects WHERE bucket = ? AND key = ? AND ord < ? UNION ALL"
    " SELECT key, ord, record, 0 FROM versions WHERE bucket = ? AND key = ? AND ord < ?"
    " ORDER BY 1, 2 DESC LIMIT ?"
)
_UPLOADS = (
    "SELECT key, id, record FROM uploads WHERE bucket = ? AND (key, id) > (?, ?) AND key < ? ORDER BY key, id LIMIT ?"
)


def list_objects(tx: Transaction, bucket: Bucket, prefix: str, delimiter: str, after: str, limit: int) -> Page[Entry]:
    """Current objects by key behind `after`."""

    def fetch(position: Position, end: bytes, count: int) -> list[Row]:
        key, sub = position
        start = key if sub is None else key + b"\0"
        if bucket.source:
            return snapshots.rows(tx, bucket, start, end, count)
        return tx.all(_OBJECTS, bucket.id, start, end, count)

    start = beginning(prefix.encode(), delimiter.encode(), after.encode(), None)
    found = walk(fetch, start, prefix.encode(), delimiter.encode(), limit)
    items = [Entry(row[0].decode(), unpack(row[2], Listed)) for row in found.rows]
    return Page(items, _prefixes(found), _next_key(found))


def list_versions(
    tx: Transaction,
    bucket: Bucket,
    prefix: str,
    delimiter: str,
    key_marker: str,
    version_id_marker: str | None,
    limit: int,
) -> MarkedPage[VersionEntry]:
    """Versions and delete markers by key, newest first, behind the markers."""

    def fetch(position: Position, end: bytes, count: int) -> list[Row]:
        key, ord_ = position
        rows: list[Row] = []
        if bucket.source:  # a view of a snapshot has one version of each key
            start = key if ord_ is None else key + b"\0"
            return [(*row, 1) for row in snapshots.rows(tx, bucket, start, end, count)]
        if ord_ is not None:
            rows = tx.all(_OF_KEY, bucket.id, key, ord_, bucket.id, key, ord_, count)
            key += b"\0"
        if len(rows) < count:
            rows += tx.all(_VERSIONS, bucket.id, key, end, bucket.id, key, end, count - len(rows))
        return rows

    marker = key_marker.encode()
    ord_ = _marked_ord(tx, bucket, marker, version_id_marker) if version_id_marker is not None else None
    start = beginning(prefix.encode(), delimiter.encode(), marker, ord_)
    found = walk(fetch, start, prefix.encode(), delimiter.encode(), limit)
    items: list[VersionEntry] = []
    before = marker if start[1] is not None and _has_newer(tx, bucket, marker, start[1]) else None
    for key, _, record, is_current in found.rows:
        version = unpack(record, Listed)
        items.append(VersionEntry(key.decode(), version, bool(is_current) or key != before))
        before = key
    last_id = items[-1].version.version_id if isinstance(found.last, tuple) else None
    return MarkedPage(items, _prefixes(found), _next_key(found), last_id)


def list_uploads(
    tx: Transaction,
    bucket: Bucket,
    prefix: str,
    delimiter: str,
    key_marker: str,
    upload_id_marker: str | None,
    limit: int,
) -> MarkedPage[Upload]:
    """Uploads in progress by key and time, behind the markers."""

    def fetch(position: Position, end: bytes, count: int) -> list[Row]:
        key, upload_id = position
        return tx.all(_UPLOADS, bucket.id, key, upload_id or b"", end, count)

    try:
        marked = raw_id(upload_id_marker) if upload_id_marker and key_marker else None
    except NoSuchUpload:
        marked = None
    start = beginning(prefix.encode(), delimiter.encode(), key_marker.encode(), marked)
    found = walk(fetch, start, prefix.encode(), delimiter.encode(), limit)
    items = [unpack(row[2], Upload) for row in found.rows]
    last_id = items[-1].id if isinstance(found.last, tuple) else None
    return MarkedPage(items, _prefixes(found), _next_key(found), last_id)


def _marked_ord(tx: Transaction, bucket: Bucket, key: bytes, version_id: str) -> int:
    """The ord behind which a page begins; the key from its newest version where the null version is gone."""
    if version_id != NULL:
        return versions.ord_of(version_id)
    null = versions.by_id(tx, bucket, key, NULL)
    return null.ord if null is not None else (1 << 63) - 1


def _has_newer(tx: Transaction, bucket: Bucket, key: bytes, ord_: int) -> bool:
    """Whether the key has a version that an earlier page showed as its latest."""
    newest = versions.place(tx, bucket, key).newest
    return newest is not None and newest.ord >= ord_


def _prefixes(found: Walk) -> list[str]:
    return [prefix.decode() for prefix in found.prefixes]


def _next_key(found: Walk) -> str | None:
    if found.last is None:
        return None
    key: bytes = found.last[0] if isinstance(found.last, tuple) else found.last
    return key.decode()
