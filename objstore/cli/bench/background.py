"""What clients feel of work beside them: latencies of the same requests before a drive is lost, or drained, and then.

A few clients get and put objects of 64 KiB, each one request after the other. Then a drive is emptied, and they go on
until all that was on it is there again; or it is drained, and they go on until nothing is on it any more: both halves
in one run, on one server.
"""

from __future__ import annotations

import http.client
import itertools
import os
import random
import shutil
import statistics
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from objstore import client
from objstore.cli.bench.costs import Signer, send
from objstore.cli.bench.servers import BUCKET, Server

_CLIENTS, _SMALL, _SMALL_SIZE, _LARGE_SIZE = 4, 200, 64 << 10, 8 << 20
_POLL, _LONGEST = 0.25, 3_600.0


@dataclass(slots=True)
class Felt:
    """Milliseconds of each request."""

    gets: list[float] = field(default_factory=list)
    puts: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Done:
    """What clients felt before and during the work, which was of so many bytes of shard files in so many seconds."""

    size: int
    seconds: float
    before: Felt
    during: Felt


def percentile(values: Sequence[float], share: int) -> float:
    """The value below which `share` of a hundred are."""
    return statistics.quantiles(values, n=100)[share - 1]


def heal(server: Server, drives: Sequence[Path], mebibytes: int, seconds: float) -> Done:
    """Fill the server with so many MiB, measure for `seconds`, empty the last drive, and measure until it is healed."""
    taken = drives[-1].with_name("taken")

    def lose(_: client.Connection) -> None:
        drives[-1].rename(taken)  # at once: the server is writing to it
        drives[-1].mkdir()

    def left(info: dict[str, Any]) -> int:
        return int(info["healing"]["bytes"]) or int(info["redundancy"]["problem"] is not None)  # more may be queued yet

    done = _measure(server, mebibytes, seconds, lose, left)
    shutil.rmtree(taken)
    return done


def drain(server: Server, drives: Sequence[Path], mebibytes: int, seconds: float) -> Done:
    """Fill the server with so many MiB, measure for `seconds`, drain the last drive, and measure until it is empty."""

    def begin(asked: client.Connection) -> None:
        client.ask(asked, f"{client.ADMIN}/drives", "PUT", drive=str(drives[-1]), action="drain")

    return _measure(server, mebibytes, seconds, begin, lambda info: sum(one["left"] for one in info["drives"]))


def _measure(
    server: Server,
    mebibytes: int,
    seconds: float,
    begin: Callable[[client.Connection], None],
    left: Callable[[dict[str, Any]], int],
) -> Done:
    """`left` finds in an inventory how many bytes are left of the work that `begin` makes."""
    signer = Signer(server)
    small = min(_SMALL, 4 * mebibytes)
    _fill(signer, small, mebibytes)
    asked = client.Connection(server.endpoint, server.user, server.password)
    with _clients(server, signer, small) as felt:
        end = time.monotonic() + seconds
        _look_on(asked, left, lambda _: time.monotonic() > end)
        before = felt()
        begin(asked)
        _look_on(asked, left, lambda size: size > 0)
        began = time.monotonic()
        felt()  # what the loss of a drive costs is another question
        size = _look_on(asked, left, lambda size: size == 0)
        return Done(size, time.monotonic() - began, before, felt())


def _fill(signer: Signer, small: int, mebibytes: int) -> None:
    signer.client.create_bucket(Bucket=BUCKET)
    for number in range(small):
        signer.client.put_object(Bucket=BUCKET, Key=f"small-{number}", Body=os.urandom(_SMALL_SIZE))
    for number in range(max(1, (mebibytes << 20) // _LARGE_SIZE)):
        signer.client.put_object(Bucket=BUCKET, Key=f"large-{number}", Body=os.urandom(_LARGE_SIZE))


def _look_on(asked: client.Connection, left: Callable[[dict[str, Any]], int], done: Callable[[int], bool]) -> int:
    """Ask how many bytes are left until `done` says so; the most that there were."""
    end, most = time.monotonic() + _LONGEST, 0
    while time.monotonic() < end:
        size = left(client.ask(asked, f"{client.ADMIN}/info"))
        most = max(most, size)
        if done(size):
            return most
        time.sleep(_POLL)
    raise RuntimeError(f"{most >> 20} MiB were not moved in {_LONGEST:.0f} s")


@contextmanager
def _clients(server: Server, signer: Signer, small: int) -> Iterator[Callable[[], Felt]]:
    """Clients that get so many small objects, and put; gives a function for what they felt since it was called last."""
    body, stop = os.urandom(_SMALL_SIZE), threading.Event()
    gets = [
        signer.request("GET", "get_object", {"Bucket": BUCKET, "Key": f"small-{number}"}) for number in range(small)
    ]
    puts = [
        [signer.request("PUT", "put_object", {"Bucket": BUCKET, "Key": f"{name}-{n}"}, body=body) for n in range(100)]
        for name in range(_CLIENTS)
    ]
    feeling = [Felt()]
    failed: list[BaseException] = []

    def work(name: int) -> None:
        chance, address = random.Random(name), urllib.parse.urlsplit(server.endpoint)
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        try:
            for put in itertools.cycle(puts[name]):
                if stop.is_set():
                    return
                feeling[0].gets.append(send(connection, chance.choice(gets)))
                feeling[0].puts.append(send(connection, put))
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    def felt() -> Felt:
        if failed:
            raise failed[0]
        last, feeling[0] = feeling[0], Felt()
        return last

    threads = [threading.Thread(target=work, args=(name,)) for name in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield felt
    finally:
        stop.set()
        for thread in threads:
            thread.join()
