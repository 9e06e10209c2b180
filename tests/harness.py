"""A real server for tests: a process of its own on a free port of the loopback, on folders of the test's own.

Tests come in by the front door: boto3 and other clients against `Running.endpoint`. Only processes started here are
ended here, by their process id.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests import leaks

ROOT_USER = "test-root-user"
ROOT_PASSWORD = "test-root-password"
START_SECONDS = 40.0


def free_port() -> int:
    """A port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Running:
    """A server under test. `process` is its supervisor."""

    drives: list[Path]
    log: Path
    port: int = field(default_factory=free_port)
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    prefix: Sequence[str] = ()  # a command that runs it, such as `prlimit`
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, ready: bool = True) -> Running:
        """Start it and wait until it is ready (or only until it answers)."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OBJSTORE_", "AWS_", "PROMETHEUS_"))}
        environment |= {"OBJSTORE_ROOT_USER": ROOT_USER, "OBJSTORE_ROOT_PASSWORD": ROOT_PASSWORD, **self.environment}
        leaks.note_server(self.log, self.arguments, environment)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(*self.prefix, sys.executable, "-m", "objstore", "server", "--address", f"127.0.0.1:{self.port}"),
                    *("--workers", str(self.workers), "--access-log", "", *self.arguments, *map(str, self.drives)),
                ],
                stdout=log,
                stderr=log,
                env=environment,
            )
        self.wait("/-/health/ready" if ready else "/-/health/live")
        return self

    def wait(self, path: str = "/-/health/ready", status: int = 200, seconds: float = START_SECONDS) -> None:
        """Until `path` answers `status`."""
        deadline = time.monotonic() + seconds
        seen: object = None
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.output()}")
            try:
                seen = self.request("GET", path).status
            except OSError as error:
                seen = error
            if seen == status:
                return
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status} in {seconds} s (last: {seen}):\n{self.output()}")

    def output(self) -> str:
        return self.log.read_text(errors="replace")[-8000:]

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """One plain, unsigned request; the body of the answer has been read into `.data`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            response.data = response.read()  # type: ignore[attr-defined]
            return response
        finally:
            connection.close()

    def client(self, service: str = "s3", access: str = ROOT_USER, secret: str = ROOT_PASSWORD, **config: Any) -> Any:
        """A boto3 client; path-style addressing and one attempt unless told otherwise."""
        s3 = {"addressing_style": "path"} | config.pop("s3", {})
        options: dict[str, Any] = {"retries": {"max_attempts": 1}, "read_timeout": 60, "s3": s3} | config
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            aws_access_key_id=access,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(**options),
        )

    def aws_environment(self) -> dict[str, str]:
        """Variables with which the aws CLI, s5cmd, rclone and restic find the server."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return kept | {
            "AWS_ACCESS_KEY_ID": ROOT_USER,
            "AWS_SECRET_ACCESS_KEY": ROOT_PASSWORD,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "S3_ENDPOINT_URL": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def children(self) -> dict[str, int]:
        """Process ids of the supervisor's children by role and number, such as `worker 0`."""
        assert self.process is not None
        found: dict[str, int] = {}
        tasks = Path(f"/proc/{self.process.pid}/task")
        if self.process.poll() is not None:
            return found
        for task in tasks.iterdir():
            try:
                pids = (task / "children").read_text().split()
            except OSError:  # a thread that has ended since it was listed
                continue
            for pid in pids:
                with contextlib.suppress(OSError):
                    role = Path(f"/proc/{pid}/comm").read_text().strip().removeprefix("objstore ")
                    if role in ("worker", "jobs"):
                        found[f"{role} {sum(name.startswith(role) for name in found)}"] = int(pid)
        return found

    def kill(self) -> None:
        """SIGKILL to the supervisor and, as a power cut would, to all its children."""
        if self.process is not None:
            pids = list(self.children().values())
            self.process.kill()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            status = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.process = None
        return status


@contextlib.contextmanager
def serving(folder: Path, drives: int = 4, **options: Any) -> Iterator[Running]:
    """A server on `drives` new folders below `folder`, stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"drive{number}" for number in range(1, drives + 1)]
    running = Running(drives=paths, log=folder / "server.log", **options)
    try:
        yield running.start()
    finally:
        if running.process is not None:
            running.stop()
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
