"""The processes of a server: forked from one that has opened nothing, they share code and nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.front.wire import send, until
from tests.harness import Running, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("processes"), drives=2, workers=2) as running:
        yield running


def ask_all_workers(server: Running, least: int = 10) -> list[tuple[str, str]]:
    """Worker and id of requests on connections of their own, at least so many of each worker."""
    asked: list[tuple[str, str]] = []

    def enough() -> bool:
        headers = send(server, "GET", "/").headers
        asked.append((headers["x-amz-id-2"], headers["x-amz-request-id"]))
        workers = [worker for worker, _ in asked]
        return len(set(workers)) == 2 and all(workers.count(one) >= least for one in workers)

    until(enough, "answers of both workers")
    return asked


def counted(server: Running) -> int:
    page: str = server.request("GET", "/-/metrics").data.decode()  # type: ignore[attr-defined]
    found = re.findall(r'objstore_requests_total\{operation="ListBuckets",status="200"\} (\S+)', page)
    return int(float(found[0])) if found else 0


def test_no_two_processes_make_the_same_ids(server: Running) -> None:
    asked = ask_all_workers(server)
    assert len({number for _, number in asked}) == len(asked)


def test_what_each_process_counts_is_counted_once(server: Running) -> None:
    before = counted(server)
    asked = ask_all_workers(server)
    assert counted(server) == before + len(asked)
    os.kill(server.children()["worker 0"], signal.SIGKILL)
    until(lambda: len(server.children()) == 3, "another worker")
    again = ask_all_workers(server)
    assert counted(server) == before + len(asked) + len(again)


def test_the_supervisor_can_fork_at_any_time(server: Running) -> None:
    """No thread that may hold a lock, nothing open that a child must not share."""
    assert server.process is not None
    supervisor = Path(f"/proc/{server.process.pid}")
    assert len(list((supervisor / "task").iterdir())) == 1
    files = {Path(os.readlink(one)).name for one in (supervisor / "fd").iterdir()}
    assert {"lock", "supervisor.lock"} <= files
    assert not any(name.startswith("catalog.db") or ".shard" in name for name in files)


def test_no_child_holds_what_is_a_siblings(server: Running) -> None:
    """A connection would wait for ever at a socket whose worker has gone."""
    states = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {f"socket:[{one[9]}]" for one in states if one[3] == "0A" and one[1].endswith(f":{server.port:04X}")}
    held = {
        name: {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir() if one.exists() or one.is_symlink()}
        for name, pid in server.children().items()
    }
    mine = {name: files & listening for name, files in held.items()}
    assert len(listening) == 2 and not mine["jobs 0"]
    assert len(mine["worker 0"]) == len(mine["worker 1"]) == 1 and mine["worker 0"] != mine["worker 1"]


def script(text: str) -> list[str]:
    return [sys.executable, "-c", f"from objstore.server.forking import *\n{text}"]


def test_an_order_to_end_is_not_lost_between_two_processes() -> None:
    """One that comes to a process that has just been forked, and still has the supervisor's handlers."""
    text = """
signal.signal(signal.SIGTERM, lambda *_: None)
lifeline = Lifeline()
for _ in range(30):
    child = forked("child", lifeline, signal.pause)
    child.terminate()
    child.join(30)
    assert child.exitcode == -signal.SIGTERM, child.exitcode
"""
    subprocess.run(script(text), check=True, timeout=60)


def test_a_start_that_dies_apart_says_so() -> None:
    text = """
lifeline = Lifeline()
with Apart(lifeline, lambda: 41 + 1) as one:
    assert one.answer() == 42
def refuse():
    raise SettingsError("no such drive")
for work, said in ((refuse, "no such drive"), (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL")):
    try:
        with Apart(lifeline, work) as one:
            one.answer()
    except SettingsError as error:
        assert said in str(error), error
    else:
        raise AssertionError(said)
"""
    subprocess.run(script(text), check=True, timeout=60)


def test_nothing_that_was_forked_outlives_the_supervisor() -> None:
    text = """
lifeline = Lifeline()
first, second = (forked("child", lifeline, lambda: threading.Event().wait()) for _ in range(2))
print(first.pid, second.pid, flush=True)
signal.pause()
"""
    supervisor = subprocess.Popen(script(text), stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    pids = supervisor.stdout.readline().split()
    assert len(pids) == 2 and all(Path(f"/proc/{pid}").exists() for pid in pids)
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()

    def gone(pid: str) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    until(lambda: all(map(gone, pids)), "both have ended")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these policies")
def test_loops_interrupt_nobody_and_what_commits_does(server: Running) -> None:
    send(server, "PUT", "/turns")
    for child in server.children().values():
        threads = Path(f"/proc/{child}/task").iterdir()
        policies = {int(one.name): os.sched_getscheduler(int(one.name)) for one in threads}
        assert policies.pop(child) == os.SCHED_BATCH
        assert os.SCHED_OTHER in policies.values()
