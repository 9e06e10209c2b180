"""A body arrives whole and as claimed, or the operation that reads it fails with AWS's own error."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from typing import Any

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, CrtCrc64NvmeChecksum
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws import checksums
from objstore.aws.body import Body, ClientGone
from objstore.aws.checksums import ALGORITHMS
from objstore.aws.digests import Digests
from objstore.aws.errors import AwsError
from objstore.aws.sigv4.payload import parse_payload, unsigned_payload

HELLO = b"hello world"
MD5 = base64.b64encode(hashlib.md5(HELLO).digest()).decode()
SHA256 = hashlib.sha256(HELLO).hexdigest()
CRC32C = checksums.encode(checksums.compute(ALGORITHMS["CRC32C"], HELLO))


class Client:
    """Sends pieces of a body, then what `last` says: the end, a hang-up, or silence."""

    def __init__(self, *pieces: bytes, last: str = "end") -> None:
        self.pieces = list(pieces)
        self.last = last
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if self.pieces:
            more = len(self.pieces) > 1 or self.last != "end"
            return {"type": "http.request", "body": self.pieces.pop(0), "more_body": more}
        if self.last == "silence":
            await asyncio.sleep(60)
        return {"type": "http.disconnect"} if self.last == "gone" else {"type": "http.request"}


def body(client: Client, headers: dict[str, str], **options: Any) -> Body:
    return Body(client.receive, headers, unsigned_payload(headers), **options)


def take(client: Client, headers: dict[str, str], **options: Any) -> bytes:
    """Reads a body as PutObject does: stream, digest, check."""

    async def run() -> bytes:
        incoming = body(client, headers, **options)
        digests = Digests(incoming.wanted)
        out = bytearray()
        async for piece in incoming:
            digests.update(piece)
            out += piece
        incoming.check(digests)
        return bytes(out)

    return asyncio.run(run())


def refusal(client: Client, headers: dict[str, str], **options: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        take(client, headers, **options)
    return caught.value


def sized(**more: str) -> dict[str, str]:
    return {"content-length": str(len(HELLO)), **{name.replace("_", "-"): value for name, value in more.items()}}


@given(st.binary(max_size=300), st.integers(1, 50))
def test_a_body_arrives_whole(data: bytes, step: int) -> None:
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    assert take(Client(*pieces), {"content-length": str(len(data))}) == data
    assert take(Client(*pieces), {"transfer-encoding": "chunked"}) == data


@pytest.mark.parametrize(
    "claims",
    [
        {"content-md5": MD5},
        {"x-amz-content-sha256": SHA256},
        {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-checksum-crc32c": CRC32C},
        {"x-amz-checksum-crc32c": CRC32C, "x-amz-sdk-checksum-algorithm": "CRC32C", "content-md5": MD5},
        {"x-amz-checksum-mode": "ENABLED", "x-amz-checksum-algorithm": "CRC32"},
    ],
)
def test_true_claims_hold(claims: dict[str, str]) -> None:
    assert take(Client(HELLO), sized(**claims)) == HELLO


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"content-md5": "rL0Y20xC+Fzt72VPzMSk2A=="}, "BadDigest"),
        ({"x-amz-content-sha256": "0" * 64}, "XAmzContentSHA256Mismatch"),
        *(({a.header: checksums.encode(bytes(a.size))}, "BadDigest") for a in ALGORITHMS.values()),
    ],
)
def test_false_claims_are_noticed(claims: dict[str, str], code: str) -> None:
    error = refusal(Client(HELLO), sized(**claims))
    assert (error.code, error.status) == (code, 400)


@pytest.mark.parametrize(
    ("claims", "code", "words"),
    [
        ({"content-md5": "YWJyYWNhZGFicmE="}, "InvalidDigest", "invalid"),
        ({"content-md5": "AWS HAHAHA"}, "InvalidDigest", "invalid"),
        ({"content-md5": ""}, "InvalidDigest", "invalid"),
        ({"x-amz-checksum-crc32": "bad"}, "BadDigest", "Value for x-amz-checksum-crc32 header is invalid."),
        ({"x-amz-checksum-crc16": "AAA="}, "InvalidRequest", "The algorithm type you specified"),
        ({"x-amz-checksum-crc32c": CRC32C, "x-amz-checksum-sha1": "x"}, "InvalidRequest", "Expecting a single"),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest", "no corresponding"),
        ({"x-amz-sdk-checksum-algorithm": "CRC16"}, "InvalidRequest", "unsupported"),
        (
            {"x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-checksum-crc32c": CRC32C},
            "InvalidRequest",
            "Value for x-amz-sdk-checksum-algorithm header is invalid.",
        ),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, "InvalidRequest", "x-amz-trailer header is not supported"),
    ],
)
def test_claims_that_cannot_be_read_are_refused_before_the_body(claims: dict[str, str], code: str, words: str) -> None:
    client = Client(HELLO)
    error = refusal(client, sized(**claims))
    assert (error.code, error.status) == (code, 400)
    assert words in error.message
    assert client.asked == 0


def test_a_checksum_of_something_else_than_the_body_is_left_alone() -> None:
    headers = sized(x_amz_checksum_crc32c="AAAAAA==-3")
    assert take(Client(HELLO), headers, checksums=False) == HELLO


def test_a_body_without_a_length_is_refused_where_one_is_needed() -> None:
    error = refusal(Client(), {})
    assert (error.code, error.status) == ("MissingContentLength", 411)
    chunked = {"content-length": "20", "content-encoding": "aws-chunked", "x-amz-trailer": "x-amz-checksum-crc32"}
    assert refusal(Client(), chunked).code == "MissingContentLength"


@pytest.mark.parametrize("length", ["-1", "", "abc", "1e3", "²", "9" * 30])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    assert refusal(Client(HELLO), {"content-length": length}).code == "InvalidArgument"


def test_the_largest_body_is_5_gib() -> None:
    error = refusal(Client(), {"content-length": str((5 << 30) + 1)})
    assert (error.code, error.detail["MaxSizeAllowed"]) == ("EntityTooLarge", str(5 << 30))
    assert refusal(Client(b"abc", b"def"), {"transfer-encoding": "chunked"}, limit=5).code == "EntityTooLarge"


@pytest.mark.parametrize("length", [len(HELLO) - 1, len(HELLO) + 1])
def test_a_body_of_another_length_is_refused(length: int) -> None:
    assert refusal(Client(HELLO), {"content-length": str(length)}).code == "IncompleteBody"


def test_a_client_that_goes_away_is_answered_by_nobody() -> None:
    with pytest.raises(ClientGone):
        take(Client(b"hello", last="gone"), sized())


def test_a_client_that_stalls_is_cut_off() -> None:
    error = refusal(Client(b"hello", last="silence"), sized(), idle_timeout=0.01)
    assert (error.code, error.status) == ("RequestTimeout", 400)


def wrapped(data: bytes, *, name: str = "x-amz-checksum-crc64nvme", chunk: int = 65536) -> bytes:
    """A body as botocore encodes it."""
    wire: bytes = AwsChunkedWrapper(io.BytesIO(data), CrtCrc64NvmeChecksum, name, chunk).read()
    return wire


def streaming(length: int, **more: str) -> dict[str, str]:
    return {
        "transfer-encoding": "chunked",
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(length),
        "x-amz-trailer": "x-amz-checksum-crc64nvme",
        **more,
    }


@pytest.mark.parametrize("length", [0, 1, 65535, 65536, 200_000])
@pytest.mark.parametrize("more", [{}, {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}])
def test_botocores_trailing_checksum_is_checked(length: int, more: dict[str, str]) -> None:
    data = bytes(length)
    wire = wrapped(data)
    pieces = [wire[start : start + 10_000] for start in range(0, len(wire), 10_000)]
    assert take(Client(*pieces), streaming(length, **more)) == data


def test_a_wrong_trailing_checksum_is_noticed() -> None:
    wire = wrapped(HELLO)
    assert refusal(Client(wire.replace(b"hello", b"jello")), streaming(len(HELLO))).code == "BadDigest"
    short = wire[: wire.rindex(b":") + 1] + b"AAAA\r\n\r\n"
    error = refusal(Client(short), streaming(len(HELLO)))
    assert error.message == "Value for x-amz-checksum-crc64nvme trailing header is invalid."


def test_a_trailer_nobody_knows_is_refused() -> None:
    headers = streaming(len(HELLO), **{"x-amz-trailer": "x-amz-meta-a"})
    assert refusal(Client(wrapped(HELLO)), headers).message.startswith("The value specified in the x-amz-trailer")


def test_a_cut_chunked_body_is_refused() -> None:
    wire = wrapped(HELLO)
    for end in (0, 3, 10, len(wire) - 1):
        assert refusal(Client(wire[:end]), streaming(len(HELLO))).code == "IncompleteBody"


def read(client: Client, headers: dict[str, str], limit: int) -> bytes:
    return asyncio.run(body(client, headers).read(limit))


def test_a_document_is_read_whole_and_checked() -> None:
    assert read(Client(b"hello ", b"world"), sized(content_md5=MD5), 100) == HELLO
    assert read(Client(), {}, 100) == b""
    with pytest.raises(AwsError, match="BadDigest"):
        read(Client(), {"content-md5": MD5}, 100)
    assert read(Client(wrapped(HELLO)), streaming(len(HELLO)), 100) == HELLO
    with pytest.raises(AwsError, match="BadDigest"):
        read(Client(b"jello ", b"world"), sized(content_md5=MD5), 100)


def test_a_document_too_large_is_refused_before_it_is_read() -> None:
    client = Client(HELLO)
    with pytest.raises(AwsError, match="MaxMessageLengthExceeded"):
        read(client, sized(), 10)
    assert client.asked == 0
    with pytest.raises(AwsError, match="MaxMessageLengthExceeded"):
        read(Client(b"hello ", b"world"), {"transfer-encoding": "chunked"}, 10)


def test_the_payload_words_are_read() -> None:
    assert parse_payload(SHA256.upper()).sha256 == SHA256
    assert parse_payload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER").signed_chunks
    assert not unsigned_payload({"content-encoding": "aws-chunked"}).chunked
