"""Rows become the bytes of a file, piece by piece: CSV packed by gzip, or Parquet.

`add` and `finish` give what is ready to be written. No more than a few pages of rows, or one row group, are held.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, Protocol
from urllib.parse import quote

from objstore.aws.timestamps import iso8601
from objstore.jobs.inventory.columns import Column, Kind

ROW_GROUP: Final = 20_000
_GZIP: Final = 31  # zlib's way to say: a window of 32 KiB, gzip around it

Row = Sequence[Any]


class Table(Protocol):
    """One file of rows."""

    def add(self, rows: Sequence[Row]) -> bytes: ...
    def finish(self) -> bytes: ...


class Format(Protocol):
    """How files are called and described, and what makes one."""

    name: str
    suffix: str
    content_type: str

    def schema(self, columns: Sequence[Column]) -> str: ...
    def table(self, columns: Sequence[Column]) -> Table: ...


class Csv:
    """CSV without a head: every value in quotes, keys percent-encoded."""

    name, suffix, content_type = "CSV", "csv.gz", "application/gzip"

    def schema(self, columns: Sequence[Column]) -> str:
        """The names of the columns."""
        return ", ".join(column.name for column in columns)

    def table(self, columns: Sequence[Column]) -> Table:
        return _CsvTable(columns)


class _CsvTable:
    def __init__(self, columns: Sequence[Column]) -> None:
        self._write = [_text_of(column) for column in columns]
        self._packer = zlib.compressobj(wbits=_GZIP)

    def add(self, rows: Sequence[Row]) -> bytes:
        lines = [",".join([write(value) for write, value in zip(self._write, row, strict=True)]) for row in rows]
        return self._packer.compress("".join(f"{line}\n" for line in lines).encode())

    def finish(self) -> bytes:
        return self._packer.flush()


def _text_of(column: Column) -> Any:
    if column.name == "Key":
        return lambda key: f'"{quote(key, safe="/-_.~", errors="surrogatepass")}"'
    if column.kind is Kind.TRUTH:
        return lambda value: '""' if value is None else '"true"' if value else '"false"'
    if column.kind is Kind.MOMENT:
        return lambda us: '""' if us is None else f'"{iso8601(_moment(us))}"'
    return lambda value: '""' if value is None else '"' + str(value).replace('"', '""') + '"'


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC).replace(microsecond=us % 1_000_000)


class Parquet:
    """Parquet, packed by Snappy, a row group at a time."""

    name, suffix, content_type = "Parquet", "parquet", "application/vnd.apache.parquet"

    def schema(self, columns: Sequence[Column]) -> str:
        """The message type in Parquet's own notation, as AWS writes it."""
        return f"message s3.inventory {{  {';  '.join(_declared(column) for column in columns)};}}"

    def table(self, columns: Sequence[Column]) -> Table:
        return _ParquetTable(columns)


def _declared(column: Column) -> str:
    kind = "int64" if column.kind is Kind.MOMENT else column.kind.value
    meaning = {Kind.TEXT: " (UTF8)", Kind.MOMENT: " (TIMESTAMP_MILLIS)"}.get(column.kind, "")
    return f"{'required' if column.required else 'optional'} {kind} {column.parquet}{meaning}"


class _ParquetTable:
    def __init__(self, columns: Sequence[Column]) -> None:
        pa: Any = import_module("pyarrow")  # takes longer than the rest of the server together
        kinds = {
            Kind.TEXT: pa.string(),
            Kind.NUMBER: pa.int64(),
            Kind.TRUTH: pa.bool_(),
            Kind.MOMENT: pa.timestamp("ms", "UTC"),
        }
        fields = [pa.field(column.parquet, kinds[column.kind], nullable=not column.required) for column in columns]
        self._schema = pa.schema(fields)
        self._moments = [column.kind is Kind.MOMENT for column in columns]
        self._batch = pa.record_batch
        self._sink = _Sink()
        self._writer: Any = import_module("pyarrow.parquet").ParquetWriter(
            self._sink, self._schema, compression="snappy"
        )
        self._rows: list[Row] = []

    def add(self, rows: Sequence[Row]) -> bytes:
        self._rows += rows
        if len(self._rows) >= ROW_GROUP:
            self._flush()
        return self._sink.take()

    def finish(self) -> bytes:
        self._flush()
        self._writer.close()
        return self._sink.take()

    def _flush(self) -> None:
        if not self._rows:
            return
        values = [list(column) for column in zip(*self._rows, strict=True)]
        for index, is_moment in enumerate(self._moments):
            if is_moment:
                values[index] = [None if us is None else us // 1000 for us in values[index]]
        self._writer.write_batch(self._batch(values, schema=self._schema))
        self._rows = []


class _Sink(io.RawIOBase):
    """What a writer takes for a file: gives what was written, and keeps nothing."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._pieces.append(bytes(data))
        self._at += len(self._pieces[-1])
        return len(self._pieces[-1])

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        """What was written since the last time."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


FORMATS: Final[dict[str, Format]] = {"CSV": Csv(), "Parquet": Parquet()}
