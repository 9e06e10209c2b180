"""An `aws-chunked` body is decoded whatever way the network cuts it; a wrong one is refused."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objstore.aws.authentication import authenticate
from objstore.aws.chunked import ChunkedDecoder, without_aws_chunked
from objstore.aws.errors import AwsError
from objstore.aws.sigv4 import ChunkSigning
from tests.aws.requests import ACCESS_KEY, NOW, REGION, chunked, credentials, send

URL = "http://s3.amazonaws.com/examplebucket/chunkObject.txt"
DOCUMENTED = [b"a" * 65536, b"a" * 1024]
HEADERS = {
    "Host": "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "Content-Encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
}
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
TRAILER_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
CRC32C = {"x-amz-checksum-crc32c": "sOO8/Q=="}


def signing(*, trailer: bool = False) -> ChunkSigning:
    """What the documentation's own requests give to sign chunks with."""
    if trailer:
        content, signature, more = "-TRAILER", TRAILER_SEED, {"x-amz-trailer": "x-amz-checksum-crc32c"}
        signed = (
            "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class"
        )
        signed += ";x-amz-trailer"
    else:
        content, signature, more = "", SEED, {"Content-Length": "66824"}
        signed = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length"
        signed += ";x-amz-storage-class"
    credential = f"{ACCESS_KEY}/20130524/us-east-1/s3/aws4_request"
    headers = {
        **HEADERS,
        **more,
        "x-amz-content-sha256": f"STREAMING-AWS4-HMAC-SHA256-PAYLOAD{content}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={signed},Signature={signature}",
    }
    found = authenticate(send("PUT", URL, headers), credentials, region=REGION, now=NOW)
    assert found.chunks is not None
    return found.chunks


def decode(decoder: ChunkedDecoder, pieces: list[bytes]) -> bytes:
    out = b"".join(bytes(part) for piece in pieces for part in decoder.feed(piece))
    decoder.finish()
    return out


def cut(wire: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(wire), *(place % (len(wire) + 1) for place in places)})
    return [wire[start:end] for start, end in itertools.pairwise(edges)]


def refusal(decoder: ChunkedDecoder, wire: bytes) -> AwsError:
    with pytest.raises(AwsError) as caught:
        decode(decoder, [wire])
    return caught.value


def test_the_signed_example_of_the_documentation_is_decoded() -> None:
    wire = b"".join(
        b"%x;chunk-signature=%s\r\n%s\r\n" % (len(chunk), signature, chunk)
        for chunk, signature in zip(
            [*DOCUMENTED, b""],
            [
                b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ],
            strict=True,
        )
    )
    assert len(wire) == 66824
    assert wire == chunked(DOCUMENTED, seed=SEED)
    assert decode(ChunkedDecoder(66560, signing=signing()), [wire]) == b"a" * 66560


@pytest.mark.parametrize("end", [b"\r\n", b"\n\r\n"])
def test_the_example_with_a_signed_trailer_is_decoded(end: bytes) -> None:
    wire = chunked(DOCUMENTED, seed=TRAILER_SEED, trailers=CRC32C, signed_trailer=True)
    assert b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435" in wire
    decoder = ChunkedDecoder(66560, signing=signing(trailer=True), signed_trailer=True, announced=CRC32C)
    assert decode(decoder, [wire.replace(b"/Q==\r\n", b"/Q==" + end)]) == b"a" * 66560
    assert decoder.trailers == CRC32C


@given(
    st.lists(st.integers(8192, 30000), max_size=3),
    st.integers(1, 9000),
    st.lists(st.integers(0, 1 << 20), max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_any_cut_gives_the_same_bytes(
    sizes: list[int], last: int, places: list[int], signed: bool, trailer: bool
) -> None:
    chunks = [bytes([number]) * size for number, size in enumerate([*sizes, last])]
    length = sum(map(len, chunks))
    seed = (TRAILER_SEED if trailer else SEED) if signed else None
    trailers = CRC32C if trailer else {}
    wire = chunked(chunks, seed=seed, trailers=trailers, signed_trailer=signed and trailer)
    decoder = ChunkedDecoder(
        length,
        signing=signing(trailer=trailer) if signed else None,
        signed_trailer=signed and trailer,
        announced=trailers,
    )
    assert decode(decoder, cut(wire, places)) == b"".join(chunks)
    assert decoder.trailers == trailers


def test_a_byte_at_a_time_is_decoded() -> None:
    wire = chunked([b"hello"], trailers=CRC32C)
    assert decode(ChunkedDecoder(5, announced=CRC32C), [bytes([byte]) for byte in wire]) == b"hello"


def test_an_empty_body_is_decoded() -> None:
    assert decode(ChunkedDecoder(0), [b"0\r\n\r\n"]) == b""


@given(st.integers(0, 66824 - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    wire = bytearray(chunked(DOCUMENTED, seed=SEED))
    wire[place] ^= change
    refusal(ChunkedDecoder(66560, signing=signing()), bytes(wire))


def test_a_wrong_chunk_signature_is_refused() -> None:
    wire = chunked([b"a" * 10], seed="0" * 64)
    error = refusal(ChunkedDecoder(10, signing=signing()), wire)
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)


def test_a_wrong_trailer_signature_is_refused() -> None:
    wire = chunked(DOCUMENTED, seed=TRAILER_SEED, trailers=CRC32C, signed_trailer=True)
    wire = wire.replace(b"sOO8", b"sOO9")
    decoder = ChunkedDecoder(66560, signing=signing(trailer=True), signed_trailer=True, announced=CRC32C)
    assert refusal(decoder, wire).code == "SignatureDoesNotMatch"


def test_a_chunk_without_its_signature_is_refused() -> None:
    assert refusal(ChunkedDecoder(5, signing=signing()), chunked([b"hello"])).code == "IncompleteBody"


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"5\r\nhello\r\n", "IncompleteBody"),
        (b"5\r\nhel", "IncompleteBody"),
        (b"", "IncompleteBody"),
        (b"0\r\n\r\n", "IncompleteBody"),
        (b"4\r\nhell\r\n0\r\n\r\n", "IncompleteBody"),
        (b"6\r\nhello!\r\n0\r\n\r\n", "IncompleteBody"),
        (b"5\r\nhello\r\n0\r\n\r\nmore\r\n", "IncompleteBody"),
        (b"5\r\nhelloXX0\r\n\r\n", "IncompleteBody"),
        (b"5\nhello\n0\n\n", "IncompleteBody"),
        (b"-5\r\nhello\r\n0\r\n\r\n", "IncompleteBody"),
        (b"0x5\r\nhello\r\n0\r\n\r\n", "IncompleteBody"),
        (b"5_0\r\nhello\r\n0\r\n\r\n", "IncompleteBody"),
        (b"ffffffffffff\r\n", "IncompleteBody"),
        (b"0" * 5000, "IncompleteBody"),
        (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "InvalidChunkSizeError"),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\nx: " + b"y" * 2000 + b"\r\n\r\n", "IncompleteBody"),
    ],
)
def test_what_is_malformed_is_refused(wire: bytes, code: str) -> None:
    assert refusal(ChunkedDecoder(5), wire).code == code


@given(st.lists(st.sampled_from([b"5", b"0", b"\r\n", b"\n", b"hello", b";", b"a:b", b"\x00", b"2000"]), max_size=20))
def test_no_wire_whatever_is_a_fault_of_ours(parts: list[bytes]) -> None:
    with contextlib.suppress(AwsError):
        assert decode(ChunkedDecoder(5), parts) == b"hello"


@pytest.mark.parametrize("trailers", [{}, {"x-amz-checksum-crc32": "AAAAAA=="}])
def test_the_trailer_announced_must_come(trailers: dict[str, str]) -> None:
    wire = chunked([b"hello"], trailers=trailers)
    assert refusal(ChunkedDecoder(5, announced=CRC32C), wire).code == "MalformedTrailerError"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("gzip", "gzip"),
        ("deflate, gzip", "deflate, gzip"),
        ("gzip, aws-chunked", "gzip"),
        ("aws-chunked,gzip", "gzip"),
        ("aws-chunked, AWS-chunked", ""),
        ("", ""),
    ],
)
def test_aws_chunked_is_not_stored(given: str, stored: str) -> None:
    assert without_aws_chunked(given) == stored
