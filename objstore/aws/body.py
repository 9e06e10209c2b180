"""The body of a request, as an operation reads it: decoded, bounded, and checked against what the client claimed of it.

    digests = Digests(body.wanted | {"MD5"})
    async for piece in body:            # decoded bytes, as they arrive
        digests.update(piece)
    body.check(digests)                 # raises BadDigest, ...; only now may the bytes be kept

Nothing is received before the first `async for`, so a client that waits for `100 Continue` is only told to go on once
it is known to be allowed. A client that goes away raises `ClientGone`, one that stalls raises RequestTimeout.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias

from objstore.aws.checksums import Algorithm
from objstore.aws.chunked import ChunkedDecoder
from objstore.aws.claims import Claims, read_claims
from objstore.aws.digests import Buffer, Digests
from objstore.aws.errors import AwsError
from objstore.aws.sigv4 import ChunkSigning, Payload
from objstore.aws.timeouts import in_time

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]

MAX_LENGTH = 5 << 30  # bytes of one PutObject or part
IDLE_TIMEOUT = 60.0  # seconds between two pieces of a body
_UNREAD: Final = -1


class ClientGone(Exception):
    """The client closed its connection in the middle of the body; there is nobody to answer."""


class Body:
    """The body of one request. It can be read once, by `async for` or by `read`."""

    def __init__(
        self,
        receive: Receive,
        headers: Mapping[str, str],
        payload: Payload,
        chunks: ChunkSigning | None = None,
        *,
        checksums: bool = True,
        limit: int = MAX_LENGTH,
        idle_timeout: float = IDLE_TIMEOUT,
    ) -> None:
        assert (chunks is not None) == payload.signed_chunks, "signed chunks are checked, and only they"
        self._receive = receive
        self._headers = headers
        self._payload = payload
        self._chunks = chunks
        self._checksums = checksums
        self._limit = limit
        self._idle_timeout = idle_timeout
        self._trailers: dict[str, str] = {}
        self._claims: Claims | None = None
        self._length: int | None = _UNREAD
        self.ended = False  # whether the last byte has been received
        self.ended_at: float | None = None  # when it was, by `time.monotonic`

    @property
    def claims(self) -> Claims:
        """What the client claims of the body; InvalidDigest or InvalidRequest when that cannot be read."""
        if self._claims is None:
            self._claims = read_claims(self._headers, self._payload, checksums=self._checksums)
        return self._claims

    @property
    def algorithm(self) -> Algorithm | None:
        """The checksum algorithm the client named for the body, None when it named none."""
        return self.claims.algorithm

    @property
    def wanted(self) -> frozenset[str]:
        """The algorithms that `check` needs in its Digests."""
        return self.claims.wanted

    @property
    def declared(self) -> bool:
        """Whether the request says that it has a body, be it an empty one."""
        headers = self._headers
        return "content-length" in headers or "transfer-encoding" in headers

    @property
    def length(self) -> int | None:
        """Decoded length in bytes, None for HTTP chunks of unknown sum; MissingContentLength, EntityTooLarge."""
        if self._length == _UNREAD:
            self._length = self._read_length()
        return self._length

    def _read_length(self) -> int | None:
        if self._payload.chunked:
            text = self._headers.get("x-amz-decoded-content-length")
        else:
            text = self._headers.get("content-length")
            if text is None and "chunked" in self._headers.get("transfer-encoding", "").lower():
                return None
        if text is None:
            raise AwsError("MissingContentLength")
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            name = "x-amz-decoded-content-length" if self._payload.chunked else "Content-Length"
            raise AwsError("InvalidArgument", ArgumentName=name, ArgumentValue=text)
        length = int(text)
        if length > self._limit:
            raise _too_large(length, self._limit)
        return length

    def check(self, digests: Digests) -> None:
        """Compares what arrived with what was claimed, after the end: BadDigest, XAmzContentSHA256Mismatch."""
        assert self.ended, "a body is checked after its end"
        self.claims.check(digests, self._trailers)

    async def read(self, limit: int) -> bytes:
        """The whole body, checked; a body without a length is empty. MaxMessageLengthExceeded above `limit` bytes."""
        digests = Digests(self.wanted)
        if not self.declared:
            self.ended = True
            self.check(digests)
            return b""
        if (self.length or 0) > limit:
            raise AwsError("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(limit))
        pieces: list[Buffer] = []
        async for piece in self:
            digests.update(piece)
            if digests.length > limit:
                raise AwsError("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(limit))
            pieces.append(piece)
        self.check(digests)
        return b"".join(pieces)

    async def __aiter__(self) -> AsyncIterator[Buffer]:
        """The decoded bytes in the pieces the network brought; IncompleteBody when they are not as many as declared."""
        if self._payload.chunked:
            async for piece in self._decoded():
                yield piece
            return
        length = self.length
        bound = self._limit if length is None else length
        received = 0
        while not self.ended:
            piece = await self._next()
            received += len(piece)
            if received > bound:
                raise AwsError("IncompleteBody") if length is not None else _too_large(received, bound)
            if piece:
                yield piece
        if length is not None and received != length:
            raise AwsError("IncompleteBody")

    async def _decoded(self) -> AsyncIterator[Buffer]:
        length = self.length
        assert length is not None, "an aws-chunked body has a decoded length"
        payload, trailer = self._payload, self.claims.trailer
        decoder = ChunkedDecoder(
            length,
            signing=self._chunks,
            signed_trailer=payload.signed_chunks and payload.trailer,
            announced=(trailer,) if trailer else (),
        )
        while not self.ended:
            for piece in decoder.feed(await self._next()):
                yield piece
        decoder.finish()
        self._trailers = decoder.trailers

    async def _next(self) -> bytes:
        """The next piece as it is sent, which may be empty."""
        try:
            message = await in_time(self._receive(), self._idle_timeout)
        except TimeoutError:
            raise AwsError("RequestTimeout") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        self.ended = not message.get("more_body", False)
        if self.ended:
            self.ended_at = time.monotonic()
        data: bytes = message.get("body", b"")
        return data


def _too_large(length: int, limit: int) -> AwsError:
    return AwsError("EntityTooLarge", ProposedSize=str(length), MaxSizeAllowed=str(limit))
