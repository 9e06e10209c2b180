"""A bucket whose lifecycle rules delete, and whose locks forbid it: one client, which knows when each version was
written and what replaced it, and so what a rule may have removed by now, and what must be there.

Every key has a rule by its prefix. `must` and `may` go by the clock of the machine, which is the server's as well.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from tests.harness import Running
from tests.torture.clients import SHUT, UNREADABLE, all_versions
from tests.torture.history import Record
from tests.torture.model import MARKER

DAY = 1.5
"""Seconds that a day lasts for rules."""
CURRENT, NONCURRENT, MARKERS, UPLOADS, NONE = "c/", "n/", "m/", "u/", "k/"
"""Prefixes: everything expires; what is not current does; only markers that are alone; uploads; nothing."""
_RULES: list[dict[str, Any]] = [
    {"Prefix": CURRENT, "Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
    {"Prefix": NONCURRENT, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
    {"Prefix": MARKERS, "Expiration": {"ExpiredObjectDeleteMarker": True}},
    {"Prefix": UPLOADS, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
]
_KEYS = 3  # of each prefix, in use at a time
_SIZES = (0, 100, 9_000, 60_000, 300_000)
_PATIENCE = 60.0
_LOCKS = (2, 8)  # seconds
_DAY_US = int(DAY * 1e6)


@dataclass
class Made:
    """A version or marker, written some time from `low` to `high` (microseconds since 1970), and what locks it."""

    version: str
    content: str
    low: int
    high: int
    until: int = 0
    governed: bool = False
    held: bool | None = False
    """Whether it has a legal hold; None where that is not known."""
    alone: bool = False
    """Whether there may once have been nothing but this, a marker."""

    @property
    def marker(self) -> bool:
        return self.content == MARKER

    def locked(self, at: int, *, bypass: bool = False) -> bool:
        """Whether it cannot be deleted at that time, by whoever does not bypass governance, or does."""
        return self.held is True or (at < self.until and not (bypass and self.governed))


@dataclass
class Key:
    """What is known of a key, newest first. It is not `sure` where an answer did not come."""

    name: str
    made: list[Made] = field(default_factory=list)
    sure: bool = True

    @property
    def prefix(self) -> str:
        return self.name[:2]

    def may_go(self, place: int, at: int) -> bool:
        """Whether a rule may have removed this by then: for good, with what was below it before."""
        one = self.made[place]
        if one.locked(at):
            return False
        last = place == len(self.made) - 1
        if self.prefix == CURRENT:  # alone it goes by its own age: what is no marker has expired first
            own = one.low + (1 if one.marker else 2) * _DAY_US
            return (bool(place) and self.made[place - 1].low + _DAY_US <= at) or (last and own <= at)
        if self.prefix == MARKERS:
            return one.marker and last and (one.alone or not place)
        return self.prefix == NONCURRENT and bool(place) and self.made[place - 1].low + _DAY_US <= at

    def must_go(self, place: int, at: int) -> bool:
        """Whether a rule should remove this if it is there: a marker that was once alone may have got company."""
        return self.may_go(place, at) and not (self.prefix == MARKERS and place)

    def add(self, made: Made) -> None:
        """Something newer came. A marker below may have been alone: what was before it may have been gone already."""
        if self.made and self.made[0].marker and all(one.alone for one in self.made[1:]):
            self.made[0].alone = True
        self.made.insert(0, made)

    def delete(self, place: int, at: int) -> None:
        """Somebody deleted a version: what a rule may have done beside it by then cannot be told any more."""
        one, above = self.made[place], self.made[place - 1].high if place else at
        expired = self.prefix == CURRENT and not one.marker and one.low + _DAY_US <= above
        below = place + 1 < len(self.made) and self.may_go(place + 1, at)
        self.sure = not expired and not below
        del self.made[place]

    def see(self, rows: list[tuple[str, str]], at: int) -> str | None:
        """Learn from a listing (versions and contents, newest first) that was over by then; what is wrong with it."""
        known = [one.version for one in self.made]
        for version, content in reversed(rows):
            if version not in known and (problem := self._strange(version, content, at)):
                return problem
        there = dict(rows)
        for place in range(len(self.made) - 1, -1, -1):
            one = self.made[place]
            if one.version in there:
                if there[one.version] != one.content:
                    return f"{one.version} is {there[one.version]}"
            elif self.may_go(place, at):
                del self.made[place]
            else:
                return f"{one.version} is gone, locked or not due"
        return None if [one.version for one in self.made] == [version for version, _ in rows] else "another order"

    def _strange(self, version: str, content: str, at: int) -> str | None:
        """A marker that nobody asked for is that of a current version that expired."""
        place = sum(one.version > version for one in self.made)  # ids grow
        below = self.made[place] if place < len(self.made) else None
        until = self.made[place - 1].high if place else at
        if self.prefix != CURRENT or content != MARKER or below is None or below.marker or below.low + _DAY_US > until:
            return f"{version} ({content}) comes from nowhere"
        self.made.insert(place, Made(version, MARKER, below.low + _DAY_US, until))
        return None


@dataclass
class Bucket:
    """The bucket of a round."""

    name: str
    keys: list[Key] = field(default_factory=list)
    uploads: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Keys and beginnings of uploads that nobody ends, by id."""
    ended: int | None = None
    """When it lost its rules."""


class Unsure(Exception):
    """No clear answer came."""


class Aging:
    """All such buckets of a run that are still there."""

    def __init__(self, server: Running, record: Record) -> None:
        self._server = server
        self._record = record
        self._s3: Any = None
        self._chance = random.Random()
        self._buckets: dict[int, Bucket] = {}
        self._now = Bucket("")

    def begin(self, number: int) -> None:
        """The bucket of a round: the server is well."""
        self._now = self._buckets[number] = Bucket(f"round{number}-aging")
        s3 = self._server.client()
        s3.create_bucket(Bucket=self._now.name, ObjectLockEnabledForBucket=True)
        rules = [{"ID": rule["Prefix"], "Status": "Enabled", **rule} for rule in _RULES]
        s3.put_bucket_lifecycle_configuration(Bucket=self._now.name, LifecycleConfiguration={"Rules": rules})

    def work(self, chance: random.Random, stop: threading.Event) -> None:
        """Do one thing after another until it is to stop."""
        self._chance = chance
        self._s3 = self._server.client(retries={"total_max_attempts": 1}, read_timeout=40, connect_timeout=10)
        while not stop.wait(0.02):
            prefix = chance.choice((CURRENT, NONCURRENT, MARKERS, UPLOADS, NONE))
            usable = [key for key in self._now.keys if key.sure and key.prefix == prefix][-_KEYS:]
            if len(usable) < _KEYS:
                usable.append(Key(f"{prefix}{len(self._now.keys)}"))
                self._now.keys.append(usable[-1])
            key = chance.choice(usable)
            steps = (self._put, self._delete, self._delete_version, self._release, self._look)
            step = self._upload if prefix == UPLOADS else chance.choices(steps, (6, 2, 2, 1, 4))[0]
            try:
                step(key)
            except Unsure:
                stop.wait(0.1)

    def settle(self) -> None:
        """All that is due goes, and then no more, for there are no rules any more: the server is well."""
        bucket, self._s3 = self._now, self._server.client(retries={"max_attempts": 8})
        deadline = time.monotonic() + _PATIENCE
        while left := self._overdue(bucket):
            if time.monotonic() > deadline:
                self._bad(f"not deleted within {_PATIENCE:g} s, though it is due: {left[:8]}")
                break
            time.sleep(0.5)
        self._s3.delete_bucket_lifecycle(Bucket=bucket.name)
        bucket.ended = time.time_ns() // 1000
        self.look()

    def look(self) -> None:
        """At all buckets: the server is well."""
        self._s3 = self._server.client()
        for bucket in self._buckets.values():
            self._look_at_all(bucket)

    def forget(self, number: int) -> None:
        """Delete a bucket with all that is in it, once nothing is locked for everybody."""
        bucket, s3 = self._buckets.pop(number), self._server.client()
        ends = [one.until for key in bucket.keys for one in key.made if not one.governed]
        time.sleep(max(0.0, max(ends, default=0) / 1e6 - time.time() + 0.1))
        for name, entry, _, _ in all_versions(s3, bucket.name):
            given = {"Bucket": bucket.name, "Key": name, "VersionId": entry.version}
            if entry.content != MARKER:
                s3.put_object_legal_hold(**given, LegalHold={"Status": "OFF"})
            s3.delete_object(**given, BypassGovernanceRetention=True)
        s3.delete_bucket(Bucket=bucket.name)

    # steps

    def _put(self, key: Key) -> None:
        content, body = self._record.values.new(f"{self._now.name}/{time.time_ns()}", self._chance.choice(_SIZES))
        made, given = Made("", content, 0, 0), dict[str, Any]()
        if self._chance.random() < 0.4:
            mode = self._chance.choice(("GOVERNANCE", "COMPLIANCE"))
            made.until, made.governed = (
                (int(time.time()) + self._chance.randint(*_LOCKS)) * 1_000_000,
                mode == "GOVERNANCE",
            )
            given = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": datetime.fromtimestamp(made.until / 1e6, UTC)}
        if self._chance.random() < 0.1:
            made.held, given["ObjectLockLegalHoldStatus"] = True, "ON"
        self._top(key, made, lambda: self._s3.put_object(Body=body, **self._named(key), **given))

    def _delete(self, key: Key) -> None:
        self._top(key, Made("", MARKER, 0, 0), lambda: self._s3.delete_object(**self._named(key)))

    def _top(self, key: Key, made: Made, call: Callable[[], Any]) -> None:
        made.low = time.time_ns() // 1000
        response = self._ask("delete" if made.marker else "put", key, call, "InvalidArgument")
        made.high = time.time_ns() // 1000
        if response is None:
            if not made.until or made.until > made.high:
                self._bad(f"{key.name} {made} was refused")
            return  # it took longer than it was to be locked
        made.version = response["VersionId"]
        key.add(made)

    def _delete_version(self, key: Key) -> None:
        if not key.made:
            return
        place = self._chance.randrange(len(key.made))
        one, bypass, began = key.made[place], self._chance.random() < 0.3, time.time_ns() // 1000
        given = {"VersionId": one.version} | ({"BypassGovernanceRetention": True} if bypass else {})
        response = self._ask(
            "delete version", key, lambda: self._s3.delete_object(**self._named(key), **given), "AccessDenied"
        )
        ended = time.time_ns() // 1000
        if response is None:
            if one.held is False and not one.locked(began, bypass=bypass):
                self._bad(f"{key.name} {one}: it is not locked, and was not deleted")
            return
        if one.locked(ended, bypass=bypass):
            self._bad(f"{key.name} {one}: it is locked, and was deleted")
        key.delete(place, ended)

    def _release(self, key: Key) -> None:
        for one in [one for one in key.made if one.held]:
            one.held = None
            given = {"VersionId": one.version, "LegalHold": {"Status": "OFF"}}
            call = lambda given=given: self._s3.put_object_legal_hold(**self._named(key), **given)  # noqa: E731
            response = self._ask("release", key, call, "NoSuchVersion")
            if response is None:
                self._bad(f"{key.name} {one}: it has a legal hold, and is gone")
            one.held = False

    def _upload(self, key: Key) -> None:
        began = time.time_ns() // 1000
        response = self._ask("create upload", key, lambda: self._s3.create_multipart_upload(**self._named(key)))
        named = self._named(key) | {"UploadId": response["UploadId"]}
        self._now.uploads[response["UploadId"]] = (key.name, began)
        body = self._chance.randbytes(self._chance.choice(_SIZES) or 1)
        self._ask("upload part", key, lambda: self._s3.upload_part(**named, PartNumber=1, Body=body), "NoSuchUpload")
        self._look_at_uploads(self._now, key.name)

    def _look(self, key: Key) -> None:
        """List a key, and read a version of it."""
        rows = self._ask("see versions", key, lambda: all_versions(self._s3, self._now.name, key.name))
        self._see(key, [row for row in rows if row.key == key.name], time.time_ns() // 1000)
        objects = [one for one in key.made if not one.marker]
        if not objects:
            return
        one = self._chance.choice(objects)

        def read() -> Any:
            response = self._s3.get_object(**self._named(key), VersionId=one.version)
            return response["Body"].read()

        data = self._ask("see version", key, read, "NoSuchVersion")
        if data is None:
            if not key.may_go(key.made.index(one), time.time_ns() // 1000):
                self._bad(f"{key.name} {one} is gone, locked or not due")
        elif problem := self._record.values.differs(one.content, data):
            self._bad(f"{key.name} {one}: {problem}")

    # looking

    def _see(self, key: Key, rows: list[Any], at: int) -> None:
        seen = sorted(((row.entry.version, row.entry.content) for row in rows), reverse=True)
        if not key.sure:  # what is locked is there all the same
            gone = [one for one in key.made if one.locked(at) and one.version not in dict(seen)]
            problem = f"locked, and gone: {gone}" if gone else None
        else:
            before = list(key.made)
            problem = key.see(seen, at)
            problem = problem and f"{problem}; known {before}, seen {seen}"
        if problem:
            self._bad(f"{key.name}: {problem}")
            key.sure = False

    def _look_at_all(self, bucket: Bucket) -> None:
        rows = all_versions(self._s3, bucket.name)
        at = bucket.ended or time.time_ns() // 1000
        for key in bucket.keys:
            self._see(key, [row for row in rows if row.key == key.name], at)

    def _look_at_uploads(self, bucket: Bucket, prefix: str) -> None:
        """Uploads that are not due are there, and none is that nobody began."""
        page = self._ask(
            "see uploads", None, lambda: self._s3.list_multipart_uploads(Bucket=bucket.name, Prefix=prefix)
        )
        at, there = time.time_ns() // 1000, {one["UploadId"] for one in page.get("Uploads", ())}
        for ident, (name, began) in list(bucket.uploads.items()):
            if name.startswith(prefix) and ident not in there:
                del bucket.uploads[ident]
                if began + _DAY_US > at:
                    self._bad(f"the upload {ident} of {name} is gone, and was not due")

    def _overdue(self, bucket: Bucket) -> list[str]:
        self._look_at_all(bucket)
        page = self._s3.list_multipart_uploads(Bucket=bucket.name)
        at = time.time_ns() // 1000
        left = [f"{one['Key']} {one['UploadId']}" for one in page.get("Uploads", ())]
        for key in bucket.keys:
            if key.sure:
                left += [f"{key.name} {one}" for place, one in enumerate(key.made) if key.must_go(place, at)]
                if key.prefix == CURRENT and key.made and not key.made[0].marker and key.made[0].low + _DAY_US <= at:
                    left.append(f"{key.name} {key.made[0]}: it is current")
        return left

    # asking

    def _named(self, key: Key) -> dict[str, Any]:
        return {"Bucket": self._now.name, "Key": key.name}

    def _ask(self, kind: str, key: Key | None, call: Callable[[], Any], refusal: str = "") -> Any:
        """The answer, None for this refusal. Raises Unsure, after which the key is not sure, or nothing was done."""
        try:
            response = call()
        except ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            if code == refusal:
                return None
            self._record.failed(f"aging {kind}", f"{status} {code}")
            if status == 500 or (status < 500 and code != "RequestTimeout") or UNREADABLE in str(error):
                self._bad(f"{kind} of {key and key.name} was answered: {error}")
            self._doubt(kind, key, done=code != "SlowDown")
            raise Unsure from error
        except SHUT as error:
            self._record.failed(f"aging {kind}", type(error).__name__)
            self._doubt(kind, key, done=True)
            raise Unsure from error
        self._record.did(f"aging {kind}")
        return response

    def _doubt(self, kind: str, key: Key | None, *, done: bool) -> None:
        if key is not None and done and kind in ("put", "delete", "delete version", "release"):
            key.sure = False

    def _bad(self, what: str) -> None:
        self._record.violation(f"{self._now.name}: {what}")
