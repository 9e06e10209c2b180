"""Long tests with large files, run by `make soak`: what a newcomer's machine would find dear."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Running, serving

pytestmark = pytest.mark.soak

GIB = 1 << 30
MEMORY_LIMIT = 200 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("soak"), workers=1) as running:
        running.client().create_bucket(Bucket="soak")
        yield running


class Endless:
    """A body of `length` bytes that is never in memory as a whole; `digest` is of what was read."""

    def __init__(self, length: int) -> None:
        self._left = length
        self._block = bytes(range(256)) * 4096
        self.digest = hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        piece = self._block[: min(len(self._block), self._left, size if size >= 0 else len(self._block))]
        self._left -= len(piece)
        self.digest.update(piece)
        return piece


def peak_memory(pid: int) -> int:
    """The most memory, in bytes, that the process ever had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def allocated(drives: list[Path]) -> int:
    """Bytes that the files of the drives occupy."""
    return sum(path.stat().st_blocks * 512 for drive in drives for path in drive.rglob("*") if path.is_file())


def upload_parts(client: Any, key: str, length: int, part: int) -> list[str]:
    upload = client.create_multipart_upload(Bucket="soak", Key=key)["UploadId"]
    parts: list[dict[str, Any]] = []
    sent: list[str] = []
    for number, start in enumerate(range(0, length, part), 1):
        size = min(part, length - start)
        body = b"".join(iter(Endless(size).read, b""))
        answer = client.upload_part(Bucket="soak", Key=key, UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        sent.append(answer["ETag"].strip('"'))
    client.complete_multipart_upload(Bucket="soak", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    return sent


def test_ten_gibibytes_stream_through_a_worker_in_bounded_memory(large: Running) -> None:
    client = large.client(read_timeout=600)
    etags = upload_parts(client, "ten", 10 * GIB, GIB)
    assert len(etags) == 10 and len(set(etags)) == 1
    body = client.get_object(Bucket="soak", Key="ten")["Body"]
    received = sum(len(piece) for piece in iter(lambda: body.read(1 << 20), b""))
    assert received == 10 * GIB
    assert peak_memory(large.children()["worker 0"]) < MEMORY_LIMIT
    client.delete_object(Bucket="soak", Key="ten")


def test_aws_s3_cp_of_a_file_beyond_five_gibibytes(large: Running, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    body = Endless(5 * GIB + (300 << 20) + 7)
    with source.open("wb") as file:
        for piece in iter(body.read, b""):
            file.write(piece)
    aws = str(Path(sys.executable).with_name("aws"))
    for origin, target in ((str(source), "s3://soak/five"), ("s3://soak/five", str(back))):
        subprocess.run([aws, "s3", "cp", "--only-show-errors", origin, target], env=large.aws_environment(), check=True)
    compared = subprocess.run(["cmp", str(source), str(back)], check=False)
    assert compared.returncode == 0
    shutil.rmtree(tmp_path)


def test_a_copy_of_a_gibibyte_moves_no_bytes(large: Running) -> None:
    client = large.client(read_timeout=600)
    upload_parts(client, "one", GIB, 128 << 20)
    before = allocated(large.drives)
    for number in range(20):
        client.copy_object(Bucket="soak", Key=f"copy{number}", CopySource={"Bucket": "soak", "Key": "one"})
    assert allocated(large.drives) - before < 64 << 20, "twenty copies of a gibibyte are rows of the catalog"
    assert client.head_object(Bucket="soak", Key="copy19")["ContentLength"] == GIB
