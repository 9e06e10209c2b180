"""The `aws-chunked` content encoding: a body in chunks with a line before each, perhaps signatures, perhaps trailers.

    10000;chunk-signature=<64 hex>\\r\\n<65536 bytes>\\r\\n ... 0;chunk-signature=<64 hex>\\r\\n
    x-amz-checksum-crc32c:sOO8/Q==\\r\\nx-amz-trailer-signature:<64 hex>\\r\\n\\r\\n

The decoder is fed whatever the network brings, cut anywhere, and gives back slices of it without a copy. A signed
chunk's data are passed on before its signature is known to be good; a bad one raises, and so nothing of the body is
kept.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from enum import Enum, auto

from objstore.aws.errors import AwsError
from objstore.aws.sigv4 import ChunkSigning

MIN_CHUNK = 8192  # bytes; only the last chunk may be smaller
MAX_LINE = 1024  # bytes of a chunk's line or of one trailer
MAX_TRAILERS = 16

_HEADER = re.compile(rb"([0-9A-Fa-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?\Z")
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_TRAILER_SIGNATURE = "x-amz-trailer-signature"


class _Expect(Enum):
    HEADER = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    NOTHING = auto()


class ChunkedDecoder:
    """Decodes one body of `length` decoded bytes; `signing` checks its chunks, `announced` names the trailers to come.

    `trailers` holds them by lower-case name once the body has ended.
    """

    def __init__(
        self,
        length: int,
        *,
        signing: ChunkSigning | None = None,
        signed_trailer: bool = False,
        announced: Collection[str] = (),
    ) -> None:
        self.trailers: dict[str, str] = {}
        self._length = length
        self._signing = signing
        self._signed_trailer = signed_trailer
        self._announced = frozenset(announced)
        self._expect = _Expect.HEADER
        self._left = 0  # bytes still to come of this chunk
        self._total = 0  # bytes of all chunks up to and with this one
        self._count = 0
        self._size = MIN_CHUNK  # of the chunk before
        self._hash = hashlib.sha256()
        self._signature = ""
        self._partial = b""  # a line cut by the network

    def feed(self, data: bytes) -> list[memoryview]:
        """Takes the next bytes of the wire; gives the decoded slices in them."""
        out: list[memoryview] = []
        view = memoryview(data)
        position, end = 0, len(data)
        while position < end:
            if self._expect is _Expect.DATA:
                piece = view[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                out.append(piece)
                if self._signing is not None:
                    self._hash.update(piece)
                if not self._left:
                    self._expect = _Expect.DATA_END
            else:
                position = self._take_line(data, position)
        return out

    def finish(self) -> None:
        """Ends the body; IncompleteBody when it was cut short."""
        if self._expect is not _Expect.NOTHING:
            raise AwsError("IncompleteBody", "The request body terminated unexpectedly")

    def _take_line(self, data: bytes, position: int) -> int:
        newline = data.find(b"\n", position, position + MAX_LINE)
        stop = newline + 1 if newline >= 0 else len(data)
        line = self._partial + data[position:stop]
        if len(line) > MAX_LINE:
            raise _malformed()
        if newline < 0:
            self._partial = line
            return stop
        self._partial = b""
        if not line.endswith(b"\r\n"):
            # AWS's own example ends a trailer with a bare newline; nothing else may.
            if self._expect is not _Expect.TRAILER:
                raise _malformed()
            line = line.rstrip(b"\n") + b"\r\n"
        self._take(line[:-2])
        return stop

    def _take(self, line: bytes) -> None:
        if self._expect is _Expect.HEADER:
            self._begin_chunk(line)
        elif self._expect is _Expect.DATA_END and not line:
            if self._signing is not None:
                self._signing.verify_chunk(self._hash.hexdigest(), self._signature)
            self._expect = _Expect.HEADER
        elif self._expect is _Expect.TRAILER:
            self._take_trailer(line)
        else:
            raise _malformed()

    def _begin_chunk(self, line: bytes) -> None:
        found = _HEADER.match(line)
        if found is None:
            raise _malformed()
        size = int(found[1], 16)
        if self._signing is not None:
            if found[2] is None:
                raise _malformed()
            self._signature = found[2].decode("ascii")
            self._hash = hashlib.sha256()
        if not size:
            self._end_chunks()
            return
        if self._size < MIN_CHUNK:
            raise AwsError("InvalidChunkSizeError", Chunk=str(self._count), BadChunkSize=str(self._size))
        self._count += 1
        self._size = self._left = size
        self._total += size
        if self._total > self._length:
            raise AwsError("IncompleteBody")
        self._expect = _Expect.DATA

    def _end_chunks(self) -> None:
        if self._total != self._length:
            raise AwsError("IncompleteBody")
        if self._signing is not None:
            self._signing.verify_chunk(_EMPTY_SHA256, self._signature)
        self._expect = _Expect.TRAILER

    def _take_trailer(self, line: bytes) -> None:
        if line:
            name, separator, value = line.decode("latin-1").partition(":")
            name = name.strip().lower()
            known = name in self._announced or (name == _TRAILER_SIGNATURE and self._signed_trailer)
            if not separator or not known or name in self.trailers or len(self.trailers) >= MAX_TRAILERS:
                raise AwsError("MalformedTrailerError")
            self.trailers[name] = value.strip()
        elif not self._signed_trailer or _TRAILER_SIGNATURE in self.trailers:
            self._end_trailers()
        elif not self.trailers:
            raise AwsError("MalformedTrailerError")

    def _end_trailers(self) -> None:
        signature = self.trailers.pop(_TRAILER_SIGNATURE, "")
        if self.trailers.keys() != self._announced:
            raise AwsError("MalformedTrailerError")
        if self._signing is not None and self._signed_trailer:
            lines = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
            self._signing.verify_trailer(lines.encode("latin-1"), signature)
        self._expect = _Expect.NOTHING


def without_aws_chunked(content_encoding: str) -> str:
    """A Content-Encoding as it is stored: `aws-chunked` is of the transfer, not of the object. May leave nothing."""
    codings = (coding.strip() for coding in content_encoding.split(","))
    return ", ".join(coding for coding in codings if coding and coding.lower() != "aws-chunked")


def _malformed() -> AwsError:
    return AwsError("IncompleteBody", "The request body terminated unexpectedly")
