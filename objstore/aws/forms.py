"""A `multipart/form-data` body as it streams in: the fields before the file are kept, the file is passed on.

Nothing is held but the fields (20 KB at most) and the piece of the file that the network brought last. What follows the
file is read and dropped.
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html and RFC 7578
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from objstore.aws.digests import Buffer
from objstore.aws.errors import AwsError

MAX_FIELDS: Final = 20 << 10  # bytes of everything before the file
FILE: Final = "file"
_REST: Final = 64 << 10  # bytes behind the file that are cheaper to read than a new connection


def is_form(content_type: str) -> bool:
    """Whether a Content-Type announces a form with a file."""
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


class Form:
    """One form; made by `read_form`, which leaves it at the first byte of the file.

    `fields` are by name in lower case; one that came twice has both values, joined by a comma. `filename` is what the
    browser calls the file, without its folders.
    """

    def __init__(self, source: AsyncIterator[Buffer], reader: _Reader) -> None:
        self._source = source
        self._reader = reader
        self.fields: dict[str, str] = reader.fields
        self.filename = reader.filename

    async def piece(self) -> tuple[bytes, bool]:
        """The next bytes of the file, and whether more follow. Raises MalformedPOSTRequest where its end is missing."""
        reader = self._reader
        while not reader.pieces and not reader.file_ended:
            reader.feed(await _next(self._source))
        data = reader.pieces[0] if len(reader.pieces) == 1 else b"".join(reader.pieces)
        reader.pieces.clear()
        return data, not reader.file_ended

    async def drain(self) -> None:
        """Drop what follows the file, unless it is much."""
        dropped = 0
        async for data in self._source:
            dropped += len(data)
            if dropped > _REST:
                return


async def read_form(source: AsyncIterator[Buffer], content_type: str) -> Form:
    """Read the fields of a form. Raises MalformedPOSTRequest, MaxPostPreDataLengthExceededError, and InvalidArgument
    for a form without a file."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise AwsError("MalformedPOSTRequest")
    reader = _Reader(boundary)
    while not reader.file_begun:
        if reader.ended:
            raise AwsError(
                "InvalidArgument",
                "POST requires exactly one file upload per request.",
                ArgumentName=FILE,
                ArgumentValue=0,
            )
        reader.feed(await _next(source))
    return Form(source, reader)


async def _next(source: AsyncIterator[Buffer]) -> Buffer:
    data = await anext(source, None)
    if data is None:
        raise AwsError("MalformedPOSTRequest")
    return data


class _Reader:
    """What the parser's callbacks find."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.filename = ""
        self.pieces: list[bytes] = []
        self.file_begun = self.file_ended = self.ended = False
        self._name = ""
        self._value = bytearray()
        self._header = bytearray()
        self._header_value = bytearray()
        self._headers: dict[str, bytes] = {}
        self._held = 0
        callbacks: Any = {
            "on_part_begin": self._part_begin,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_header_field": self._header_field,
            "on_header_value": self._header_text,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise AwsError("MalformedPOSTRequest") from None

    def feed(self, data: Buffer) -> None:
        try:
            self._parser.write(bytes(data))
        except FormParserError:
            raise AwsError("MalformedPOSTRequest") from None

    def _part_begin(self) -> None:
        self._headers = {}
        self._value.clear()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._hold(end - start)
        self._header += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._hold(end - start)
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = bytes(self._header_value)
        self._header.clear()
        self._header_value.clear()

    def _headers_finished(self) -> None:
        if self.file_begun:
            return
        kind, options = parse_options_header(self._headers.get("content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise AwsError("MalformedPOSTRequest")
        self._name = _text(options[b"name"]).lower()
        if self._name == FILE:
            self.file_begun = True
            self.filename = _text(options.get(b"filename", b"")).replace("\\", "/").rpartition("/")[2]

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if not self.file_begun:
            self._hold(end - start)
            self._value += data[start:end]
        elif not self.file_ended:
            self.pieces.append(data[start:end])

    def _part_end(self) -> None:
        if self.file_begun:
            self.file_ended = True
            return
        value = _text(bytes(self._value))
        self.fields[self._name] = f"{self.fields[self._name]},{value}" if self._name in self.fields else value

    def _end(self) -> None:
        self.ended = True

    def _hold(self, count: int) -> None:
        if self.file_begun:
            return  # of what follows, each header is bounded by the parser and nothing is kept
        self._held += count
        if self._held > MAX_FIELDS:
            raise AwsError("MaxPostPreDataLengthExceededError", MaxPostPreDataLengthBytes=MAX_FIELDS)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise AwsError("MalformedPOSTRequest") from None
