"""Quotas: how many objects and bytes an account, a user, a bucket or a prefix may hold; hard, and exact.

A row of `quotas` has the limits of one of them and what it holds now, changed in the transaction that changes that; so
what would exceed a limit is refused by the transaction that would publish it, and two writers cannot share the last
bytes. Versions count with their whole size, noncurrent ones too, whatever bytes they share; delete markers and parts of
uploads do not. An account holds what is in its buckets, a user what it wrote, wherever. A write that makes nothing
grow is never refused.

A quota on what is there already is counted in batches by `count`. Its row says up to which version that has come: what
changes on this side changes the row, what changes beyond is yet to be counted. So it is exact in the end, and until
then never too high.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from objstore.catalog.records import unpack
from objstore.catalog.transaction import Transaction
from objstore.store.errors import QuotaExceeded
from objstore.store.types import Bucket, Version

Scope = Literal["account", "user", "bucket", "prefix"]

SCOPES: Final[tuple[Scope, ...]] = ("account", "user", "bucket", "prefix")

BATCH: Final = 1_000
"""Versions that one transaction counts."""

_LAST: Final = (1 << 63) - 1
_COLUMNS: Final = "scope, bucket, name, max_objects, max_bytes, objects, bytes, at_bucket, at_key, at_ord"
_ROW: Final = "scope = ? AND bucket = ? AND name = ?"


class Target(NamedTuple):
    """What a quota is for. `bucket` is the id of a bucket, 0 for accounts and users; `name` is a canonical id, the
    unique id of a user, b"" for a bucket, or a prefix."""

    scope: Scope
    bucket: int
    name: bytes


class Limits(NamedTuple):
    """What may be held; None: any number."""

    objects: int | None
    bytes: int | None


class Position(NamedTuple):
    """A version in the order of counting: by bucket and key, newest first."""

    bucket: int
    key: bytes
    ord: int

    def covers(self, other: Position) -> bool:
        """Whether a count that has come to this one has met the other."""
        return (other.bucket, other.key, -other.ord) <= (self.bucket, self.key, -self.ord)


class Quota(NamedTuple):
    """A quota and what is held of it: exact, or while it is being counted what was met up to `counted`."""

    target: Target
    limits: Limits
    objects: int
    bytes: int
    counted: Position | None = None


class Step(NamedTuple):
    """A key gets a version (`by` 1), or loses one (-1)."""

    key: bytes
    version: Version
    by: int


class Change(NamedTuple):
    """What a write adds to the row of a quota, and by how much it lets grow what is known to be held."""

    quota: Quota
    objects: int
    bytes: int
    grown_objects: int
    grown_bytes: int


# deciding


def anywhere(tx: Transaction) -> bool:
    """Whether there is any quota."""
    return tx.steady("SELECT EXISTS (SELECT 1 FROM quotas)") == (1,)


def changes(tx: Transaction, bucket: Bucket, steps: Sequence[Step]) -> list[Change]:
    """What steps in a bucket, taken together, do to quotas."""
    counting = [step for step in steps if not step.version.delete_marker]
    if not counting or not anywhere(tx):
        return []
    concerned: dict[Target, Quota] = {}
    for step in counting:
        concerned |= {quota.target: quota for quota in _of(tx, bucket, step.key, {step.version.creator})}
    return [_change(quota, counting, bucket.id) for quota in concerned.values()]


def _change(quota: Quota, steps: Sequence[Step], bucket: int) -> Change:
    objects = size = grown_objects = grown_bytes = 0
    scope, name = quota.target.scope, quota.target.name
    for key, version, by in steps:
        if (scope == "user" and version.creator.encode() != name) or (scope == "prefix" and not key.startswith(name)):
            continue
        met = quota.counted is None or quota.counted.covers(Position(bucket, key, version.ord))
        if met:
            objects, size = objects + by, size + by * version.size
        if met or by > 0:
            grown_objects, grown_bytes = grown_objects + by, grown_bytes + by * version.size
    return Change(quota, objects, size, grown_objects, grown_bytes)


def check(found: Sequence[Change], bucket: Bucket) -> None:
    """Raise QuotaExceeded for the first quota that would be."""
    for change in found:
        quota, limits = change.quota, change.quota.limits
        if limits.bytes is not None and 0 < change.grown_bytes > limits.bytes - quota.bytes:
            raise _exceeded(quota, bucket, "bytes", limits.bytes, quota.bytes, change.grown_bytes)
        if limits.objects is not None and 0 < change.grown_objects > limits.objects - quota.objects:
            raise _exceeded(quota, bucket, "objects", limits.objects, quota.objects, change.grown_objects)


def check_alone(tx: Transaction, bucket: Bucket, key: bytes, creator: str, size: int) -> None:
    """Raise QuotaExceeded for a part that is larger than all that a quota allows."""
    if not anywhere(tx):
        return
    for quota in _of(tx, bucket, key, {creator}):
        if quota.limits.bytes is not None and size > quota.limits.bytes:
            raise _exceeded(quota, bucket, "bytes", quota.limits.bytes, quota.bytes, size)


def enter(tx: Transaction, found: Sequence[Change]) -> None:
    """Write the changes into their rows."""
    for change in found:
        if change.objects or change.bytes:
            tx.run(
                f"UPDATE quotas SET objects = objects + ?, bytes = bytes + ? WHERE {_ROW}",
                change.objects,
                change.bytes,
                *change.quota.target,
            )


def _exceeded(quota: Quota, bucket: Bucket, unit: str, limit: int, held: int, wanted: int) -> QuotaExceeded:
    scope, name = quota.target.scope, quota.target.name.decode()
    called = {"bucket": bucket.name, "prefix": f"{bucket.name}/{name}"}.get(scope, name)
    return QuotaExceeded(
        f"The quota of {scope} {called} is {limit:,} {unit}: {held:,} are held, {wanted:,} more are asked for.",
        QuotaScope=scope,
        QuotaName=called,
    )


def _of(tx: Transaction, bucket: Bucket, key: bytes, creators: set[str]) -> Iterator[Quota]:
    """The quotas that concern a key, and what these users write to it."""
    targets = [Target("account", 0, bucket.owner.id.encode()), Target("bucket", bucket.id, b"")]
    targets += [Target("user", 0, creator.encode()) for creator in sorted(creators) if creator]
    for target in targets:
        quota = find(tx, target)
        if quota is not None:
            yield quota
    yield from _of_prefixes(tx, bucket.id, key)


def _of_prefixes(tx: Transaction, bucket: int, key: bytes) -> Iterator[Quota]:
    """The quotas of prefixes of a key, the longest first: each seek leads to the next shorter one that may be."""
    probe: bytes | None = key
    while probe is not None:
        row = tx.one(
            f"SELECT {_COLUMNS} FROM quotas WHERE scope = 'prefix' AND bucket = ? AND name <= ?"
            " ORDER BY name DESC LIMIT 1",
            bucket,
            probe,
        )
        if row is None:
            return
        quota = _quota(row)
        name = quota.target.name
        if key.startswith(name):
            yield quota
            probe = name[:-1] if name else None
        else:
            probe = key[: _common(key, name)]


def _common(one: bytes, other: bytes) -> int:
    """How many bytes two names begin with alike."""
    most = min(len(one), len(other))
    return next((at for at in range(most) if one[at] != other[at]), most)


# setting and looking


def find(tx: Transaction, target: Target) -> Quota | None:
    """The quota of that target."""
    row = tx.one(f"SELECT {_COLUMNS} FROM quotas WHERE {_ROW}", *target)
    return _quota(row) if row is not None else None


def page(tx: Transaction, after: Target | None, limit: int) -> list[Quota]:
    """Quotas in order of scope, bucket id and name, behind `after`."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM quotas WHERE (scope, bucket, name) > (?, ?, ?) ORDER BY scope, bucket, name LIMIT ?",
        *(after or ("", 0, b"")),
        limit,
    )
    return [_quota(row) for row in rows]


def put(tx: Transaction, target: Target, limits: Limits) -> Quota:
    """Set the limits of a target. A new quota has its first batch counted at once; `counted` tells if more is left."""
    tx.run(
        "INSERT INTO quotas (scope, bucket, name, max_objects, max_bytes, at_bucket, at_key, at_ord)"
        " VALUES (?, ?, ?, ?, ?, 0, ?, 0) ON CONFLICT (scope, bucket, name)"
        " DO UPDATE SET max_objects = excluded.max_objects, max_bytes = excluded.max_bytes",
        *target,
        *limits,
        b"",
    )
    quota = count(tx, target)
    assert quota is not None, "the quota was set just now"
    return quota


def remove(tx: Transaction, target: Target) -> bool:
    """Let a target hold anything; whether it had a quota."""
    return tx.run(f"DELETE FROM quotas WHERE {_ROW}", *target) > 0


def forget(tx: Transaction, bucket: int) -> None:
    """Drop the quotas of a bucket that is gone, and of its prefixes."""
    tx.run("DELETE FROM quotas WHERE scope IN ('bucket', 'prefix') AND bucket = ?", bucket)


def recount(tx: Transaction, target: Target) -> None:
    """Have a quota counted anew from the beginning, if there is one."""
    tx.run(
        f"UPDATE quotas SET objects = 0, bytes = 0, at_bucket = 0, at_key = ?, at_ord = 0 WHERE {_ROW}", b"", *target
    )


def uncounted(tx: Transaction) -> list[Target]:
    """The quotas whose count has not come to its end."""
    rows = tx.all("SELECT scope, bucket, name FROM quotas WHERE at_bucket IS NOT NULL ORDER BY scope, bucket, name")
    return [Target(*row) for row in rows]


def _quota(row: tuple[object, ...]) -> Quota:
    scope, bucket, name, max_objects, max_bytes, objects, size, *at = row
    counted = Position(*at) if at[0] is not None else None  # type: ignore[arg-type]
    return Quota(Target(scope, bucket, name), Limits(max_objects, max_bytes), objects, size, counted)  # type: ignore[arg-type]


# counting


def count(tx: Transaction, target: Target, limit: int = BATCH) -> Quota | None:
    """Count the next `limit` versions of a quota; the quota then, None where there is none any more."""
    quota = find(tx, target)
    if quota is None or quota.counted is None:
        return quota
    objects, size, at = quota.objects, quota.bytes, quota.counted
    while limit > 0:
        bucket = _next_bucket(tx, target, at.bucket)
        if bucket is None:
            return _counted(tx, quota, objects, size, None)
        if bucket != at.bucket:
            at = Position(bucket, b"", 0)
        rows = _behind(tx, at, target.name if target.scope == "prefix" else b"", limit)
        for key, ord_, record in rows:
            version = unpack(record, Version)
            if not version.delete_marker and (target.scope != "user" or version.creator.encode() == target.name):
                objects, size = objects + 1, size + version.size
            at = Position(bucket, key, ord_)
        if len(rows) < limit:
            at = Position(bucket + 1, b"", 0)
        limit -= len(rows)
    return _counted(tx, quota, objects, size, at)


def _counted(tx: Transaction, quota: Quota, objects: int, size: int, at: Position | None) -> Quota:
    tx.run(
        f"UPDATE quotas SET objects = ?, bytes = ?, at_bucket = ?, at_key = ?, at_ord = ? WHERE {_ROW}",
        objects,
        size,
        *(at or (None, None, None)),
        *quota.target,
    )
    return quota._replace(objects=objects, bytes=size, counted=at)


def _next_bucket(tx: Transaction, target: Target, least: int) -> int | None:
    """The bucket with the lowest id from `least` on in which a quota has something to count."""
    if target.bucket:
        return target.bucket if target.bucket >= least else None
    if target.scope == "account":
        row = tx.one("SELECT min(id) FROM buckets WHERE owner = ? AND id >= ?", target.name, least)
    else:
        row = tx.one("SELECT min(id) FROM buckets WHERE id >= ?", least)
    return row[0] if row is not None else None


def _behind(tx: Transaction, at: Position, prefix: bytes, limit: int) -> list[tuple[bytes, int, bytes]]:
    """Versions of a bucket behind a position, in the order of counting."""
    rows: list[tuple[bytes, int, bytes]] = []
    if at.key:
        inside = (at.bucket, at.key, at.ord)
        rows += [
            (key, ord_, record)
            for key, ord_, record in tx.all(
                "SELECT key, ord, record FROM objects WHERE bucket = ? AND key = ? AND ord < ? UNION ALL"
                " SELECT key, ord, record FROM versions WHERE bucket = ? AND key = ? AND ord < ?"
                " ORDER BY 2 DESC LIMIT ?",
                *(*inside, *inside, limit),
            )
        ]
    if len(rows) < limit:
        span = (at.bucket, at.key + b"\0" if at.key else prefix, prefix + b"\xff")
        rows += [
            (key, ord_, record)
            for key, ord_, record in tx.all(
                "SELECT key, ord, record FROM objects WHERE bucket = ? AND key >= ? AND key < ? UNION ALL"
                " SELECT key, ord, record FROM versions WHERE bucket = ? AND key >= ? AND key < ?"
                " ORDER BY 1, 2 DESC LIMIT ?",
                *(*span, *span, limit - len(rows)),
            )
        ]
    return rows
