"""`aws-chunked` bodies, signed and unsigned, with and without trailers; every byte of them that is wrong is refused.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import zlib
from collections.abc import Sequence
from typing import Any

import pytest

from tests.front.wire import SIGNED_CHUNKS, SIGNED_TRAILER, UNSIGNED_TRAILER, Answer, Signer, absent, exchange
from tests.harness import Running

EMPTY = hashlib.sha256().hexdigest()
KIB = 1 << 10


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def signed_chunks(
    signer: Signer, date: str, seed: str, chunks: Sequence[bytes], spoil: int | None = None
) -> tuple[bytes, str]:
    """The body and the last signature; the one of chunk number `spoil` is wrong."""
    out, key = [], signer.key(date)
    for number, chunk in enumerate([*chunks, b""]):
        hashed = hashlib.sha256(chunk).hexdigest()
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{signer.scope(date)}\n{seed}\n{EMPTY}\n{hashed}"
        seed = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        shown = "0" * 64 if number == spoil else seed
        out.append(f"{len(chunk):x};chunk-signature={shown}\r\n".encode() + chunk + b"\r\n")
    return b"".join(out), seed


def put_signed(
    server: Running, path: str, chunks: Sequence[bytes], *, spoil: int | None = None, claimed: int | None = None
) -> Answer:
    signer = Signer()
    length = sum(map(len, chunks)) if claimed is None else claimed
    more = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(length)}
    headers = signer.headers("PUT", f"127.0.0.1:{server.port}", path, SIGNED_CHUNKS, more)
    seed = headers["authorization"].rpartition("Signature=")[2]
    body, _ = signed_chunks(signer, headers["x-amz-date"], seed, chunks, spoil)
    return exchange(server, "PUT", path, headers | {"content-length": str(len(body))}, body)


def put_signed_trailer(
    server: Running, path: str, data: bytes, crc: str, *, signature: str | None = None, signed: bool = True
) -> Answer:
    """Two chunks and a checksum behind them, whose signature may be another one than it should, or not there."""
    signer, name = Signer(), "x-amz-checksum-crc32"
    more = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": name}
    headers = signer.headers("PUT", f"127.0.0.1:{server.port}", path, SIGNED_TRAILER, more)
    date, seed = headers["x-amz-date"], headers["authorization"].rpartition("Signature=")[2]
    body, last = signed_chunks(signer, date, seed, [data[:9000], data[9000:]])
    hashed = hashlib.sha256(f"{name}:{crc}\n".encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256-TRAILER\n{date}\n{signer.scope(date)}\n{last}\n{hashed}"
    made = hmac.new(signer.key(date), text.encode(), hashlib.sha256).hexdigest()
    trailer = f"{name}:{crc}\r\n" + (f"x-amz-trailer-signature:{signature or made}\r\n" if signed else "") + "\r\n"
    body = body.removesuffix(b"\r\n") + trailer.encode()
    return exchange(server, "PUT", path, headers | {"content-length": str(len(body))}, body)


def put_unsigned(server: Running, path: str, body: bytes, length: int, trailer: str | None) -> Answer:
    more = {"content-encoding": "gzip,aws-chunked", "x-amz-decoded-content-length": str(length)}
    if trailer is not None:
        more["x-amz-trailer"] = trailer
    headers = Signer().headers("PUT", f"127.0.0.1:{server.port}", path, UNSIGNED_TRAILER, more)
    return exchange(server, "PUT", path, headers | {"content-length": str(len(body))}, body)


@pytest.mark.parametrize("sizes", [[], [5], [8 * KIB, 1], [64 * KIB] * 20, [1 << 20] * 5 + [77]])
def test_signed_chunks(server: Running, s3: Any, bucket: str, sizes: list[int]) -> None:
    chunks = [os.urandom(size) for size in sizes]
    answer = put_signed(server, f"/{bucket}/k", chunks)
    assert answer.status == 200, answer.body
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"".join(chunks)
    assert "aws-chunked" not in got.get("ContentEncoding", "")


@pytest.mark.parametrize("spoil", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [10 * KIB, 2 << 20])
def test_a_wrong_chunk_signature(server: Running, s3: Any, bucket: str, size: int, spoil: int) -> None:
    answer = put_signed(server, f"/{bucket}/k", [os.urandom(size) for _ in range(3)], spoil=spoil)
    assert answer.error == ("SignatureDoesNotMatch", 403)
    assert absent(s3, bucket, "k")


@pytest.mark.parametrize("claimed", [0, 19_999, 20_001, 1 << 20])
def test_a_decoded_length_that_is_not_so(server: Running, s3: Any, bucket: str, claimed: int) -> None:
    answer = put_signed(server, f"/{bucket}/k", [os.urandom(10_000)] * 2, claimed=claimed)
    assert answer.error == ("IncompleteBody", 400)
    assert absent(s3, bucket, "k")


def test_a_trailing_checksum(server: Running, s3: Any, bucket: str) -> None:
    data = os.urandom(100_000)
    body = b"186a0\r\n" + data + b"\r\n0\r\nx-amz-checksum-crc32:" + crc32(data).encode() + b"\r\n\r\n"
    assert put_unsigned(server, f"/{bucket}/k", body, len(data), "x-amz-checksum-crc32").status == 200
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["ChecksumCRC32"], got["ContentEncoding"]) == (crc32(data), "gzip")
    assert got["Body"].read() == data


def test_a_signed_trailing_checksum(server: Running, s3: Any, bucket: str) -> None:
    data = os.urandom(20_000)
    answer = put_signed_trailer(server, f"/{bucket}/k", data, crc32(data))
    assert answer.status == 200, answer.body
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ChecksumCRC32"]) == (data, crc32(data))
    assert put_signed_trailer(server, f"/{bucket}/other", data, crc32(b"other")).error == ("BadDigest", 400)
    forged = put_signed_trailer(server, f"/{bucket}/forged", data, crc32(data), signature="0" * 64)
    assert forged.error == ("SignatureDoesNotMatch", 403)
    bare = put_signed_trailer(server, f"/{bucket}/bare", data, crc32(data), signed=False)
    assert bare.error == ("IncompleteBody", 400)
    assert all(absent(s3, bucket, key) for key in ("other", "forged", "bare"))


@pytest.mark.parametrize(
    ("body", "trailer", "error"),
    [
        (b"4\r\nbody\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "x-amz-checksum-crc32", ("BadDigest", 400)),
        (b"4\r\nbody\r\n0\r\n\r\n", "x-amz-checksum-crc32", ("MalformedTrailerError", 400)),
        (b"4\r\nbody\r\n0\r\nx-amz-other:1\r\n\r\n", "x-amz-checksum-crc32", ("MalformedTrailerError", 400)),
        (b"4\r\nbody\r\n", "x-amz-checksum-crc32", ("IncompleteBody", 400)),
        (b"4\r\nbo", "x-amz-checksum-crc32", ("IncompleteBody", 400)),
        (b"zz\r\nbody\r\n0\r\n\r\n", "x-amz-checksum-crc32", ("IncompleteBody", 400)),
        (b"ffffffffffffffff\r\nbody\r\n0\r\n\r\n", "x-amz-checksum-crc32", ("IncompleteBody", 400)),
        (b"-4\r\nbody\r\n0\r\n\r\n", "x-amz-checksum-crc32", ("IncompleteBody", 400)),
        (b"4" + b"0" * 2000 + b"\r\nbody", "x-amz-checksum-crc32", ("IncompleteBody", 400)),
    ],
)
def test_a_bad_chunked_body(
    server: Running, s3: Any, bucket: str, body: bytes, trailer: str, error: tuple[str, int]
) -> None:
    assert put_unsigned(server, f"/{bucket}/k", body, 4, trailer).error == error
    assert absent(s3, bucket, "k")


def test_a_chunked_part(server: Running, s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    chunks = [os.urandom(64 * KIB)] * 3
    answer = put_signed(server, f"/{bucket}/k?partNumber=1&uploadId={upload}", chunks)
    assert answer.status == 200, answer.body
    parts = {"Parts": [{"PartNumber": 1, "ETag": answer.headers["etag"]}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(chunks)
