"""How a server starts: what it says, where its credentials come from, what its log has."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from objstore.server.settings import Settings, SettingsError
from objstore.server.sockets import listen
from tests.front.wire import Signer, send, until
from tests.harness import Running, serving


def test_credentials_are_made_once_and_shown_once(tmp_path: Path) -> None:
    nobody = {"OBJSTORE_ROOT_USER": "", "OBJSTORE_ROOT_PASSWORD": ""}
    with serving(tmp_path, drives=2, environment=nobody) as server:
        said = server.output()
        found = re.search(r"OBJSTORE_ROOT_USER=(\S+)\s+OBJSTORE_ROOT_PASSWORD=(\S+)", said)
        assert found, said
        signer = Signer(access=found[1], secret=found[2])
        assert send(server, "PUT", "/bucket", signer=signer).status == 200
        assert send(server, "GET", "/").status == 403
        server.stop()
        server.log.unlink()
        server.start()
        assert found[2] not in server.output()
        assert send(server, "GET", "/bucket", signer=signer).status == 200


def test_the_start_says_what_is_served(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        said = server.output()
        assert server.endpoint in said
        assert "strict" in said and "parity" in said.lower()
        assert "Traceback" not in said
        assert len(said.splitlines()) < 15, said


def test_relaxed_durability_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, drives=1, arguments=("--durability", "relaxed")) as server:
        assert "relaxed" in server.output()


def test_every_request_is_a_line_of_the_access_log(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with serving(tmp_path / "server", drives=1, arguments=("--access-log", str(log))) as server:
        ids = {send(server, "PUT", "/logged").headers["x-amz-request-id"]: ("PUT", 200)}
        answer = send(server, "GET", "/logged/none?X-Secret=hidden")
        ids[answer.headers["x-amz-request-id"]] = ("GET", 404)
        refused = send(server, "GET", "/logged", signer=Signer(secret="wrong"))
        ids[refused.headers["x-amz-request-id"]] = ("GET", 403)
        until(lambda: log.exists() and len(log.read_text().splitlines()) >= 3, "three lines", 10)
        text = log.read_text()
        entries = {entry["request_id"]: entry for entry in map(json.loads, text.splitlines())}
        assert {key: (entries[key]["method"], entries[key]["status"]) for key in ids} == ids
        assert "hidden" not in text


def test_a_port_that_is_taken_is_said_so(tmp_path: Path) -> None:
    with serving(tmp_path / "one", drives=1) as server:
        second = Running(drives=[tmp_path / "two"], log=tmp_path / "log", port=server.port)
        # it must not take over a part of the first one's connections
        with pytest.raises(AssertionError, match="the server ended"):
            start_without_answer(second)
        assert str(server.port) in second.output()


def start_without_answer(server: Running) -> Any:
    """Start it; it is its own end, and not the answers of another on its port, that counts."""
    server.wait = lambda *_args, **_options: None  # type: ignore[method-assign]
    server.start()
    assert server.process is not None
    try:
        raise AssertionError(f"the server ended with {server.process.wait(20)}")
    finally:
        if server.process.poll() is None:
            server.process.kill()


def test_no_host_is_every_interface_by_either_protocol() -> None:
    settings = Settings(drives=("/a", "/b"), address=":0", workers=2)
    with contextlib.ExitStack() as stack:
        workers = [[stack.enter_context(one) for one in each] for each in listen(settings)]
        port = workers[0][0].getsockname()[1]
        assert {one.getsockname()[1] for each in workers for one in each} == {port}
        for host in ["127.0.0.1", "::1"] if len(workers[0]) == 2 else ["127.0.0.1"]:
            stack.enter_context(socket.create_connection((host, port), timeout=5))
        with pytest.raises(SettingsError, match="cannot listen"):
            listen(msgspec.structs.replace(settings, address=f":{port}"))
