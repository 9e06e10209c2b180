"""A process that stands still is ended and started again; whatever it held, the others go on."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.front.wire import send, until
from tests.harness import Running, serving

HUNG = 3.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hung")
    settings = folder / "settings.toml"
    settings.write_text(f"[limits]\nhung_seconds = {HUNG}\n")
    with serving(folder, drives=2, workers=2, arguments=("--config", str(settings))) as running:
        assert send(running, "PUT", "/bucket").status == 200
        yield running


@pytest.mark.parametrize("role", ["worker", "jobs"])
def test_a_process_that_stands_still_is_started_again(server: Running, role: str) -> None:
    until(lambda: len(server.children()) == 3, "all processes")
    old = server.children()[f"{role} 0"]
    os.kill(old, signal.SIGSTOP)
    until_replaced(server, old)
    assert re.search(rf"{role} \d has stood still for 3 s; killing it", server.output())


def until_replaced(server: Running, old: int) -> None:
    until(lambda: len(now := server.children()) == 3 and old not in now.values(), "another process in its place")
    server.wait()


def test_what_waits_for_a_process_that_holds_the_commit_lock_goes_on(server: Running) -> None:
    """The lock goes with the process: what others write is late, not lost."""
    held = server.children()["worker 0"]
    lock = next(path for path in map(os.readlink, Path(f"/proc/{held}/fd").iterdir()) if path.endswith("/commit.lock"))
    with writing(server):
        stop_with(held, Path(lock))
        until_replaced(server, held)
    assert send(server, "PUT", "/bucket/after", b"x").status == 200
    assert send(server, "GET", "/bucket/after").body == b"x"


@contextlib.contextmanager
def writing(server: Running) -> Iterator[None]:
    """Requests that write, one after another, from four clients."""
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                send(server, "PUT", "/bucket/key", b"x")

    clients = [threading.Thread(target=write) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        ended.set()
        for client in clients:
            client.join()


def stop_with(pid: int, lock: Path) -> None:
    """Stop the process at a moment at which it holds the lock."""
    with lock.open("rb") as probe:
        for _ in range(1_000):
            os.kill(pid, signal.SIGSTOP)
            if not comes_free(probe.fileno()):
                return
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.005)
    raise AssertionError("it never held the lock")


def comes_free(fd: int) -> bool:
    for _ in range(60):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.005)
        else:
            fcntl.flock(fd, fcntl.LOCK_UN)
            return True
    return False


def test_when_all_were_frozen_nobody_hung(server: Running) -> None:
    """As a container is that is paused, or moved to another machine."""
    assert server.process is not None
    until(lambda: len(server.children()) == 3, "all processes")
    before = server.children()
    everybody = [server.process.pid, *before.values()]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(HUNG + 1)
    for pid in reversed(everybody):
        os.kill(pid, signal.SIGCONT)
    server.wait()
    time.sleep(HUNG)
    assert server.children() == before
