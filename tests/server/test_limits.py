"""What one client may make a server hold or wait for; and how a server says goodbye."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.front.test_bad_bodies import start_put
from tests.front.wire import UNSIGNED, Signer, absent, connect, head_of, read_all, send
from tests.harness import Running, serving

LIMITS = """
[limits]
header_bytes = 16384
header_seconds = 1.5
idle_seconds = 1.5
drain_seconds = 20
"""


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with little patience."""
    folder = tmp_path_factory.mktemp("tight")
    (folder / "limits.toml").write_text(LIMITS)
    arguments = ("--config", str(folder / "limits.toml"))
    with serving(folder / "server", drives=1, arguments=arguments) as running:
        running.client().create_bucket(Bucket="tight")
        yield running


def test_headers_beyond_the_limit_are_refused(tight: Running) -> None:
    answer = send(tight, "GET", "/tight", headers={f"x-amz-meta-{n}": "v" * 1000 for n in range(20)})
    assert answer.error == ("RequestHeaderSectionTooLarge", 400)
    connection = connect(tight)
    connection.sendall(b"GET /" + b"a" * 40_000)
    answer = read_all(connection).decode()
    connection.close()
    assert "<Code>RequestHeaderSectionTooLarge</Code>" in answer
    head, _, document = answer.partition("\r\n\r\n")
    request_id = head.partition("x-amz-request-id: ")[2][:16]
    assert f"<RequestId>{request_id}</RequestId>" in document and request_id in tight.output()


def test_headers_that_come_too_slowly_are_not_waited_for(tight: Running) -> None:
    connection = connect(tight)
    connection.sendall(b"GET /tight HTTP/1.1\r\nHost: x\r\n")
    assert b"<Code>RequestTimeout</Code>" in read_all(connection)
    connection.close()
    silent = connect(tight)
    assert b"200" not in read_all(silent)
    silent.close()


def test_a_body_that_stalls_is_not_waited_for(tight: Running) -> None:
    connection = start_put(tight, "/tight/k", 1_000_000, cut=b"x" * 1000)
    answer = read_all(connection)
    connection.close()
    assert answer.startswith(b"HTTP/1.1 400") and b"<Code>RequestTimeout</Code>" in answer
    assert absent(tight.client(), "tight", "k")


def test_a_body_that_comes_slowly_but_steadily_is_taken(tight: Running) -> None:
    connection = start_put(tight, "/tight/slow", 8, cut=b"")
    for _ in range(8):
        time.sleep(0.3)
        connection.sendall(b"x")
    assert read_all(connection).startswith(b"HTTP/1.1 200")
    connection.close()


def test_what_is_not_http_is_refused(tight: Running) -> None:
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        connection = connect(tight)
        connection.sendall(nonsense)
        assert read_all(connection)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 505", b"")
        connection.close()
    assert tight.request("GET", "/-/health/live").status == 200


def test_a_connection_serves_many_requests(tight: Running) -> None:
    path = "/tight"
    connection = connect(tight)
    for _ in range(3):
        headers = Signer().headers("GET", f"127.0.0.1:{tight.port}", path, "UNSIGNED-PAYLOAD")
        connection.sendall(head_of("GET", path, headers))
        assert read_all(connection).startswith(b"HTTP/1.1 200")
    connection.close()


def begun_put(server: Running, path: str, length: int) -> socket.socket:
    """A PUT that the server has begun: it said so, and waits for the body."""
    headers = Signer().headers("PUT", f"127.0.0.1:{server.port}", path, UNSIGNED)
    connection = connect(server)
    connection.sendall(head_of("PUT", path, headers | {"content-length": str(length), "expect": "100-continue"}))
    assert connection.recv(1000).startswith(b"HTTP/1.1 100")
    return connection


def test_sigterm_lets_what_runs_come_to_its_end(tmp_path: Any) -> None:
    with serving(tmp_path, workers=2) as server:
        server.client().create_bucket(Bucket="drain")
        body = os.urandom(400_000)
        connections = [begun_put(server, f"/drain/k{n}", len(body)) for n in range(4)]
        for connection in connections:
            connection.sendall(body[:100_000])
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        answers: list[bytes] = []

        def finish(connection: Any) -> None:
            connection.sendall(body[100_000:])
            answers.append(read_all(connection))
            connection.close()

        threads = [threading.Thread(target=finish, args=(one,)) for one in connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers), answers
        assert server.process.wait(30) == 0
        server.process = None
        server.start()
        for number in range(4):
            assert server.client().get_object(Bucket="drain", Key=f"k{number}")["Body"].read() == body
