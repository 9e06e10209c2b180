"""Object lock: what protects a version, and who may loosen it.

A version is protected while its retention lasts, and as long as it has a legal hold. Retention in COMPLIANCE mode is
never shortened by anybody; in GOVERNANCE mode whoever may bypass it does away with it. A bucket has object lock from
its creation, or gets it while versioning is enabled, and then keeps both for ever: so no write ever replaces a
protected version in its place, and every other way to lose one goes through `versions.remove`, which asks here.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from objstore.store import configuration
from objstore.store.errors import InvalidBucketState, InvalidRequest, ObjectLocked
from objstore.store.types import ENABLED, Bucket, Lock, Version

OBJECT_LOCK: Final = "object-lock"
"""The subject of `configuration`: a bucket that has it has object lock."""

GOVERNANCE: Final = "GOVERNANCE"
COMPLIANCE: Final = "COMPLIANCE"

_UNLOCKED: Final = Lock()


class ObjectLock(msgspec.Struct, frozen=True, omit_defaults=True):
    """Object lock of a bucket, and the retention that new versions get: `days` or `years`, none without `mode`."""

    mode: str = ""
    days: int = 0
    years: int = 0

    def until_us(self, now_us: int) -> int:
        """The end of a retention that begins now. A year has as many days as the calendar says."""
        start = datetime.fromtimestamp(now_us // 1_000_000, UTC)
        try:
            end = start.replace(year=start.year + self.years)
        except ValueError:  # from 29 February to a year that has none
            end = start.replace(year=start.year + self.years, month=3, day=1)
        return now_us + (end - start + timedelta(days=self.days)) // timedelta(microseconds=1)


def of_bucket(bucket: Bucket) -> ObjectLock | None:
    """The object lock of a bucket; None where it has none."""
    return configuration.of(bucket, OBJECT_LOCK, ObjectLock)


def require(bucket: Bucket) -> ObjectLock:
    """The object lock of a bucket; raises InvalidRequest where it has none."""
    found = of_bucket(bucket)
    if found is None:
        raise InvalidRequest("Bucket is missing Object Lock Configuration", BucketName=bucket.name)
    return found


def configured(bucket: Bucket, document: ObjectLock) -> Bucket:
    """The bucket's record with object lock as told. Raises InvalidBucketState where versioning is not enabled."""
    if bucket.versioning != ENABLED:
        raise InvalidBucketState("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
    return configuration.changed(bucket, OBJECT_LOCK, document)


def check_versioning(bucket: Bucket) -> None:
    """Raise InvalidBucketState for a bucket whose versioning must stay enabled."""
    if of_bucket(bucket) is not None:
        raise InvalidBucketState(
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
        )


def check_new(bucket: Bucket, lock: Lock | None) -> None:
    """Raise InvalidRequest for a new version that is to have a lock, in a bucket without."""
    if lock is not None:
        require(bucket)


def of_new(bucket: Bucket, lock: Lock | None, now_us: int) -> Lock | None:
    """The lock of a new version: what its writer asked for, with the bucket's default where that is no retention."""
    default = of_bucket(bucket)
    if default is None or not default.mode or (lock is not None and lock.mode):
        return lock
    hold = lock.legal_hold if lock is not None else None
    return Lock(default.mode, default.until_us(now_us), hold)


def check_removal(version: Version, now_us: int, *, bypass: bool) -> None:
    """Raise ObjectLocked for a version that may not be deleted now."""
    lock = version.lock
    if lock is None:
        return
    if lock.legal_hold or (retained(lock, now_us) and not (bypass and lock.mode == GOVERNANCE)):
        raise ObjectLocked()


def retained(lock: Lock, now_us: int) -> bool:
    """Whether retention has not ended yet."""
    return bool(lock.mode) and lock.until_us > now_us


def with_retention(version: Version, mode: str, until_us: int, now_us: int, *, bypass: bool) -> Version:
    """The version with another retention (no mode: without). Raises ObjectLocked for one that is weaker."""
    old = version.lock or _UNLOCKED
    weaker = mode != old.mode or until_us < old.until_us
    if retained(old, now_us) and weaker and not (bypass and old.mode == GOVERNANCE):
        raise ObjectLocked()
    return msgspec.structs.replace(version, lock=Lock(mode, until_us, old.legal_hold))


def with_legal_hold(version: Version, hold: bool) -> Version:
    """The version with a legal hold, or without."""
    return msgspec.structs.replace(version, lock=msgspec.structs.replace(version.lock or _UNLOCKED, legal_hold=hold))
