"""The library beneath mountpoint-s3, driven as a mount drives it, without one: AWS's common runtime.

A file that is written becomes an upload of unknown length whose parts carry checksums; one that is read is fetched in
ranges that go together only while its ETag stays the same.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.s3 import (
    S3ChecksumAlgorithm,
    S3ChecksumConfig,
    S3ChecksumLocation,
    S3Client,
    S3RequestTlsMode,
    S3RequestType,
    S3ResponseError,
    create_default_s3_signing_config,
)

from tests.harness import ROOT_PASSWORD, ROOT_USER, Running

PART = 5 << 20


@dataclass
class Answer:
    headers: dict[str, str]
    body: bytearray


@dataclass
class Client:
    client: Any
    host: str

    def ask(
        self, kind: Any, method: str, path: str, headers: Mapping[str, str], body: Any = None, **options: Any
    ) -> Answer:
        """One request of the library's, which it makes of as many to the server as it likes."""
        answer = Answer({}, bytearray())

        def part(chunk: bytes, offset: int, **_: Any) -> None:
            answer.body[offset : offset + len(chunk)] = chunk

        request = HttpRequest(method, path, HttpHeaders([("Host", self.host), *headers.items()]), body)
        running = self.client.make_request(
            type=kind,
            request=request,
            on_body=part,
            on_headers=lambda status_code, headers, **_: answer.headers.update((k.lower(), v) for k, v in headers),
            **options,
        )
        running.finished_future.result(120)
        return answer


@pytest.fixture
def crt(server: Running) -> Client:
    credentials = AwsCredentialsProvider.new_static(ROOT_USER, ROOT_PASSWORD)
    signing = create_default_s3_signing_config(region="us-east-1", credential_provider=credentials)
    client = S3Client(
        region="us-east-1",
        signing_config=signing,
        tls_mode=S3RequestTlsMode.DISABLED,
        part_size=PART,
        memory_limit=1 << 30,
    )
    return Client(client, f"127.0.0.1:{server.port}")


@pytest.mark.parametrize("algorithm", ["CRC32C", "CRC64NVME", "CRC32", "SHA256"])
def test_a_file_written_and_read_in_parts(algorithm: str, crt: Client, s3: Any, bucket: str) -> None:
    body = os.urandom(2 * PART + 12345)
    path = f"/{bucket}/folder/large.bin"
    checksum = S3ChecksumConfig(algorithm=S3ChecksumAlgorithm[algorithm], location=S3ChecksumLocation.TRAILER)
    written = {"Content-Length": str(len(body))}
    crt.ask(S3RequestType.PUT_OBJECT, "PUT", path, written, io.BytesIO(body), checksum_config=checksum)
    told = s3.head_object(Bucket=bucket, Key="folder/large.bin", ChecksumMode="ENABLED")
    assert f"Checksum{algorithm}" in told
    assert told["ETag"].endswith('-3"')

    verified = S3ChecksumConfig(validate_response=True)
    same = {"If-Match": told["ETag"]}
    read = crt.ask(S3RequestType.GET_OBJECT, "GET", path, same, checksum_config=verified)
    assert bytes(read.body) == body
    middle = crt.ask(S3RequestType.GET_OBJECT, "GET", path, same | {"Range": f"bytes=100-{PART + 100}"})
    assert bytes(middle.body) == body[100 : PART + 101]

    s3.put_object(Bucket=bucket, Key="folder/large.bin", Body=b"another")
    with pytest.raises(S3ResponseError) as caught:
        crt.ask(S3RequestType.GET_OBJECT, "GET", path, same)
    assert caught.value.status_code == 412


def test_a_file_that_grows_and_moves(crt: Client, s3: Any, bucket: str) -> None:
    """Appends and renames, which a mount does where a bucket can."""
    first, more = os.urandom(100_000), os.urandom(200_000)
    s3.put_object(Bucket=bucket, Key="log", Body=first)
    checksum = S3ChecksumConfig(algorithm=S3ChecksumAlgorithm.CRC64NVME, location=S3ChecksumLocation.TRAILER)
    headers = {"Content-Length": str(len(more)), "x-amz-write-offset-bytes": str(len(first))}
    default = S3RequestType.DEFAULT
    append = {"operation_name": "PutObject", "checksum_config": checksum}
    crt.ask(default, "PUT", f"/{bucket}/log", headers, io.BytesIO(more), **append)
    rename = {"x-amz-rename-source": f"/{bucket}/log", "Content-Length": "0"}
    crt.ask(default, "PUT", f"/{bucket}/log.1?renameObject", rename, operation_name="RenameObject")
    assert s3.get_object(Bucket=bucket, Key="log.1")["Body"].read() == first + more
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["log.1"]
