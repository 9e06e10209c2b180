"""Many clients that are slow, silent or hostile: what they can make a server hold is bounded, and others are served."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.front.test_bad_bodies import start_put
from tests.front.wire import UNSIGNED, Signer, absent, connect, head_of, read_all, send, until
from tests.harness import Running, serving
from tests.server.test_limits import begun_put

MIB = 1 << 20
REQUESTS, CONNECTIONS = 40, 4_096
LARGE = os.urandom(24 * MIB)
LIMITS = f"""
[limits]
requests = {REQUESTS}
connections = {CONNECTIONS}
idle_seconds = 20.0
"""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("crowded")
    (folder / "limits.toml").write_text(LIMITS)
    with serving(folder / "server", arguments=("--config", str(folder / "limits.toml"))) as running:
        s3 = running.client()
        s3.create_bucket(Bucket="crowd")
        s3.put_object(Bucket="crowd", Key="large", Body=LARGE)
        works(running)
        yield running


def works(server: Running) -> None:
    """A client like any other is served."""
    s3 = server.client()
    body = os.urandom(100_000)
    s3.put_object(Bucket="crowd", Key="other", Body=body)
    assert s3.get_object(Bucket="crowd", Key="other")["Body"].read() == body


def resident(server: Running) -> int:
    """Bytes of memory that the worker has."""
    status = Path(f"/proc/{server.children()['worker 0']}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))


@contextlib.contextmanager
def bounded(server: Running, growth: int) -> Iterator[None]:
    """The worker holds no more than `growth` bytes more in the end, and is the one that it was."""
    worker, before = server.children()["worker 0"], resident(server)
    yield
    works(server)
    grown = resident(server) - before
    assert grown < growth, f"{grown >> 20} MiB more than before"
    assert server.children()["worker 0"] == worker


@pytest.fixture
def opened(crowded: Running) -> Iterator[list[socket.socket]]:
    """Connections that are closed in the end."""
    connections: list[socket.socket] = []
    yield connections
    for connection in connections:
        connection.close()


def test_connections_leave_files_for_the_drives(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path, prefix=("prlimit", "--nofile=600:600")))
        server.client().create_bucket(Bucket="crowd")
        for _ in range(700):
            stack.enter_context(connect(server))
        works(server)
        assert "this process may open 600 files: it takes 172 connections" in server.output()


def started_get(server: Running, path: str) -> socket.socket:
    """A GET of which nothing is read."""
    headers = Signer().headers("GET", f"127.0.0.1:{server.port}", path, UNSIGNED)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
    connection.sendall(head_of("GET", path, headers))
    return connection


def test_ten_thousand_idle_connections(crowded: Running, opened: list[socket.socket]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(10_000, hard - 1_000)  # fewer where this process may not have as many
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 1_000), hard))
    with bounded(crowded, 200 * MIB):
        for number in range(wanted):
            opened.append(connect(crowded))
            if number % 1_000 == 0:
                works(crowded)
    if wanted > CONNECTIONS:  # the first made room for the others
        opened[0].settimeout(30)
        assert opened[0].recv(1) == b""
    headers = Signer().headers("GET", f"127.0.0.1:{crowded.port}", "/crowd/other", UNSIGNED)
    opened[-2].sendall(head_of("GET", "/crowd/other", headers))
    assert opened[-2].recv(100).startswith(b"HTTP/1.1 200")


def taken(connection: socket.socket, length: int) -> bytes:
    """The next bytes that come, a little more than `length`."""
    data = bytearray()
    while len(data) < length and (piece := connection.recv(1 << 20)):
        data += piece
    with contextlib.suppress(TimeoutError):
        connection.settimeout(0.5)
        data += connection.recv(4_096)
    return bytes(data)


def test_clients_that_do_not_read(crowded: Running, opened: list[socket.socket]) -> None:
    with bounded(crowded, 8 * MIB * REQUESTS):
        opened += [started_get(crowded, "/crowd/large") for _ in range(REQUESTS - 2)]
        for connection in opened:
            assert connection.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"
    assert taken(opened[-1], len(LARGE)).endswith(LARGE)


def test_uploads_that_stall(crowded: Running, opened: list[socket.socket]) -> None:
    with bounded(crowded, 8 * MIB * REQUESTS):
        for number in range(REQUESTS - 2):
            connection = begun_put(crowded, f"/crowd/stalled-{number}", len(LARGE))
            opened.append(connection)
            connection.sendall(LARGE[: 5 * MIB])
    opened[0].sendall(LARGE[5 * MIB :])
    assert read_all(opened[0]).startswith(b"HTTP/1.1 200")
    for connection in opened:
        connection.close()
    until(lambda: absent(crowded.client(), "crowd", "stalled-1"), "nothing is left of it")
    assert crowded.client().get_object(Bucket="crowd", Key="stalled-0")["Body"].read() == LARGE


def begun(server: Running, path: str) -> socket.socket:
    """A PUT that the server has begun, as soon as it has ended what it ran before."""

    def one() -> socket.socket | None:
        with contextlib.suppress(AssertionError):
            return begun_put(server, path, 1_000)
        return None

    found: socket.socket = until(one, "there is room for one more")
    return found


def test_requests_beyond_the_limit_are_told_to_come_again(crowded: Running, opened: list[socket.socket]) -> None:
    opened += [begun(crowded, f"/crowd/begun-{number}") for number in range(REQUESTS)]
    for method, body in (("GET", b""), ("PUT", b"x" * 200_000), ("PUT", b"x" * 3 * MIB)):
        answer = send(crowded, method, "/crowd/other", body)
        assert answer.error == ("SlowDown", 503), answer
        assert answer.headers["retry-after"] == "1" and answer.headers["x-amz-request-id"]
    assert send(crowded, "HEAD", "/crowd/other").status == 503
    for page in ("live", "ready"):
        assert crowded.request("GET", f"/-/health/{page}").status == 200
    for connection in opened:
        connection.sendall(b"x" * 1_000)
        assert read_all(connection).startswith(b"HTTP/1.1 200")
    works(crowded)


def test_a_client_that_retries_gets_through(crowded: Running, opened: list[socket.socket]) -> None:
    opened += [begun(crowded, f"/crowd/begun-{number}") for number in range(REQUESTS)]
    refused: list[Any] = []
    s3 = crowded.client(retries={"mode": "standard", "max_attempts": 5})

    def after(response: Any, **_: Any) -> None:
        if response is not None and response[0].status_code == 503:
            refused.append(response)
            opened.pop().close()

    s3.meta.events.register("needs-retry.s3.GetObject", after)
    assert s3.get_object(Bucket="crowd", Key="large")["Body"].read() == LARGE
    assert refused


def flood(connection: socket.socket, piece: bytes, most: int = 64 * MIB) -> bytes:
    """Send `piece` again and again, until the server has had enough; what it said."""
    connection.settimeout(30)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        for _ in range(0, most, len(piece)):
            connection.sendall(piece)
        pytest.fail("all of it was taken")
    return read_all(connection)


@pytest.mark.parametrize("piece", [b"x-a: b\r\n" * 1_000, b"x" * 8_000], ids=["many", "long"])
def test_floods_of_headers(crowded: Running, opened: list[socket.socket], piece: bytes) -> None:
    with bounded(crowded, 100 * MIB):
        for _ in range(200):
            connection = connect(crowded)
            opened.append(connection)
            connection.sendall(b"GET /crowd HTTP/1.1\r\nx-a: " + piece[:4_000] * (1 if b"\n" in piece else 14))
        for _ in range(3):
            opened.append(connect(crowded))
            opened[-1].sendall(b"GET /crowd HTTP/1.1\r\nx-a: ")
            flood(opened[-1], piece)


@pytest.mark.parametrize("piece", [b"x-a: b\r\n" * 1_000, b"x" * 8_000], ids=["many", "long"])
@pytest.mark.parametrize("behind", [b"0\r\nx-a: ", b"5;x="], ids=["trailers", "extensions"])
def test_floods_behind_a_body(crowded: Running, opened: list[socket.socket], behind: bytes, piece: bytes) -> None:
    """What is no part of the body, and has an end that never comes."""
    if behind.startswith(b"5"):
        piece = piece.replace(b"\r\n", b"xx")
    with bounded(crowded, 32 * MIB):
        for _ in range(3):
            headers = Signer().headers("PUT", f"127.0.0.1:{crowded.port}", "/crowd/chunked", UNSIGNED)
            opened.append(connect(crowded))
            opened[-1].sendall(head_of("PUT", "/crowd/chunked", headers | {"transfer-encoding": "chunked"}))
            opened[-1].sendall(b"5\r\nhello\r\n" + behind)
            flood(opened[-1], piece)
    assert absent(crowded.client(), "crowd", "chunked")


def test_floods_of_requests_on_one_connection(crowded: Running, opened: list[socket.socket]) -> None:
    with bounded(crowded, 32 * MIB):
        for _ in range(3):
            opened.append(started_get(crowded, "/crowd/large"))
            flood(opened[-1], b"GET /crowd HTTP/1.1\r\nHost: x\r\n\r\n" * 500)


def test_what_is_far_too_large_is_refused(crowded: Running) -> None:
    """By its length alone, or when too much has come."""
    with bounded(crowded, 64 * MIB):
        connection = start_put(crowded, "/crowd/huge", 6 << 30, cut=b"x" * 1000)
        assert b"<Code>EntityTooLarge</Code>" in read_all(connection)
        connection.close()
        for path in ("/crowd?delete", "/crowd?tagging", "/crowd?policy", "/crowd?lifecycle", "/crowd/large?tagging"):
            method = "POST" if path.endswith("delete") else "PUT"
            answer = send(crowded, method, path, b"<Tagging>" * (2 * MIB))
            assert answer.status == 400, (path, answer)
        assert send(crowded, "PUT", "/crowd/" + "k" * 1_100).error == ("KeyTooLongError", 400)
        answer = send(crowded, "PUT", "/crowd/k", b"", {f"x-amz-meta-{n}": "v" * 1_000 for n in range(3)})
        assert answer.error == ("MetadataTooLarge", 400)
