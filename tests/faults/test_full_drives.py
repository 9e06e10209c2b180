"""Disks without space: writes are refused and say where, reads and deletes go on, and what is deleted gives room."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.faults.cluster import BUCKET, info, mounted, stopped
from tests.front.wire import until
from tests.harness import Running

PAGE = bytes(64 << 10)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Running]:
    """A server on four disks of 48 MiB, which gives space back after a second."""
    config = tmp_path / "objstore.toml"
    config.write_text("reap_grace = 1.0\n")
    with contextlib.ExitStack() as stack:
        drives = [tmp_path / f"disk{number}" / "drive" for number in range(4)]
        for drive in drives:
            stack.enter_context(mounted(drive.parent, "-t", "tmpfs", "-o", "size=48m", "objstore-test"))
        server = Running(drives=drives, log=tmp_path / "log", arguments=("--config", str(config))).start()
        stack.callback(server.kill)
        server.client().create_bucket(Bucket=BUCKET)
        until(lambda: all((drive / "ballast").exists() for drive in drives), "every drive has its ballast")
        yield server


def test_full_drives_refuse_writes_and_serve_reads(small: Running) -> None:
    kept, refusals = fill_up(small)
    assert kept and refusals == ["StorageFull 507"] * 4
    check_all(small, kept)
    with stopped(small, ready=False):
        pass
    check_all(small, kept)


def test_full_drives_take_deletes_and_get_their_space_back(small: Running) -> None:
    s3 = small.client()
    kept, _ = fill_up(small)
    for key in kept[:-1]:
        s3.delete_object(Bucket=BUCKET, Key=key)
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == kept[-1:]
    until(lambda: all(one["free"] > one["used"] for one in info(small)["drives"]), "the space is back", 30)
    until(lambda: takes(s3, "again", data("again")), "and may be used")
    check_all(small, [*kept[-1:], "again"])


def test_large_objects_give_their_space_back_though_workers_have_their_files_open(small: Running) -> None:
    s3, keys = small.client(), [f"large-{number}" for number in range(4)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(6_000_000))
        s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    for key in keys:
        s3.delete_object(Bucket=BUCKET, Key=key)

    def shards() -> int:
        return sum(path.is_file() for drive in small.drives for path in (drive / "shards").rglob("*"))

    until(lambda: shards() == 0, "the files are gone")
    until(lambda: all(used(drive) < 2 << 20 for drive in small.drives), "their space is back")


def used(drive: Path) -> int:
    """Bytes that the disk of a drive holds beside what is to be seen on it: files that are open and have no name."""
    space = os.statvfs(drive)
    seen = sum(path.stat().st_blocks * 512 for path in drive.parent.rglob("*") if path.is_file())
    return (space.f_blocks - space.f_bfree) * space.f_frsize - seen


def test_small_objects_stop_at_the_reserve_too(small: Running) -> None:
    s3 = small.client()
    for drive in small.drives:
        occupy(drive.parent, 4 << 20)
    until(lambda: all(one["free"] <= 4 << 20 for one in info(small)["drives"]), "the server knows")
    refusals: set[str] = set()
    kept: list[str] = []
    for number in range(2000):
        key = f"small-{number}"
        if (refused := refusal(s3, key, b"x" * 8000)) is None:
            kept.append(key)
        else:
            refusals.add(refused)
            break
    assert kept and refusals == {"StorageFull 507"}
    for key in kept:
        s3.delete_object(Bucket=BUCKET, Key=key)


def test_disks_that_somebody_else_filled_take_deletes(small: Running) -> None:
    s3 = small.client()
    keys = [f"k{number}" for number in range(4)]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=data(key))
    s3.put_object(Bucket=BUCKET, Key="inline", Body=b"inline")
    for drive in small.drives:
        occupy(drive.parent, 0)
    until(lambda: all(one["problem"] == "full" for one in info(small)["drives"]), "it is noticed")
    mirrors = {one["path"] for one in info(small)["drives"] if one["mirror"]}
    for body in (b"more", data("more")):
        with pytest.raises(ClientError) as told:
            s3.put_object(Bucket=BUCKET, Key="more", Body=body)
        error = told.value.response["Error"]
        assert error["Code"] == "StorageFull"
        assert mirrors <= {*error["Message"].partition("Full: ")[2].removesuffix(".").split(", ")}
    assert all(refusal(s3, "more", body) == "StorageFull 507" for body in (data("more"), b"x" * 9_000_000))
    s3.delete_object(Bucket=BUCKET, Key="k0")
    s3.delete_object(Bucket=BUCKET, Key="k1")
    check_all(small, keys[2:])
    for drive in small.drives:
        (drive.parent / "occupied").unlink()
    until(lambda: takes(s3, "more", data("more")), "there is room again")
    until(
        lambda: all((drive / "ballast").stat().st_size for drive in small.drives), "every drive has its ballast again"
    )
    check_all(small, [*keys[2:], "more"])


def test_a_store_starts_on_disks_that_were_filled_meanwhile(small: Running) -> None:
    small.client().put_object(Bucket=BUCKET, Key="kept", Body=data("kept"))
    small.client().put_object(Bucket=BUCKET, Key="inline", Body=b"inline")
    with stopped(small):
        for drive in small.drives:
            occupy(drive.parent, 0)
    s3 = small.client()
    assert s3.get_object(Bucket=BUCKET, Key="inline")["Body"].read() == b"inline"
    check_all(small, ["kept"])
    assert refusal(s3, "more", b"more") == "StorageFull 507"
    s3.delete_object(Bucket=BUCKET, Key="inline")


def occupy(folder: Path, left: int) -> None:
    """Fill a disk up to `left` bytes, as somebody else would."""
    with (folder / "occupied").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while (space := os.statvfs(folder)).f_bavail * space.f_frsize > left:
            file.write(PAGE[: max(1, min(len(PAGE), space.f_bavail * space.f_frsize - left))])


def data(key: str) -> bytes:
    return key.encode() * 300_000


def check_all(server: Running, keys: list[str]) -> None:
    s3 = server.client()
    for key in keys:
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == data(key)


def refusal(s3: Any, key: str, body: bytes) -> str | None:
    """Code and status with which an object was refused, None where it was taken."""
    try:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    except ClientError as error:
        return f"{error.response['Error']['Code']} {error.response['ResponseMetadata']['HTTPStatusCode']}"
    return None


def takes(s3: Any, key: str, body: bytes) -> bool:
    return refusal(s3, key, body) is None


def fill_up(server: Running) -> tuple[list[str], list[str]]:
    """Put objects until four have been refused: what was taken, and the refusals."""
    kept: list[str] = []
    refusals: list[str] = []
    s3 = server.client()
    for number in range(1000, 1300):
        key = f"k{number}"
        if (refused := refusal(s3, key, data(key))) is None:
            kept.append(key)
        else:
            refusals.append(refused)
        if len(refusals) == 4:
            break
    return kept, refusals
