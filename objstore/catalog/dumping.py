"""The catalog as one stream of bytes, and back: what a catalog snapshot holds.

    magic "OBJSCAT\\n", then deflated (zlib): frames, each a length (4 bytes, big-endian) and that much MessagePack
    Head; lists of up to 1,000 rows, each with the number of its table; End, with a digest of all that was before it

A dump is rows and not pages: it needs no room of its own to be made, has nothing in it that a damaged page could have
harmed unnoticed (records are checked against their checksums as they go by), and is read by any engine. It is made from
one read transaction beside running commits. One that is cut short, or altered, is not read: End is missing or differs.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import apsw
import msgspec
from xxhash import xxh3_64_digest, xxh3_128

from objstore.catalog.errors import CatalogError, CorruptRecord, SchemaTooNew
from objstore.catalog.schema import VERSION
from objstore.catalog.session import Reading

MAGIC = b"OBJSCAT\n"
FORMAT = 1
_OWN = ("mirror", "redo")  # of the engine: where a mirror stands is not what the catalog says
_CHECKED = ("record", "data")  # columns that begin with the checksum of what follows
_CHECKSUM = 8
_ROWS = 1_000
_BATCH = 1 << 20
_PIECE = 1 << 18
_LENGTH = struct.Struct(">I")
_LONGEST = 1 << 30

_encode = msgspec.msgpack.Encoder().encode


class DumpBroken(CatalogError):
    """Not a dump, or not a whole one; the message says what is wrong."""


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What a dump is of: the catalog of `deployment` after transaction `seq` of `epoch`, at `taken_us`.

    `tables` are in the order of the rows; `definitions` make them, `indexes` what is made when all rows are there."""

    format: int
    deployment: str
    taken_us: int
    epoch: int
    seq: int
    schema: int
    definitions: tuple[str, ...]
    indexes: tuple[str, ...]
    tables: tuple[tuple[str, int], ...]
    sequences: tuple[tuple[str, int], ...]


class End(msgspec.Struct, frozen=True, array_like=True):
    """How a dump ends: rows of each table, and xxh3_128 of all frames before this one."""

    rows: tuple[int, ...]
    digest: bytes


def dump(tx: Reading, deployment: str, taken_us: int, write: Callable[[bytes], None]) -> Head:
    """Give all that the catalog holds to `write`, piece by piece. Blocks, for some microseconds a row.

    Raises CorruptRecord for a row that does not match its checksum, and what `write` raises."""
    head = _head(tx, deployment, taken_us)
    out = _Deflated(write)
    write(MAGIC)
    out.frame(_encode(head))
    counts = tuple(_table(tx, number, name, out) for number, (name, _) in enumerate(head.tables))
    out.frame(_encode(End(counts, out.digest.digest())))
    out.close()
    return head


def _head(tx: Reading, deployment: str, taken_us: int) -> Head:
    position = tx.one("SELECT epoch, seq FROM mirror")
    version = tx.one("PRAGMA user_version")
    assert position is not None and version is not None, "a mirror knows where it stands"
    made = tx.all("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    names = sorted(name for kind, name, _ in made if kind == "table" and name not in _OWN)
    epoch, seq = position
    return Head(
        FORMAT,
        deployment,
        taken_us,
        epoch,
        seq,
        version[0],
        tuple(sql for kind, _, sql in made if kind == "table"),
        tuple(sql for kind, _, sql in made if kind != "table"),
        tuple((name, len(_columns(tx, name))) for name in names),
        tuple((name, seq) for name, seq in tx.all("SELECT name, seq FROM sqlite_sequence ORDER BY name")),
    )


def _columns(tx: Reading, table: str) -> list[str]:
    return [row[1] for row in tx.all(f"PRAGMA table_info({table})")]


def _table(tx: Reading, number: int, name: str, out: _Deflated) -> int:
    """The rows of one table; how many."""
    checked = [place for place, column in enumerate(_columns(tx, name)) if column in _CHECKED]
    batch: list[tuple[Any, ...]] = []
    size = count = 0
    for row in tx.rows(f"SELECT * FROM {name}"):
        for place in checked:
            value = row[place]
            if isinstance(value, bytes) and value:
                if xxh3_64_digest(value[_CHECKSUM:]) != value[:_CHECKSUM]:
                    raise CorruptRecord(f"a row of {name} does not match its checksum")
                size += len(value)
        batch.append(row)
        count += 1
        if len(batch) == _ROWS or size > _BATCH:
            out.frame(_encode((number, batch)))
            batch, size = [], 0
    if batch:
        out.frame(_encode((number, batch)))
    return count


class _Deflated:
    """Frames out, deflated, in pieces worth writing."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.digest = xxh3_128()
        self._write = write
        self._deflate = zlib.compressobj(1)
        self._held = bytearray()

    def frame(self, content: bytes) -> None:
        self.digest.update(content)
        self._held += self._deflate.compress(_LENGTH.pack(len(content)) + content)
        if len(self._held) >= _PIECE:
            self._pass_on()

    def close(self) -> None:
        self._held += self._deflate.flush()
        self._pass_on()

    def _pass_on(self) -> None:
        held, self._held = bytes(self._held), bytearray()
        self._write(held)


# --- back


def load(pieces: Iterable[bytes], connection: apsw.Connection) -> Head:
    """Fill an empty database with what a dump holds; durability is the caller's.

    Raises DumpBroken, with the database in no state to be used; SchemaTooNew; and what `pieces` raise."""
    digest = xxh3_128()
    frames = _frames(pieces)
    head: Head = _decoded(next(frames, b""), Head, "begins with nothing that is known")
    digest.update(_encode(head))
    if head.format != FORMAT:
        raise DumpBroken(f"format {head.format} is not known to this release")
    if head.schema > VERSION:
        raise SchemaTooNew(head.schema, VERSION)
    counts = [0] * len(head.tables)
    connection.execute("BEGIN")
    for sql in head.definitions:
        connection.execute(sql)
    last: bytes | None = None
    for frame in frames:
        if last is not None:
            digest.update(last)
            _insert(connection, head, counts, last)
        last = frame
    end = _decoded(last or b"", End, "has no end: it was cut short")
    if end != End(tuple(counts), digest.digest()):
        raise DumpBroken("what it holds does not match its digest")
    for sql in head.indexes:
        connection.execute(sql)
    connection.execute("DELETE FROM sqlite_sequence")
    connection.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", head.sequences)
    connection.execute("COMMIT")
    connection.pragma("user_version", head.schema)
    return head


def _insert(connection: apsw.Connection, head: Head, counts: list[int], frame: bytes) -> None:
    number, rows = _decoded(frame, tuple[int, list[tuple[Any, ...]]], "has rows that cannot be read")
    if not 0 <= number < len(head.tables):
        raise DumpBroken("has rows of no table")
    name, columns = head.tables[number]
    try:
        connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * columns)})", rows)
    except apsw.Error as error:
        raise DumpBroken(f"has rows that {name} does not take: {error}") from error
    counts[number] += len(rows)


def _decoded(frame: bytes, kind: Any, problem: str) -> Any:
    try:
        return msgspec.msgpack.decode(frame, type=kind)
    except msgspec.MsgspecError as error:
        raise DumpBroken(problem) from error


def _frames(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The frames of a dump, in bounded memory. Raises DumpBroken."""
    held = bytearray()
    for inflated in _inflated(pieces):
        held += inflated
        at = 0
        while len(held) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(held, at)
            if length > _LONGEST:
                raise DumpBroken("has a frame that is too long")
            if len(held) - at - _LENGTH.size < length:
                break
            at += _LENGTH.size
            yield bytes(held[at : at + length])
            at += length
        del held[:at]
    if held:
        raise DumpBroken("ends in the middle of a frame")


def _inflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    inflate = zlib.decompressobj()
    begin = b""
    for piece in pieces:
        if len(begin) < len(MAGIC):
            begin += piece
            if len(begin) < len(MAGIC):
                continue
            if not begin.startswith(MAGIC):
                raise DumpBroken("is no dump of a catalog")
            piece = begin[len(MAGIC) :]
        try:
            yield inflate.decompress(piece, _BATCH)
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, _BATCH)
        except zlib.error as error:
            raise DumpBroken(f"cannot be inflated: {error}") from error
    if not inflate.eof:
        raise DumpBroken("has no end: it was cut short")
