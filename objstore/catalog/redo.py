"""The redo log: what each transaction wrote, as statements, so that a mirror that lags can do it again.

A transaction is packed as its distinct SQL texts, for each statement the number of its text and its parameters, and
how many rows all of them changed: where they change more or fewer, something else stood there.
The bytes of a payload are not written twice: the log has their hash in their place (see `replaying`).
Every transaction extends the *chain*, a hash over the whole history: `xxh3_64(chain before + seq + epoch + packed)`.
Two mirrors with one chain hold the same; and a log can only be replayed on the mirror whose history it continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from xxhash import xxh3_64_digest, xxh3_128_digest

from objstore.catalog.transaction import Value

Statement = tuple[str, tuple[Value, ...]]

ADD_PAYLOAD = "INSERT INTO payloads (id, data) VALUES (?, ?)"
"""The one statement whose last parameter the log may refer to; rows of `payloads` are never changed."""
REFERRED = 256
"""Bytes from which on a payload is referred to."""

KEEP_TRANSACTIONS = 2_000
KEEP_BYTES = 32 << 20
TRIM_EVERY = 32
ORIGIN = bytes(8)
_HASH = 1  # of MessagePack's extension types: the xxh3_128 of a payload

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[list[str], list[tuple[int, tuple[Any, ...]]], int]).decode


class Position(NamedTuple):
    """Where a mirror stands: after transaction `seq`, whose epoch was `epoch`; `logged` bytes of redo were written."""

    epoch: int
    seq: int
    chain: bytes
    logged: int
    members: tuple[str, ...]

    def after(self, epoch: int, packed: bytes, members: tuple[str, ...]) -> Position:
        """Where one more transaction leads."""
        seq = self.seq + 1
        return Position(epoch, seq, extend(self.chain, seq, epoch, packed), self.logged + len(packed), members)


class Step(NamedTuple):
    """One transaction, as every mirror does it: from where to where, what it writes, how many rows that changes, and
    all of it as a redo row has it."""

    before: Position
    after: Position
    statements: Sequence[Statement]
    changed: int
    packed: bytes


def extend(chain: bytes, seq: int, epoch: int, packed: bytes) -> bytes:
    """The chain after transaction `seq`."""
    return xxh3_64_digest(chain + seq.to_bytes(8, "big") + epoch.to_bytes(8, "big") + packed)


def pack(statements: Sequence[Statement], changed: int) -> bytes:
    """Statements, and how many rows they change, as a redo row holds them."""
    texts: dict[str, int] = {}
    calls = [(texts.setdefault(sql, len(texts)), params) for sql, params in statements]
    payload = texts.get(ADD_PAYLOAD)
    if payload is not None:
        calls = [(number, _referring(*params) if number == payload else params) for number, params in calls]
    return _encode((list(texts), calls, changed))


def _referring(payload: Value, data: Value) -> tuple[Any, ...]:
    if not isinstance(data, bytes) or len(data) < REFERRED:
        return payload, data
    return payload, msgspec.msgpack.Ext(_HASH, xxh3_128_digest(data))


def unpack(packed: bytes, payload: Callable[[int, bytes], bytes]) -> tuple[list[Statement], int]:
    """What `pack` packed; `payload(id, hash)` gives the bytes that are referred to. Raises msgspec.MsgspecError."""
    texts, calls, changed = _decode(packed)
    return [(texts[number], tuple(_resolved(params, payload))) for number, params in calls], changed


def _resolved(params: tuple[Any, ...], payload: Callable[[int, bytes], bytes]) -> Iterator[Value]:
    for param in params:
        yield payload(params[0], bytes(param.data)) if type(param) is msgspec.msgpack.Ext else param
