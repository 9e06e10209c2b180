"""Whether clients are there is seen by every process, and costs a worker two numbers."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from objstore.server.traffic import LINGER, Clients, Traffic
from tests.faults.cluster import BUCKET, as_promised, check, fill, left, remove, states
from tests.front.wire import Signer, connect, head_of, until
from tests.harness import Running, serving

LARGE = 64 << 20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_client_is_there_while_its_request_runs_and_a_second_longer() -> None:
    traffic, clock = Traffic(3), Clock()
    clients, slot, other = Clients(traffic, clock), traffic.slot(2), traffic.slot(0)
    assert not clients()
    slot.begin()
    assert clients()
    clock.now = 600.0
    assert clients(), "it is long"
    slot.end()
    clock.now += 0.9 * LINGER
    assert clients()
    clock.now += 0.2 * LINGER
    assert not clients()
    other.begin()
    other.end()
    assert clients(), "it came and went between two looks"
    clock.now += LINGER
    assert not clients()


def test_what_was_before_the_first_look_is_gone() -> None:
    traffic = Traffic(1)
    traffic.slot(0).begin()
    traffic.slot(0).end()
    assert not Clients(traffic, Clock())()


def test_a_worker_that_died_leaves_no_request_behind() -> None:
    traffic, clock = Traffic(2), Clock()
    clients = Clients(traffic, clock)
    for _ in range(3):
        traffic.slot(1).begin()
    assert clients()
    traffic.slot(1).clear()
    clock.now += LINGER
    assert not clients()


def test_all_processes_see_it() -> None:
    traffic = Traffic(1)
    if (child := os.fork()) == 0:
        traffic.slot(0).begin()
        os._exit(0)
    os.waitpid(child, 0)
    assert traffic.running()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    """One whose jobs, beside clients, would rest for minutes behind each slice of work."""
    config = tmp_path / "settings.toml"
    config.write_text("heal_share = 0.00005\n")
    with serving(tmp_path, arguments=("--config", str(config))) as running:
        yield running


def replace(server: Running, drive: int) -> None:
    """A drive is lost, and an empty one comes in its place."""
    remove(server.drives[drive])
    until(lambda: states(server)[drive] != "online", "it is missed")
    server.drives[drive].mkdir()
    until(lambda: states(server) == ["online"] * 4, "it is taken in")


def begun(server: Running, key: str) -> socket.socket:
    """A GET whose client takes nothing of the answer."""
    path = f"/{BUCKET}/{key}"
    headers = Signer().headers("GET", f"127.0.0.1:{server.port}", path, "UNSIGNED-PAYLOAD")
    connection = connect(server)
    connection.sendall(head_of("GET", path, headers))
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def rests(server: Running) -> float:
    text = server.request("GET", "/-/metrics").data.decode()  # type: ignore[attr-defined]
    return float(next(line for line in text.splitlines() if line.startswith("objstore_rests_total")).split()[1])


def test_a_heal_rests_only_while_clients_are_there(server: Running) -> None:
    keys = fill(server, 12)
    server.client().put_object(Bucket=BUCKET, Key="large", Body=bytes(LARGE))
    replace(server, 0)
    as_promised(server)  # health, metrics and the admin API, which are asked all the time, are no clients
    with begun(server, "large"):
        before = rests(server)
        replace(server, 1)
        until(lambda: rests(server) > before, "it rests")
        assert left(server)[0] > 0
    as_promised(server)
    with begun(server, "large"):
        before = rests(server)
        replace(server, 2)
        until(lambda: rests(server) > before, "it rests")
        assert left(server)[0] > 0
        os.kill(server.children()["worker 0"], signal.SIGKILL)
        server.wait()
    as_promised(server)
    check(server, keys)
    assert server.client().get_object(Bucket=BUCKET, Key="large")["Body"].read() == bytes(LARGE)
