"""Snapshots of buckets: each shows one moment of what the clients did, and the same for ever, whatever becomes of the
bucket and wherever its bytes are moved."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from objstore.client import ADMIN, Connection, StoreRefused, StoreUnreachable, ask
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.torture import sealed
from tests.torture.clients import SHUT
from tests.torture.history import Keys, Record
from tests.torture.model import OK, Op

SECONDS = (1.5, 6.0)  # between two snapshots
MOST = 4  # of a round


@dataclass
class View:
    """A snapshot that was asked for from `begin` to `end`: None where no answer came. `shown` is what it was first
    found to show, ETags by key."""

    bucket: str
    name: str
    begin: int
    end: int | None = None
    shown: dict[str, str] | None = None

    @property
    def path(self) -> str:
        return f"{self.bucket}--{self.name}--snap"


class Views:
    """All snapshots of a run that are still there; `done` counts what was done with them."""

    def __init__(self, server: Running, record: Record) -> None:
        self._server = server
        self._record = record
        self._views: list[View] = []
        self.done: Counter[str] = Counter()

    def work(self, families: Sequence[Keys], chance: random.Random, stop: threading.Event) -> None:
        """Take snapshots of buckets, and look at some of them, until it is to stop."""
        s3 = self._server.client(retries={"total_max_attempts": 1}, read_timeout=40, connect_timeout=10)
        buckets = sorted({keys.bucket for keys in families if not keys.fleeting})
        for number in range(MOST):
            if stop.wait(chance.uniform(*SECONDS)):
                return
            self._take(View(chance.choice(buckets), f"n{number}", time.monotonic_ns()))
            if self._views:
                self._glance(s3, chance.choice(self._views), chance)

    def settle(self, families: Sequence[Keys]) -> None:
        """Look at all of them, whole; what those of these families show first is noted as seen."""
        s3 = self._server.client()
        for view in list(self._views):
            try:
                self._look(s3, view)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchBucket" or view.end is not None:
                    raise
                self._views.remove(view)  # nobody said that it was taken
                continue
            for keys in families:
                if keys.bucket == view.bucket:
                    seen = {key: (view.shown or {}).get(name) for key, name in enumerate(keys.names)}
                    self._record.note(keys, Op("see", view.begin, view.end, OK, seen=seen, note=view.path))

    def delete(self, bucket: str) -> None:
        """Delete all snapshots of a bucket: the server is well."""
        for view in [one for one in self._views if one.bucket == bucket]:
            self._ask("DELETE", view)
            self._views.remove(view)
            self.done["deleted"] += 1

    def _take(self, view: View) -> None:
        self._views.append(view)
        try:
            self._ask("PUT", view)
        except StoreUnreachable:
            self.done["unclear"] += 1
        except StoreRefused as error:
            self.done["unclear"] += 1
            if error.status in (400, 404, 500):
                self._record.violation(f"a snapshot of {view.bucket} was refused: {error}")
        else:
            view.end = time.monotonic_ns()
            self.done["taken"] += 1

    def _glance(self, s3: Any, view: View, chance: random.Random) -> None:
        """List one, and read an object of it, while anything may be away."""
        try:
            shown = self._list(s3, view)
            if shown:
                self._read(s3, view, *chance.choice(sorted(shown.items())))
        except SHUT:
            return
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == 500 or (status < 500 and view.end is not None):
                self._record.violation(f"{view.path}: {error}")

    def _look(self, s3: Any, view: View) -> None:
        for name, etag in self._list(s3, view).items():
            self._read(s3, view, name, etag)

    def _list(self, s3: Any, view: View) -> dict[str, str]:
        listing = s3.list_objects_v2(Bucket=view.path, MaxKeys=1000)
        shown = {one["Key"]: one["ETag"].strip('"') for one in listing.get("Contents", ())}
        if view.end is None:
            view.end = time.monotonic_ns()
        if view.shown is None:
            view.shown = shown
        if shown != view.shown:
            self._record.violation(f"{view.path} showed {view.shown}, and now {shown}")
        self.done["looked at"] += 1
        return shown

    def _read(self, s3: Any, view: View, name: str, etag: str) -> None:
        response = sealed.get(s3, name, Bucket=view.path)
        found = response["ETag"].strip('"')
        if (value := sealed.value(response)) is not None:
            self._record.values.learn(found, value)
        problem = self._record.values.differs(found, response["Body"].read())
        if problem or found != etag:
            self._record.violation(f"GET {name} of {view.path}: {problem or f'{found}, listed as {etag}'}")

    def _ask(self, method: str, view: View) -> None:
        connection = Connection(self._server.endpoint, ROOT_USER, ROOT_PASSWORD)
        ask(connection, f"{ADMIN}/snapshots", method, bucket=view.bucket, name=view.name)
