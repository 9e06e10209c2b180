"""Somebody who can write to a drive, and who makes the drive's hashes right again: encrypted bytes that were altered,
exchanged or repeated never come back, and what was not touched still does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from erasure.frames import frame_hash
from erasure.header import SHARD_HEADER, unpack_header
from erasure.layout import HASH
from objstore.blobs.records import MAGIC
from objstore.sealing import CHUNK, SEGMENT
from objstore.sealing.segments import sealed_size
from tests.harness import Running, serving

SIZE = 5 * CHUNK + 1000
KEY = os.urandom(32)
SCHEMES = {
    "sse-s3": {"ServerSideEncryption": "AES256"},
    "sse-kms": {"ServerSideEncryption": "aws:kms"},
    "sse-c": {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": KEY},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One drive, so that there is one place of every byte."""
    with serving(tmp_path_factory.mktemp("altered"), drives=1) as running:
        running.client().create_bucket(Bucket="altered")
        yield running


@dataclass(frozen=True)
class Stored:
    """The one frame that holds an append of `size` bytes, in a shard file."""

    file: Path
    offset: int
    size: int

    @classmethod
    def newest(cls, server: Running, size: int) -> Stored:
        """The frame that the latest write left."""
        found = None
        for file in (server.drives[0] / "shards").rglob("*.*"):
            data = file.read_bytes()
            head = unpack_header(data)
            for page in range(SHARD_HEADER, len(data) - size - HASH, 4096):
                if not data.startswith(MAGIC, page):
                    continue
                for offset in range(page, page + 4096, 64):
                    payload = data[offset + HASH : offset + HASH + size]
                    if frame_hash(payload, head.blob_id, head.index, offset) == data[offset : offset + HASH]:
                        found = cls(file, offset, size)
        assert found is not None, "the bytes are nowhere on the drive"
        return found

    def read(self) -> bytes:
        with self.file.open("rb") as handle:
            handle.seek(self.offset + HASH)
            return handle.read(self.size)

    def write(self, payload: bytes) -> None:
        """Other bytes, and the hash that belongs to them."""
        assert len(payload) == self.size
        with self.file.open("r+b") as handle:
            head = unpack_header(handle.read(SHARD_HEADER))
            handle.seek(self.offset)
            handle.write(frame_hash(payload, head.blob_id, head.index, self.offset) + payload)


def flipped(payload: bytes) -> bytes:
    at = 2 * SEGMENT + 100
    return payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1 :]


def exchanged(payload: bytes) -> bytes:
    one, two = payload[2 * SEGMENT : 3 * SEGMENT], payload[3 * SEGMENT : 4 * SEGMENT]
    return payload[: 2 * SEGMENT] + two + one + payload[4 * SEGMENT :]


def repeated(payload: bytes) -> bytes:
    return payload[: 2 * SEGMENT] + payload[SEGMENT : 2 * SEGMENT] + payload[3 * SEGMENT :]


@pytest.fixture(scope="module")
def s3(server: Running) -> Any:
    """A client that believes what it gets."""
    return server.client(request_checksum_calculation="when_required", response_checksum_validation="when_required")


def body(s3: Any, key: str, **more: Any) -> bytes:
    return bytes(s3.get_object(Bucket="altered", Key=key, **more)["Body"].read())


@pytest.mark.parametrize("change", [flipped, exchanged, repeated], ids=["flipped", "exchanged", "repeated"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_altered_ciphertext_does_not_come_back(
    server: Running, s3: Any, scheme: str, change: Callable[[bytes], bytes]
) -> None:
    told = SCHEMES[scheme]
    reading = told if scheme == "sse-c" else {}
    data, key = os.urandom(SIZE), f"{scheme}-{change.__name__}"
    s3.put_object(Bucket="altered", Key=key, Body=data, **told)
    stored = Stored.newest(server, sealed_size(SIZE))
    sealed = stored.read()
    stored.write(change(sealed))
    for wanted in (None, f"bytes={2 * CHUNK}-{2 * CHUNK + 9}", f"bytes={CHUNK}-{3 * CHUNK}"):
        with pytest.raises((ClientError, BotoCoreError)):
            body(s3, key, **reading, **({"Range": wanted} if wanted else {}))
    with pytest.raises((ClientError, BotoCoreError)):
        s3.copy_object(Bucket="altered", Key="copy", CopySource={"Bucket": "altered", "Key": key}, **copying(scheme))
        body(s3, "copy")
    assert body(s3, key, **reading, Range=f"bytes=0-{2 * CHUNK - 1}") == data[: 2 * CHUNK]
    assert body(s3, key, **reading, Range=f"bytes={4 * CHUNK}-") == data[4 * CHUNK :]
    assert "does not open" in server.output() or "SealBroken" in server.output()
    stored.write(sealed)
    assert body(s3, key, **reading) == data


def copying(scheme: str) -> dict[str, Any]:
    """A copy under another key has to read what it copies."""
    if scheme != "sse-c":
        return {"ServerSideEncryption": "aws:kms" if scheme == "sse-s3" else "AES256"}
    return {"CopySourceSSECustomerAlgorithm": "AES256", "CopySourceSSECustomerKey": KEY}


def test_what_is_not_encrypted_is_protected_from_accidents_only(server: Running, s3: Any) -> None:
    """The same hand on plain bytes: it shows that it is the encryption, not the hash, that notices."""
    data = os.urandom(SIZE)
    s3.put_object(Bucket="altered", Key="plain", Body=data)
    stored = Stored.newest(server, SIZE)
    assert stored.read() == data
    stored.write(flipped(data))
    assert body(s3, "plain") == flipped(data)
