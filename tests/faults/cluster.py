"""Things done to a running server and its drives: clients that write and read all the time, and ways to look."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from objstore.catalog import pages
from objstore.catalog.records import unpack
from objstore.jobs.census import Stand
from tests.front.wire import send, until
from tests.harness import ROOT_PASSWORD, ROOT_USER, Running

BUCKET = "load"
SIZES = (100, 5_000, 20_000, 300_000, 1_500_000, 5_500_000)  # in the catalog, packed, blobs of their own
WEIGHTS = (3, 2, 3, 2, 1, 1)
CLI_ENVIRONMENT = {"OBJSTORE_ROOT_USER": ROOT_USER, "OBJSTORE_ROOT_PASSWORD": ROOT_PASSWORD}


def body(key: str) -> bytes:
    """The bytes that belong to a key: always the same."""
    chance = random.Random(key)
    return chance.randbytes(chance.choices(SIZES, WEIGHTS)[0] + chance.randrange(100))


def info(server: Running) -> dict[str, Any]:
    """The inventory, from the admin API."""
    answer = send(server, "GET", "/-/admin/v1/info")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


def states(server: Running) -> list[str]:
    return [drive["state"] for drive in info(server)["drives"]]


def left(server: Running) -> tuple[int, ...]:
    """What the jobs of a server still have to do, in numbers that go down: shards that are lacking, to be made anew or
    to be looked through, mirrors, and bytes to be moved or written anew."""
    now = info(server)
    return (
        now["redundancy"]["shards_lacking"],
        now["healing"]["shards"],
        now["healing"]["mirrors"],
        _to_be_looked_through(server),
        sum(drive["left"] for drive in now["drives"]),
        now["rebalancing"] or 0,
        0 if now["restriping"] is None else now["restriping"]["total"] - now["restriping"]["seen"],
        sum(drive["state"] != "online" for drive in now["drives"]),
    )


def _to_be_looked_through(server: Running) -> int:
    shards = "SELECT count(*) FROM shards WHERE drive = x'{}' AND blob > x'{}'"
    try:
        walks = sql(server, "SELECT name, value FROM settings WHERE name >= 'census:' AND name < 'census;'")
        stands = [(name.removeprefix("census:").encode(), unpack(value, Stand)) for name, value in walks]
        places = [(drive, stand.after) for drive, stand in stands if not stand.ended]
        return sum(sql(server, shards.format(drive.hex(), at.hex()))[0][0] for drive, at in places)
    except (apsw.Error, StopIteration):
        return 0  # the mirror that was asked is being made


def as_promised(server: Running) -> None:
    """Wait until everything is as safe as promised, and verified."""

    def health() -> Any:
        return server.request("GET", "/-/health/redundancy")

    until(
        lambda: health().status == 200,
        lambda: f"all is as safe as promised; {health().data}",
        left=lambda: left(server),
    )


def healed(server: Running) -> None:
    """Wait until every drive is online and nothing is left to heal; `objstore admin info` says so too."""

    def whole() -> bool:
        now = info(server)
        left = now["healing"]["shards"] + now["healing"]["mirrors"]
        return left == 0 and all(one["state"] == "online" for one in now["drives"])

    with contextlib.suppress(AssertionError):
        until(whole, "healed", left=lambda: left(server))
    shown = json.loads(
        command("admin", "--endpoint", server.endpoint, "info", "--json", environment=CLI_ENVIRONMENT).stdout
    )
    assert (shown["healing"]["shards"], shown["writable"]) == (0, True), (shown, server.output())
    assert {one["state"] for one in shown["drives"]} == {"online"}, (shown, server.output())


def command(*arguments: str, environment: dict[str, str] | None = None, seconds: float = 60.0) -> Any:
    """Run `objstore` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "objstore", *arguments],
        env={"PATH": "/usr/bin:/bin", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def refused_start(server: Running, *arguments: str) -> str:
    """Start a server on the same drives, which has to end by itself with an error; what it said."""
    done = command(
        *("server", "--address", "127.0.0.1:0", "--workers", "1", "--access-log", "", *arguments),
        *map(str, server.drives),
        environment=CLI_ENVIRONMENT,
    )
    assert done.returncode not in (0, None), done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    said: str = done.stdout + done.stderr
    return said


def remove(*drives: Path) -> None:
    """Take a drive's folder away while somebody may be writing into it."""
    for drive in drives:
        gone = drive.with_name(f"{drive.name}.removed.{time.monotonic_ns()}")
        drive.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def fill(server: Running, count: int = 20, prefix: str = "filled") -> list[str]:
    """Objects of all sizes in the load bucket; their keys."""
    s3 = server.client()
    s3.create_bucket(Bucket=BUCKET)
    keys = [f"{prefix}-{number}" for number in range(count)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body(key))
    return keys


def check(server: Running, keys: Sequence[str]) -> None:
    """Everything reads back as it was written."""
    s3 = server.client()
    for key in keys:
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body(key), key


class Load:
    """Clients that put and get until they are told to stop. Keys begin with `name`."""

    def __init__(self, server: Running, name: str, readable: Sequence[str] = (), writers: int = 3) -> None:
        self.acknowledged: list[str] = []
        self.attempted: list[str] = []
        self.failed_writes: list[str] = []
        self.failed_reads: list[str] = []
        self.reads = 0
        self._server, self._name, self._readable = server, name, readable
        self._stop = threading.Event()
        targets = [self._write] * writers + ([self._read] * 2 if readable else [])
        self._threads = [threading.Thread(target=one, args=(number,)) for number, one in enumerate(targets)]

    def _write(self, number: int) -> None:
        client, count = self._server.client(), 0
        while not self._stop.is_set():
            key, count = f"{self._name}-{number}-{count}", count + 1
            self.attempted.append(key)
            try:
                client.put_object(Bucket=BUCKET, Key=key, Body=body(key))
                self.acknowledged.append(key)
            except (ClientError, BotoCoreError) as error:
                self.failed_writes.append(f"{key}: {error}")
                time.sleep(0.02)

    def _read(self, number: int) -> None:
        client, chance = self._server.client(), random.Random(number)
        while not self._stop.is_set():
            key = chance.choice(self._readable)
            try:
                data = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
                if data != body(key):
                    self.failed_reads.append(f"{key}: other bytes")
                self.reads += 1
            except (ClientError, BotoCoreError) as error:
                self.failed_reads.append(f"{key}: {error}")
                time.sleep(0.02)

    def progress(self, writes: int, reads: int = 0) -> None:
        """Wait until that many more have been acknowledged."""
        wanted = (len(self.acknowledged) + writes, self.reads + reads)
        until(
            lambda: len(self.acknowledged) >= wanted[0] and self.reads >= wanted[1],
            f"{writes} writes, {reads} reads; failed: {self.failed_writes[-3:]} {self.failed_reads[-3:]}",
        )

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


@contextlib.contextmanager
def stopped(server: Running, *, ready: bool = True) -> Iterator[None]:
    """Stop the server for the block, and start it again."""
    server.stop()
    yield
    server.start(ready=ready)


@contextlib.contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[None]:
    """Something mounted on `folder`; skips where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", *arguments, str(folder)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def sql(server: Running, query: str) -> list[Any]:
    """Rows of the catalog, read from whichever mirror is there."""
    path = next(drive / "catalog.db" for drive in server.drives if (drive / "catalog.db").exists())
    connection = pages.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
