"""The body: `aws-chunked` with and without signatures and trailers, cut anywhere; and what is claimed of it."""

from __future__ import annotations

import asyncio
from typing import Any

from objstore.aws.body import Body
from objstore.aws.chunked import ChunkedDecoder
from objstore.aws.digests import Digests
from objstore.aws.errors import AwsError
from objstore.aws.sigv4 import ChunkSigning, Payload
from objstore.aws.sigv4.scope import Scope, signing_key
from tests.aws.requests import ACCESS_KEY, REGION, SECRET, chunked
from tests.fuzz.target import Target, designed, pieces

_DAY, _DATE, _SEED = "20130524", "20130524T000000Z", "0" * 64
_CRC = "x-amz-checksum-crc32c"
MOST_CUTS = 100  # a long body in single bytes would only take time
_LOOP = asyncio.new_event_loop()


def _signing() -> ChunkSigning:
    return ChunkSigning(signing_key(SECRET, _DAY, REGION), _DATE, Scope(ACCESS_KEY, _DAY, REGION), _SEED)


def run(data: bytes) -> None:
    kind, length, headers, wire = pieces(data, 4)
    mode = kind[0] if kind else 0
    signed, trailer = bool(mode & 1), bool(mode & 2)
    step = max(1 + (mode >> 2), len(wire) // MOST_CUTS)
    declared = int(length) if length.isdigit() and len(length) < 10 else 20
    whole = _decoded(wire, len(wire) or 1, declared, signed, trailer)
    assert _decoded(wire, step, declared, signed, trailer) == whole, "where the network cuts changes nothing"
    _LOOP.run_until_complete(_read(wire, step, declared, headers, signed, trailer))


def _decoded(wire: bytes, step: int, length: int, signed: bool, trailer: bool) -> object:
    """The bytes and trailers, or the code of the error."""
    decoder = ChunkedDecoder(
        length,
        signing=_signing() if signed else None,
        signed_trailer=signed and trailer,
        announced=(_CRC,) if trailer else (),
    )
    out = bytearray()
    try:
        for start in range(0, len(wire), step):
            for piece in decoder.feed(wire[start : start + step]):
                out += piece
        decoder.finish()
    except AwsError as error:
        return error.code
    assert len(out) == length
    return bytes(out), decoder.trailers


async def _read(wire: bytes, step: int, length: int, headers: bytes, signed: bool, trailer: bool) -> None:
    """The same by way of the body, with further headers that claim something."""
    told = {"x-amz-decoded-content-length": str(length), "content-length": str(len(wire))}
    for line in headers.decode("latin-1").split("\n"):
        name, _, value = line.partition(":")
        told[name.strip().lower()] = value.strip()
    cuts = [wire[start : start + step] for start in range(0, len(wire), step)] or [b""]
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": cut, "more_body": True} for cut in cuts]
    messages[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    payload = Payload(chunked=True, signed_chunks=signed, trailer=trailer)
    body = Body(receive, told, payload, _signing() if signed else None, limit=1 << 20)
    with designed():
        digests = Digests(body.wanted)
        async for piece in body:
            digests.update(piece)
        body.check(digests)


def _seed(mode: int, length: int, wire: bytes, headers: str = "") -> bytes:
    return b"\0".join([bytes([mode]), str(length).encode(), headers.encode(), wire])


_TRAILER = {_CRC: "AAAAAA=="}
TARGET = Target(
    "bodies",
    run,
    (
        _seed(4, 10, chunked([b"0123456789"])),
        _seed(9, 10, chunked([b"0123456789"], seed=_SEED)),
        _seed(14, 10, chunked([b"0123456789"], trailers=_TRAILER), f"x-amz-trailer: {_CRC}"),
        _seed(
            *(19, 10, chunked([b"0123456789"], seed=_SEED, trailers=_TRAILER, signed_trailer=True)),
            f"x-amz-trailer: {_CRC}\nx-amz-sdk-checksum-algorithm: CRC32C",
        ),
        _seed(8, 0, chunked([]), "content-md5: 1B2M2Y8AsgTpgAmY7PhCfg=="),
        _seed(8, 9000, chunked([b"a" * 8192, b"b" * 808]), "x-amz-checksum-crc32: AAAAAA=="),
        _seed(8, 5, b"5\r\nabcde\r\n0\r\n\r\n", "x-amz-checksum-sha256: x\nx-amz-checksum-type: COMPOSITE"),
    ),
    words=(
        *("\r\n", "0\r\n", ";chunk-signature=", "x-amz-trailer-signature:", _CRC + ":", "x-amz-checksum-crc32:"),
        *("content-md5:", "x-amz-trailer:", "x-amz-sdk-checksum-algorithm:", "x-amz-checksum-algorithm:", "SHA256"),
    ),
    longest=12_000,
)
