"""A run: rounds of work under harm, each followed by a look at everything."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import math
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.faults.cluster import info
from tests.harness import Running
from tests.torture import offline, sealed
from tests.torture.aging import DAY, Aging
from tests.torture.clients import Client, Row, all_versions, listed
from tests.torture.harm import CRASHES, MENDED, Disks, Harm
from tests.torture.history import Keys, Record, judge
from tests.torture.linearizable import TooHard
from tests.torture.losses import Losses
from tests.torture.model import ENABLED, MARKER, OK, Listed, Op, empty
from tests.torture.moves import Moves
from tests.torture.plan import ROUND_SECONDS, Plan, Round, plan
from tests.torture.views import Views

CLIENTS = 5
FAMILIES, MEMBERS, FLEETING, SWITCHED = 8, 3, 3, 3
KEPT_ROUNDS = 2
HEAL_SECONDS, GRACE_SECONDS = 120.0, 0.5
SHAKEN_SECONDS = 5.0
"""So long after a process was killed or went on, whoever spoke with it may notice: a slow reader, say."""

TORN = (AssertionError, ClientError, OSError)


class Stopped(Exception):
    """Something went wrong after which nothing more can be learnt."""


class Run:
    """One seed's run in a folder of its own."""

    def __init__(self, seed: int, folder: Path, *, keep: bool = False) -> None:
        self.plan: Plan = plan(seed)
        self.record = Record()
        self.rounds = 0
        self._folder = folder
        self._disks = Disks(folder, self.plan.drives)
        (folder / "settings.toml").write_text(
            f"reap_grace = {GRACE_SECONDS}\ncompact_age = {GRACE_SECONDS}\nlifecycle_day = {DAY}\n"
            f"[limits]\nhung_seconds = {self.plan.hung_seconds}\n"
            "[catalog_snapshots]\nhourly = 1\ndaily = 1\n"  # the newest alone: older ones keep the parity they had
        )
        self.server = Running(
            drives=self._disks.drives,
            log=folder / "server.log",
            workers=2,
            arguments=("--config", str(folder / "settings.toml")),
        )
        self.harm = Harm(self.server, self._disks, folder, seed)
        self.moves = Moves(self.server, self._disks.spare, self.record)
        self.views = Views(self.server, self.record)
        self.aging = Aging(self.server, self.record)
        self.losses = Losses(self.server, self.moves, self.record, seed)
        self._kept: list[tuple[int, list[Keys]]] = []
        self._undecided = 0
        self._kept_here = keep

    @property
    def crashes(self) -> int:
        return sum(count for what, count in self.harm.done.items() if what in CRASHES) + self._killed

    @property
    def faults(self) -> int:
        harm = sum(count for what, count in self.harm.done.items() if what not in CRASHES | MENDED)
        return harm + self.losses.done.total()

    _killed = 0

    def until(self, deadline: float) -> None:
        """Rounds until that time (monotonic) or the first thing that is wrong."""
        try:
            while time.monotonic() < deadline and not self.record.violations:
                self._round(self.plan.round(self.rounds))
                self.rounds += 1
        except Exception:
            self.record.violation(f"round {self.rounds}: {traceback.format_exc()}")
        finally:
            with contextlib.suppress(Exception):
                self.harm.resume()
                self.server.kill()
            log = (self._folder / "server.log").read_text(errors="replace")
            self.moves.done["blobs emptied"] = log.count("appends were moved out of blob")
            if self.record.violations and self._kept_here:
                for drive in self.server.drives:
                    shutil.copytree(drive, self._folder / "kept" / drive.parent.name)
            self._disks.close()

    def _round(self, now: Round) -> None:
        say(f"round {now.number}: " + ", ".join(map(str, now.actions)))
        say(f"  moves (parity {now.parity}): " + ", ".join(map(str, now.moves)))
        old = {one.drive for one in (*now.actions, *now.at_rest) if one.what in ("put back old", "old")}
        if now.number:
            self.harm.keep_copies({drive for drive in old if drive is not None})
        self.server.start()
        self.moves.make_key()
        self.aging.begin(now.number)
        families = self._new_families(now.number)
        self._work(now, families)
        self._end(now)
        self._settle(now, families)
        self._heal()
        self._abort_all_uploads()
        self.moves.settle(self.plan.parity_of(now.number + 1))
        self._lose(now)
        self._usage()
        self._rest()

    # the round

    def _new_families(self, number: int) -> list[Keys]:
        s3 = self.server.client()
        families = []
        for versioned in (False, True):
            bucket = f"round{number}-{'versioned' if versioned else 'plain'}"
            s3.create_bucket(Bucket=bucket)
            if versioned:
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            initial = empty(MEMBERS, ENABLED if versioned else "")
            families += [Keys(bucket, f"f{n:02}/", MEMBERS, versioned, initial) for n in range(FAMILIES)]
        s3.create_bucket(Bucket=f"round{number}-switched")
        families += [
            Keys(f"round{number}-switched", f"f{n:02}/", MEMBERS, True, empty(MEMBERS), switched=True)
            for n in range(SWITCHED)
        ]
        return families + [
            Keys(f"round{number}-fleeting{n}", "f/", 2, False, None, fleeting=True) for n in range(FLEETING)
        ]

    def _work(self, now: Round, families: Sequence[Keys]) -> None:
        """Clients work while things happen to the server."""
        stop = threading.Event()
        clients = [
            Client(self.server, self.record, families, f"{self.plan.seed}/{now.number}/{n}") for n in range(CLIENTS)
        ]
        chance = random.Random(f"{self.plan.seed}/views/{now.number}")
        aging = functools.partial(self.aging.work, random.Random(f"{self.plan.seed}/aging/{now.number}"))
        work = [*(one.work for one in clients), functools.partial(self.views.work, families, chance), aging]
        threads = [threading.Thread(target=self._guarded, args=(one, stop), daemon=True) for one in work]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        self.moves.begin(now.moves)
        try:
            for action in now.actions:
                time.sleep(max(0.0, began + action.at - time.monotonic()))
                if self.record.violations:
                    return
                if action.what.endswith("old") and not now.number:
                    continue  # nothing was copied yet
                shaken = action.drive is None  # done to processes
                self.record.shaken_until = math.inf if shaken else self.record.shaken_until
                self.harm.do(action)
                if shaken:
                    self.record.shaken_until = time.monotonic() + SHAKEN_SECONDS
            time.sleep(max(0.0, began + ROUND_SECONDS - time.monotonic()))
        finally:
            stop.set()
            self.harm.undo()
            self.moves.end()
            for thread in threads:
                thread.join(90)
                if thread.is_alive():
                    self.record.violation("a client still waits after 90 seconds")

    def _guarded(self, work: Callable[[threading.Event], None], stop: threading.Event) -> None:
        try:
            work(stop)
        except Exception:
            self.record.violation(f"a client failed: {traceback.format_exc()}")

    def _end(self, now: Round) -> None:
        """The server ends; drives come to harm; it starts again."""
        if now.killed:
            self.server.kill()
            self._killed += 1
        else:
            self.server.stop()
        say(f"  at rest ({'killed' if now.killed else 'stopped'}): " + ", ".join(map(str, now.at_rest)))
        for action in now.at_rest:
            if action.what == "old" and not now.number:
                continue
            self.harm.do(action)
        self.server.start()

    def _settle(self, now: Round, families: Sequence[Keys]) -> None:
        """What is there at the end, and whether the history explains it."""
        hard = 0
        self.views.settle(families)
        for keys in families:
            last = self._last_look(keys)
            self.record.settle(keys)
            try:
                if problem := judge(keys):
                    self.record.violation(problem)
            except TooHard:
                hard += 1
            keys.last, keys.history = last, []
        if hard:
            say(f"  {hard} histories were too hard to decide")
            self._undecided += hard
        self.aging.settle()
        self._look_at_kept()
        self._kept.append((now.number, list(families)))
        while len(self._kept) > KEPT_ROUNDS:
            number, old = self._kept.pop(0)
            self._forget(old)
            self.aging.forget(number)

    def _look_at_kept(self) -> None:
        """What earlier rounds left is as it was."""
        self.aging.look()
        for _, kept in self._kept:
            for keys in kept:
                if (last := self._last_look(keys)) != keys.last:
                    self.record.violation(f"{keys.bucket}/{keys.prefix}* was {keys.last}, is now {last}")

    def _last_look(self, keys: Keys) -> dict[int, Listed] | None:
        """List and read every version of a family; note it as the last thing that was seen."""
        s3 = self.server.client()
        begin = time.monotonic_ns()
        try:
            rows = all_versions(s3, keys.bucket, keys.prefix)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise
            self.record.note(keys, Op("head bucket", begin, time.monotonic_ns(), "NoSuchBucket"))
            return None
        seen = listed(keys, rows)
        self.record.note(keys, Op("see versions", begin, time.monotonic_ns(), OK, seen=seen, note="last"))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda row: self._read_back(s3, keys, row), rows))
        return seen

    def _read_back(self, s3: Any, keys: Keys, row: Row) -> None:
        name, entry, size, _ = row
        if entry.content == MARKER:
            return
        given = {"VersionId": entry.version} if keys.versioned else {}
        try:
            response = sealed.get(s3, name, Bucket=keys.bucket, **given)
            data = response["Body"].read()
        except Exception as error:
            self.record.violation(f"{keys.bucket}/{name} {entry} cannot be read: {error!r}")
            return
        if (value := sealed.value(response)) is not None:
            self.record.values.learn(entry.content, value)
        problem = self.record.values.differs(entry.content, data)
        if problem or len(data) != size:
            self.record.violation(f"{keys.bucket}/{name} {entry}: {problem or f'{len(data)} bytes, listed {size}'}")

    def _forget(self, families: Sequence[Keys]) -> None:
        """Delete old buckets with all that is in them."""
        s3 = self.server.client()
        for bucket in dict.fromkeys(keys.bucket for keys in families):
            try:
                rows = all_versions(s3, bucket)
            except ClientError:
                continue  # a fleeting one that is gone
            self.views.delete(bucket)
            gone = [{"Key": name, "VersionId": entry.version} for name, entry, _, _ in rows]
            for start in range(0, len(gone), 1000):
                s3.delete_objects(Bucket=bucket, Delete={"Objects": gone[start : start + 1000], "Quiet": True})
            self._abort_uploads(bucket)
            s3.delete_bucket(Bucket=bucket)

    def _abort_all_uploads(self) -> None:
        for one in self.server.client().list_buckets()["Buckets"]:
            self._abort_uploads(one["Name"])

    def _abort_uploads(self, bucket: str) -> None:
        s3 = self.server.client()
        for one in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])

    def _lose(self, now: Round) -> None:
        """What a disaster leaves is what was there."""
        if not now.loss:
            return
        say(f"  lost: {now.loss}")
        (self.losses.catalog if now.loss == "catalog" else self.losses.drive)(now.number)
        self._whole(f"after the loss of a {now.loss}")
        self._look_at_kept()
        self.views.settle([])

    # afterwards

    def _heal(self) -> None:
        """Everything heals by itself; what was damaged in secret is then replaced, and heals too."""
        self._whole("after the round")
        if self.harm.latent:
            self.server.stop()
            for drive in sorted(self.harm.latent):
                self.harm.replace(drive)
            self.server.start()
            self._whole("after a replacement")

    def _whole(self, when: str) -> None:
        deadline, least = time.monotonic() + HEAL_SECONDS, math.inf
        now: dict[str, Any] = {}
        while time.monotonic() < deadline:
            with contextlib.suppress(*TORN):
                now = info(self.server)
                left = now["healing"]["shards"] + now["healing"]["mirrors"]
                if left == 0 and now["writable"] and all(one["state"] == "online" for one in now["drives"]):
                    return
                if left < least:
                    deadline, least = time.monotonic() + HEAL_SECONDS, left
            time.sleep(0.3)
        raise Stopped(f"not healed {when}, and no progress within {HEAL_SECONDS:g} s: {now}")

    def _usage(self) -> None:
        """The counts of the inventory are those of the listings."""
        s3 = self.server.client()
        buckets = [one["Name"] for one in s3.list_buckets()["Buckets"]]
        rows = [row for bucket in buckets for row in all_versions(s3, bucket)]
        current = sum(s3.list_objects_v2(Bucket=bucket, MaxKeys=1000)["KeyCount"] for bucket in buckets)
        shown = info(self.server)
        counted = (shown["buckets"], shown["objects"], shown["objects"] + shown["versions"], shown["bytes"])
        listed = (len(buckets), current, len(rows), sum(row.size for row in rows))
        if counted != listed:
            self.record.violation(f"usage says (buckets, objects, versions, bytes) {counted}, listings {listed}")

    def _rest(self) -> None:
        """Garbage is given back; then the server ends, and its drives are looked at."""
        deadline = time.monotonic() + 60
        while (left := offline.waiting(self.server.drives)) and time.monotonic() < deadline:
            time.sleep(1.0)
        if left:
            self.record.violation(f"{left} rows of garbage, leftovers or missing shards are there after 60 seconds")
        status = self.server.stop()
        if status:
            self.record.violation(f"the server ended with {status}")
        self.moves.clear()
        for problem in offline.problems(self.server.drives)[:20]:
            self.record.violation(f"admin verify: {problem}")


def say(line: str) -> None:
    print(line, flush=True)


@contextlib.contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """A new folder for a run, removed at the end unless it is `keep`."""
    folder = Path(tempfile.mkdtemp(prefix="objstore-torture-")) if keep is None else keep
    try:
        yield folder
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def one_seed(seed: int, deadline: float, keep: Path | None = None) -> Run:
    """Run one seed and print what came of it."""
    with workplace(keep) as folder:
        run = Run(seed, folder, keep=keep is not None)
        say(f"seed {seed}: {run.plan.drives} drives, parity {run.plan.parity}")
        run.until(deadline)
        for violation in run.record.violations:
            say(f"WRONG (seed {seed}): {violation}")
        if run.record.violations:
            print((folder / "server.log").read_text(errors="replace")[-6000:], file=sys.stderr)
    return run
