"""Buckets as volumes: what CSI drivers mount for a pod, by s3fs (Debian's), by rclone, and by geesefs where that is
installed, used as a folder."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness import ROOT_PASSWORD, ROOT_USER, Running
from tests.runtimes.conftest import contents, grow, installed


def _cannot() -> str | None:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"file systems in user space are not to be had here: {error}"
    return None


@dataclass
class Volume:
    """A bucket that may be mounted at a folder, again and again."""

    command: list[str]
    folder: Path
    environment: dict[str, str]
    log: Path
    plus: bool = True
    """Whether it copies keys with a plus sign, which AWS reads as a space where it names the source of a copy."""

    process: subprocess.Popen[bytes] | None = None

    def mount(self) -> Path:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not os.path.ismount(self.folder):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.05)
        return self.folder

    def unmount(self) -> None:
        """Everything that was written is in the bucket afterwards."""
        if self.process is not None:
            subprocess.run(["fusermount", "-u", str(self.folder)], check=True, timeout=60)
            self.process.wait(60)
            self.process = None

    def remount(self) -> Path:
        self.unmount()
        return self.mount()

    def end(self) -> None:
        """Whatever state it is in."""
        if self.process is not None:
            subprocess.run(["fusermount", "-u", "-z", str(self.folder)], timeout=60)
            self.process.terminate()
            self.process.wait(30)


def _s3fs(server: Running, bucket: str, folder: Path, own: Path) -> tuple[list[str], dict[str, str]]:
    passwords = own / "passwd-s3fs"
    passwords.write_text(f"{ROOT_USER}:{ROOT_PASSWORD}\n")
    passwords.chmod(0o600)
    options = ["use_path_request_style", "multipart_size=5", f"passwd_file={passwords}", "endpoint=us-east-1"]
    command = [installed("s3fs"), bucket, str(folder), "-f", "-o", f"url={server.endpoint}"]
    return [*command, *(word for option in options for word in ("-o", option))], {}


def _rclone(server: Running, bucket: str, folder: Path, own: Path) -> tuple[list[str], dict[str, str]]:
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if program is None:
        pytest.skip("rclone is not installed (make setup-dev installs it)")
    remote = {
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
        "RCLONE_CONFIG_STORE_ENDPOINT": server.endpoint,
        "RCLONE_CONFIG": os.devnull,
    }
    caching = ["--vfs-cache-mode=writes", "--vfs-write-back=0s", f"--cache-dir={own / 'cache'}"]
    parts = ["--s3-upload-cutoff=5M", "--s3-chunk-size=5M", "--allow-other"]
    return [program, "mount", f"STORE:{bucket}", str(folder), *caching, *parts], remote


def _geesefs(server: Running, bucket: str, folder: Path, own: Path) -> tuple[list[str], dict[str, str]]:
    if (program := shutil.which("geesefs")) is None:
        pytest.skip("geesefs is not installed")
    return [program, "-f", f"--endpoint={server.endpoint}", "--region=us-east-1", bucket, str(folder)], {}


@pytest.fixture(params=[_s3fs, _rclone, _geesefs], ids=["s3fs", "rclone", "geesefs"])
def volume(request: pytest.FixtureRequest, server: Running, bucket: str, tmp_path: Path) -> Iterator[Volume]:
    if (why := _cannot()) is not None:
        pytest.skip(why)
    installed("fusermount")
    folder = tmp_path / "volume"
    folder.mkdir()
    command, more = request.param(server, bucket, folder, tmp_path)
    environment = server.aws_environment() | {"HOME": str(tmp_path)} | more
    made = Volume(command, folder, environment, tmp_path / "mount.log", plus=request.param is not _geesefs)
    try:
        yield made
    finally:
        made.end()


def in_bucket(s3: Any, bucket: str) -> dict[str, bytes]:
    """Every object that is not a folder, by key."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [one["Key"] for page in pages for one in page.get("Contents", []) if not one["Key"].endswith("/")]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def test_a_folder_of_files_there_and_back(volume: Volume, s3: Any, bucket: str, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    grow(plain, 1, files=60)
    if not volume.plus:
        for path in [*plain.glob("folder */plain+&")]:
            path.rename(path.with_name("plain&"))
    mounted = volume.mount()
    shutil.copytree(plain, mounted / "copy", copy_function=shutil.copyfile)
    assert contents(mounted / "copy") == contents(plain)
    volume.unmount()
    assert in_bucket(s3, bucket) == {f"copy/{path}": data for path, data in contents(plain).items()}

    # What others put is there, and what is renamed and removed here is so for others.
    s3.put_object(Bucket=bucket, Key="from outside/ü +&.txt", Body=b"put")
    mounted = volume.mount()
    assert (mounted / "from outside" / "ü +&.txt").read_bytes() == b"put"
    assert contents(mounted / "copy") == contents(plain)
    os.rename(mounted / "copy" / "large 1.bin", mounted / "moved.bin")
    os.rename(mounted / "copy" / "folder 3", mounted / "folder renamed")
    shutil.rmtree(mounted / "copy" / "folder 4")
    os.rename(plain / "large 1.bin", plain / "moved.bin")
    volume.unmount()
    expected = {f"copy/{path}": data for path, data in contents(plain).items() if not path.startswith("folder 4/")}
    expected["moved.bin"] = expected.pop("copy/moved.bin")
    renamed = {path: path.replace("copy/folder 3/", "folder renamed/") for path in expected}
    expected = {renamed[path]: data for path, data in expected.items()} | {"from outside/ü +&.txt": b"put"}
    assert in_bucket(s3, bucket) == expected


@pytest.mark.parametrize("seed", [1, 2])
def test_files_changed_in_the_middle(seed: int, volume: Volume, s3: Any, bucket: str, tmp_path: Path) -> None:
    """Random writes, appends and truncations, each checked against the same on a local file."""
    chance = random.Random(seed)
    local = tmp_path / "local.bin"
    local.write_bytes(chance.randbytes(13 << 20))
    mounted = volume.mount()
    shutil.copyfile(local, mounted / "file.bin")
    for _ in range(4):
        offset = chance.choice([0, chance.randrange(local.stat().st_size), local.stat().st_size])
        data = chance.randbytes(chance.choice([1, 100_000, 6 << 20]))
        size = chance.randrange(20 << 20) if chance.random() < 0.3 else None
        for path in (local, mounted / "file.bin"):
            with path.open("r+b") as file:
                file.seek(offset)
                file.write(data)
                if size is not None:
                    file.truncate(size)
        assert (mounted / "file.bin").read_bytes() == local.read_bytes()
    assert (volume.remount() / "file.bin").read_bytes() == local.read_bytes()
    volume.unmount()
    assert in_bucket(s3, bucket) == {"file.bin": local.read_bytes()}
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
