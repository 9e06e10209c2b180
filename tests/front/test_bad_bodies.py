"""A body that is not what was declared is refused whole: nothing of it is kept, nothing replaced."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
from typing import Any

import pytest

from tests.front.wire import UNSIGNED, Signer, absent, connect, head_of, read_all, refused, send, until
from tests.harness import Running

MIB = 1 << 20


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data).digest()).decode()


@pytest.mark.parametrize("size", [10, 100_000, 6 * MIB])
@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"content-md5": md5(b"other")}, ("BadDigest", 400)),
        ({"content-md5": "short"}, ("InvalidDigest", 400)),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, ("BadDigest", 400)),
        ({"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()}, ("BadDigest", 400)),
        ({"x-amz-checksum-crc32": "not base64"}, ("BadDigest", 400)),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "AAAA"}, ("InvalidRequest", 400)),
    ],
)
def test_a_wrong_digest(
    server: Running, s3: Any, bucket: str, size: int, headers: dict[str, str], error: tuple[str, int]
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    assert send(server, "PUT", f"/{bucket}/k", os.urandom(size), headers).error == error
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"


def test_a_right_digest_is_fine(server: Running, s3: Any, bucket: str) -> None:
    assert send(server, "PUT", f"/{bucket}/k", b"body", {"content-md5": md5(b"body")}).status == 200


def start_put(server: Running, path: str, length: int, *, cut: bytes) -> socket.socket:
    """A PUT of `length` bytes of which only `cut` is sent."""
    headers = Signer().headers("PUT", f"127.0.0.1:{server.port}", path, UNSIGNED)
    connection = connect(server)
    connection.sendall(head_of("PUT", path, headers | {"content-length": str(length)}) + cut)
    return connection


@pytest.mark.parametrize(("length", "sent"), [(100, 0), (100, 99), (1 << 20, 100_000), (20 << 20, 9 << 20)])
@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_a_connection_cut_in_the_middle_of_a_put(
    server: Running, s3: Any, bucket: str, length: int, sent: int, how: str
) -> None:
    s3.put_object(Bucket=bucket, Key="there", Body=b"before")
    for key in ("k", "there"):
        connection = start_put(server, f"/{bucket}/{key}", length, cut=os.urandom(sent))
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == "half":
            connection.shutdown(socket.SHUT_WR)
            assert b" 200 " not in read_all(connection)[:20]
        connection.close()
    s3.put_object(Bucket=bucket, Key="after", Body=b"x")
    assert absent(s3, bucket, "k")
    assert s3.get_object(Bucket=bucket, Key="there")["Body"].read() == b"before"


def test_a_connection_cut_in_the_middle_of_a_part(server: Running, s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    connection = start_put(server, f"/{bucket}/k?partNumber=1&uploadId={upload}", MIB, cut=b"x" * 1000)
    connection.close()
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=upload)


def test_a_connection_cut_in_the_middle_of_a_get_harms_nobody(server: Running, s3: Any, bucket: str) -> None:
    data = os.urandom(24 * MIB)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    path = f"/{bucket}/k"
    for _ in range(4):
        headers = Signer().headers("GET", f"127.0.0.1:{server.port}", path, UNSIGNED)
        connection = connect(server)
        connection.sendall(head_of("GET", path, headers))
        assert b" 200 " in connection.recv(65_536)[:20]
        connection.close()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data


def test_more_bytes_than_declared_are_not_of_the_object(server: Running, s3: Any, bucket: str) -> None:
    """What follows the declared length is the next request by HTTP's rules; here it is none, and the server says so."""
    connection = start_put(server, f"/{bucket}/k", 4, cut=b"bodyGARBAGE\r\n\r\n")
    answer = until(lambda: read_all(connection), "an answer")
    connection.close()
    assert answer[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 400")
    if answer.startswith(b"HTTP/1.1 200") or not absent(s3, bucket, "k"):
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"


def test_a_put_without_a_length(server: Running, s3: Any, bucket: str) -> None:
    path = f"/{bucket}/k"
    headers = Signer().headers("PUT", f"127.0.0.1:{server.port}", path, UNSIGNED)
    connection = connect(server)
    connection.sendall(head_of("PUT", path, headers))
    assert b"<Code>MissingContentLength</Code>" in read_all(connection)
    connection.close()
    assert absent(s3, bucket, "k")


def test_a_length_beyond_every_limit(server: Running, s3: Any, bucket: str) -> None:
    for length in (5 * (1 << 30) + 1, 1 << 62):
        connection = start_put(server, f"/{bucket}/k", length, cut=b"x")
        assert b"<Code>EntityTooLarge</Code>" in read_all(connection)
        connection.close()
    connection = start_put(server, f"/{bucket}/k", -5, cut=b"")
    assert read_all(connection).startswith(b"HTTP/1.1 400")
    connection.close()
    assert absent(s3, bucket, "k")


def test_a_client_that_waits_for_100_is_told_before_it_sends(server: Running, s3: Any, bucket: str) -> None:
    path = f"/{bucket}/k"
    host = f"127.0.0.1:{server.port}"
    for signer, first in ((Signer(), b"HTTP/1.1 100"), (Signer(secret="wrong"), b"HTTP/1.1 403")):
        headers = signer.headers("PUT", host, path, UNSIGNED) | {"content-length": "4", "expect": "100-continue"}
        connection = connect(server)
        connection.sendall(head_of("PUT", path, headers))
        assert connection.recv(65_536).startswith(first)
        if first.endswith(b"100"):
            connection.sendall(b"body")
            assert read_all(connection).startswith(b"HTTP/1.1 200")
        connection.close()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"


def test_a_key_that_is_too_long(s3: Any, bucket: str) -> None:
    for key in ("k" * 1025, "é" * 513):
        with refused("KeyTooLongError", 400):
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        with refused("KeyTooLongError", 400):
            s3.create_multipart_upload(Bucket=bucket, Key=key)


def test_metadata_that_is_too_large(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="most", Body=b"x", Metadata={"m": "v" * 2047})
    with refused("MetadataTooLarge", 400):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"m": "v" * 2048})
    with refused("MetadataTooLarge", 400):
        s3.create_multipart_upload(Bucket=bucket, Key="k", Metadata={f"m{n:03}": "v" * 16 for n in range(103)})
    assert absent(s3, bucket, "k")
