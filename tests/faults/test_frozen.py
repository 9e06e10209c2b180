"""A file system that takes no writes any more and refuses none, as one whose disk is gone does: what touches it waits
in the kernel, where nothing can be killed. Here it is one that holds the catalog's leader."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.faults.cluster import BUCKET, as_promised, body, check, fill, info, mounted, states
from tests.front.wire import send, until
from tests.harness import Running, serving

SETTINGS = "drive_deadline = 2.0\n[limits]\nhung_seconds = 300.0\n"


@contextlib.contextmanager
def freezing(folder: Path) -> Iterator[None]:
    """The file system on `folder` frozen for the block."""
    if shutil.which("fsfreeze") is None or subprocess.run(["fsfreeze", "-f", folder], capture_output=True).returncode:
        pytest.skip("file systems cannot be frozen here")
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "-u", folder], check=True)


@contextlib.contextmanager
def made(folder: Path) -> Iterator[Path]:
    """An ext4 of its own on `folder`."""
    image = folder.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(300 << 20)
    if shutil.which("mkfs.ext4") is None or subprocess.run(["mkfs.ext4", "-q", "-F", image]).returncode:
        pytest.skip("there is no mkfs.ext4")
    with mounted(folder, "-o", "loop", str(image)):
        yield folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with made(tmp_path / "drive1") as folder:
        yield folder


@pytest.fixture
def server(tmp_path: Path, disk: Path) -> Iterator[Running]:
    """Two workers, the first of four drives on that disk."""
    settings = tmp_path / "settings.toml"
    settings.write_text(SETTINGS)
    with serving(tmp_path, workers=2, arguments=("--config", str(settings))) as running:
        assert running.drives[0] == disk
        yield running


def test_a_frozen_disk_holds_nobody_up_for_long(server: Running) -> None:
    keys = fill(server)
    first = server.drives[0]
    assert f"catalog epoch 1: {info(server)['drives'][0]['id']}" in server.output(), "it leads"
    s3 = server.client(read_timeout=300)  # nobody waits for it in vain

    def put(key: str) -> bool:
        with contextlib.suppress(ClientError, BotoCoreError):
            s3.put_object(Bucket=BUCKET, Key=key, Body=body(key))
            return True
        return False

    with freezing(first):
        until(lambda: put("meanwhile"), lambda: f"writes go on; {server.output()}", seconds=60)
        check(server, [*keys, "meanwhile"])
        assert send(server, "DELETE", f"/{BUCKET}/{keys[0]}").status == 204
        until(lambda: states(server).count("faulty") == 1, "it is left alone")
        assert put("later")
    as_promised(server)
    check(server, [*keys[1:], "meanwhile", "later"])
    until(lambda: len(server.children()) == 3, lambda: f"those it held are gone: {server.children()}")


def test_a_start_goes_on_without_it(server: Running, disk: Path) -> None:
    keys = fill(server, 5)
    server.stop()
    with freezing(disk):
        server.start()
        check(server, keys)
        until(lambda: states(server).count("faulty") == 1, "it is left alone")
        assert send(server, "PUT", f"/{BUCKET}/meanwhile", body("meanwhile")).status == 200
    as_promised(server)
    check(server, [*keys, "meanwhile"])


def test_reads_go_on_while_as_many_as_the_parity_are_frozen(disk: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(SETTINGS)
    with (
        made(tmp_path / "drive2") as other,
        serving(tmp_path, workers=1, arguments=("--config", str(settings))) as server,
    ):
        keys = fill(server, 5)
        s3 = server.client(read_timeout=300)

        def read(key: str) -> bool:
            with contextlib.suppress(ClientError, BotoCoreError):
                data: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
                return data == body(key)
            return False

        with freezing(disk), freezing(other):
            with pytest.raises((ClientError, BotoCoreError)):
                s3.put_object(Bucket=BUCKET, Key="meanwhile", Body=body("meanwhile"))
            until(lambda: all(map(read, keys)), lambda: f"reads go on; {server.output()}", seconds=60)
        as_promised(server)
        check(server, keys)


_SUPERVISOR = """
import fcntl, os, socket, sys, time
from pathlib import Path
from objstore.catalog.shared import commit_lock
from objstore.server.children import Child, Orders
from objstore.server.forking import Lifeline
from objstore.server import kept
from objstore.server.settings import Limits, Settings
from objstore.server.traffic import Traffic

folder, frozen, hung, watched = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "watched"
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
client.settimeout(60)

def become(orders):
    client.close()
    fcntl.flock(orders.commits.fileno(), fcntl.LOCK_EX)
    if not (folder / "first").exists():
        (folder / "first").touch()
        connection, _ = listener.accept()
        if watched:
            kept.watch(orders.pulse, 1.0, (folder / "told").touch)
        (frozen / "file").write_text("it waits here")
    (folder / "second").touch()
    while True:
        orders.pulse.beat()
        time.sleep(0.1)

settings = Settings(drives=(), limits=Limits(hung_seconds=hung))
orders = Orders("jobs", 0, settings, folder, Traffic(1), commit_lock(folder))
child = Child(orders, Lifeline(), become)
child.start()
while not (folder / "second").exists():
    if (news := child.revive()) is not None:
        print(news)
    time.sleep(0.05)
if watched:
    assert client.recv(1) == b"", "it has hung up"
    assert (folder / "told").exists()
    socket.create_connection(listener.getsockname()).close()  # what others listen at is as it was
child.terminate()
child.wait(time.monotonic() + 1)
"""


@pytest.mark.parametrize(
    ("hung", "watched", "why"), [(2, "not", "has stood still for 2 s"), (300, "watched", "waits for a disk that hangs")]
)
def test_a_process_that_cannot_be_killed_is_left_behind(
    disk: Path, tmp_path: Path, hung: int, watched: str, why: str
) -> None:
    """Another one takes its place, and the commit lock that it held; its clients are told to go there."""
    said = tmp_path / "said"  # not a pipe, whose other end the process keeps that is left behind
    command = [sys.executable, "-c", _SUPERVISOR, str(tmp_path), str(disk), str(hung), watched]
    with freezing(disk), said.open("wb") as file:
        subprocess.run(command, stdout=file, check=True, timeout=60)
    assert said.read_text().splitlines() == [
        f"jobs 0 {why}; killing it",
        "jobs 0 was killed and is not gone: it waits for a disk that hangs; starting another one",
    ]
