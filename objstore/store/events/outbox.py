"""The outbox: events that wait to be delivered, as rows written by the transaction that caused them.

So an event exists exactly if what it tells of has happened, whatever dies when. Rows of a target are delivered in the
order of their ids, and deleted afterwards: a crash in between delivers again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import msgspec

from objstore.catalog.records import pack, unpack
from objstore.catalog.transaction import Transaction
from objstore.store.events import topics
from objstore.store.events.cause import CAUSE, Cause
from objstore.store.events.rules import wanted
from objstore.store.types import Bucket, Version


class Event(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """What happened: the name as configurations have it, when, where, to what, and who caused it.

    `sequencer` grows with every event of a key. Size and ETag are None where the object is gone.
    """

    name: str
    time_us: int
    bucket: str
    owner: str
    rule: str
    key: str
    version_id: str | None
    size: int | None
    etag: str | None
    sequencer: int
    cause: Cause


class Mail(msgspec.Struct, frozen=True, array_like=True, tag="mail"):
    """A message of a topic. `kind` is Notification or, with a `token` and the `link` that brings it back,
    SubscriptionConfirmation. `group`: messages of one are delivered in order."""

    kind: str
    id: str
    topic: str
    message: str
    time_us: int
    subject: str | None = None
    token: str | None = None
    link: str | None = None
    attributes: dict[str, tuple[str, str]] = {}
    group: str = ""


Entry = Event | Mail
_ENTRY: type[Entry] = Entry  # type: ignore[assignment]  # msgspec takes unions where types are asked for


class Waiting(NamedTuple):
    """A row of the outbox."""

    id: int
    entry: Entry

    @property
    def lane(self) -> tuple[str, str]:
        """What has one lane is delivered in order."""
        if isinstance(self.entry, Mail):
            return self.entry.topic, self.entry.group
        return self.entry.bucket, self.entry.key


def created(tx: Transaction, bucket: Bucket, key: str, version: Version, how: str = "Put") -> None:
    """Enter what tells of a new object; `how` is Put, Copy or CompleteMultipartUpload."""
    if how == "Put" and CAUSE.get().way == "form":
        how = "Post"
    emit(tx, bucket, f"s3:ObjectCreated:{how}", key, version, version.modified_us)


def removed(tx: Transaction, bucket: Bucket, key: str, version: Version, now_us: int, *, marker: bool = False) -> None:
    """Enter what tells of a version that is gone, or with `marker` of the delete marker that was made."""
    what = "LifecycleExpiration" if CAUSE.get().way == "lifecycle" else "ObjectRemoved"
    emit(tx, bucket, f"s3:{what}:{'DeleteMarkerCreated' if marker else 'Delete'}", key, version, now_us, gone=True)


def changed(tx: Transaction, bucket: Bucket, key: str, old: Version, new: Version, now_us: int) -> None:
    """Enter what tells that a version says something else of itself."""
    if new.tags != old.tags:
        emit(tx, bucket, f"s3:ObjectTagging:{'Put' if new.tags else 'Delete'}", key, new, now_us)
    if new.acl != old.acl:
        emit(tx, bucket, "s3:ObjectAcl:Put", key, new, now_us)
    if _retention(new) != _retention(old):
        emit(tx, bucket, "s3:ObjectRetention:Put", key, new, now_us)
    if new.storage_class != old.storage_class:
        emit(tx, bucket, "s3:LifecycleTransition", key, new, now_us)


def _retention(version: Version) -> tuple[str, int]:
    return (version.lock.mode, version.lock.until_us) if version.lock is not None else ("", 0)


def emit(
    tx: Transaction, bucket: Bucket, name: str, key: str, version: Version, now_us: int, *, gone: bool = False
) -> None:
    """Enter an event for every target that wants it. Size and ETag are left out where the object is `gone`."""
    for rule in wanted(bucket, name, key):
        event = Event(
            name=name,
            time_us=now_us,
            bucket=bucket.name,
            owner=bucket.owner.id,
            rule=rule.id,
            key=key,
            version_id=version.version_id if bucket.versioning else None,
            size=None if gone else version.size,
            etag=None if gone else version.etag,
            sequencer=max(now_us, version.ord),
            cause=CAUSE.get(),
        )
        _enter(tx, rule.target, event)


TEST = "s3:TestEvent"


def test(tx: Transaction, bucket: Bucket, targets: Collection[str], now_us: int) -> None:
    """Enter the event that tells a target that it was configured."""
    for target in sorted(targets):
        event = Event(TEST, now_us, bucket.name, bucket.owner.id, "", "", None, None, None, now_us, CAUSE.get())
        _enter(tx, target, event)


def publish(tx: Transaction, mail: Mail) -> None:
    """Enter a message for every confirmed subscription of its topic."""
    _enter(tx, mail.topic, mail)


def post(tx: Transaction, subscription: str, mail: Mail) -> None:
    """Enter a message for one subscription, confirmed or not."""
    _insert(tx, subscription, mail)


def _enter(tx: Transaction, target: str, entry: Entry) -> None:
    if not target.startswith(topics.PREFIX):
        _insert(tx, target, entry)
        return
    for one in topics.subscriptions(tx, target):
        if one.confirmed:
            _insert(tx, one.arn, entry)


def _insert(tx: Transaction, target: str, entry: Entry) -> None:
    tx.run("INSERT INTO outbox (target, record) VALUES (?, ?)", target, pack(entry))


def targets(tx: Transaction) -> list[str]:
    """Every target for which something waits: one seek of the index for each."""
    found: list[str] = []
    row = tx.one("SELECT min(target) FROM outbox")
    while row is not None and row[0] is not None:
        found.append(row[0])
        row = tx.one("SELECT min(target) FROM outbox WHERE target > ?", row[0])
    return found


def oldest(tx: Transaction, target: str, limit: int) -> list[Waiting]:
    """What waits longest for a target, in order."""
    rows = tx.all("SELECT id, record FROM outbox WHERE target = ? ORDER BY id LIMIT ?", target, limit)
    return [Waiting(number, unpack(record, _ENTRY)) for number, record in rows]


def delivered(tx: Transaction, ids: Collection[int]) -> None:
    """Forget events that were delivered."""
    for number in ids:
        tx.run("DELETE FROM outbox WHERE id = ?", number)


def trim(tx: Transaction, target: str, keep: int) -> int:
    """Forget the oldest events of a target beyond the newest `keep`; how many."""
    row = tx.one("SELECT id FROM outbox WHERE target = ? ORDER BY id DESC LIMIT 1 OFFSET ?", target, keep)
    return 0 if row is None else tx.run("DELETE FROM outbox WHERE target = ? AND id <= ?", target, row[0])


def waiting(tx: Transaction) -> dict[str, int]:
    """How many events wait for each target. Linear in events."""
    return dict(tx.all("SELECT target, count(*) FROM outbox GROUP BY target"))
