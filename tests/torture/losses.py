"""Disasters at the end of a round, when everything is whole: all mirrors of the catalog are lost, or a drive for good.

What comes back of a catalog is what docs/durability.md says: all that the newest snapshot knows, and of what was
written after it the objects whose bytes are not in the catalog.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from botocore.exceptions import ClientError

from tests.harness import Running
from tests.restore.losing import lose_catalog, names, restore
from tests.torture.history import Record
from tests.torture.moves import Moves

SIZES = (0, 100, 8_192, 8_193, 300_000, 4_500_000)
INLINE = 8_192


class Losses:
    """`done` counts what was lost."""

    def __init__(self, server: Running, moves: Moves, record: Record, seed: int) -> None:
        self._server = server
        self._moves = moves
        self._record = record
        self._seed = seed
        self.done: Counter[str] = Counter()

    def catalog(self, number: int) -> None:
        """Write some objects behind the newest snapshot, lose all mirrors, and restore the catalog. What was there
        before is for others to look at: the server runs again at the end."""
        chance = random.Random(f"{self._seed}/lost/{number}")
        bucket, bodies = f"round{number}-later", {f"k{size}": chance.randbytes(size) for size in SIZES}
        s3 = self._server.client()
        s3.create_bucket(Bucket=bucket)
        etags = {
            key: s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"key": key})["ETag"]
            for key, body in bodies.items()
        }
        self._server.kill() if chance.random() < 0.5 else self._server.stop()
        lose_catalog(self._server)
        report = restore(self._server.drives)
        back = {key for key, body in bodies.items() if len(body) > INLINE}
        told = {what: report[what] for what in ("gone", "lost", "unreadable") if report[what]}
        if told or set(names(report["recovered"])) != {f"{bucket}/{key}" for key in back}:
            self._record.violation(f"the catalog was restored with {told}, recovered {names(report['recovered'])}")
        self._server.start()
        for key, body in bodies.items():
            found = self._found(s3, bucket, key)
            if found != ((body, etags[key], {"key": key}) if key in back else None):
                self._record.violation(
                    f"{bucket}/{key} after a restore: {'other than it was' if found else 'not there'}"
                )
        self._clean(s3, bucket)
        self.done["all mirrors lost"] += 1

    def drive(self, number: int) -> None:
        """Another drive joins; one is gone for good, and removed as it is."""
        self._moves.lose(random.Random(f"{self._seed}/lost/{number}").randrange(len(self._server.drives)))
        self.done["drive lost"] += 1

    def _found(self, s3: Any, bucket: str, key: str) -> tuple[bytes, str, dict[str, str]] | None:
        try:
            response = s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return response["Body"].read(), response["ETag"], response["Metadata"]

    def _clean(self, s3: Any, bucket: str) -> None:
        for one in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=one["Key"])
        s3.delete_bucket(Bucket=bucket)
