"""Bytes that live in the catalog: small objects, and the long manifests of objects of many parts.

A row is `xxh3_64(data) + data`, looked at on every read. Ids grow with time and are not given twice while the clock
goes forward, so a reader with an old record finds nothing rather than another object's bytes.
"""

from __future__ import annotations

from xxhash import xxh3_64_digest

from objstore.catalog.errors import CorruptRecord
from objstore.catalog.redo import ADD_PAYLOAD
from objstore.catalog.transaction import Transaction

_CHECKSUM = 8


def add(tx: Transaction, data: bytes, now_us: int) -> int:
    """Store bytes; their id."""
    row = tx.one("SELECT max(id) FROM payloads")
    newest = row[0] if row is not None else None
    payload = now_us if newest is None else max(now_us, newest + 1)
    tx.run(ADD_PAYLOAD, payload, xxh3_64_digest(data) + data)
    return int(payload)


def get(tx: Transaction, payload: int) -> bytes:
    """The bytes of an id that a record of the same snapshot holds. Raises CorruptRecord."""
    row = tx.one("SELECT data FROM payloads WHERE id = ?", payload)
    assert row is not None, f"payload {payload} of a record has no row"
    stored: bytes = row[0]
    data = stored[_CHECKSUM:]
    if xxh3_64_digest(data) != stored[:_CHECKSUM]:
        raise CorruptRecord(f"checksum of payload {payload} does not match")
    return data


def drop(tx: Transaction, payload: int) -> None:
    """Forget the bytes."""
    tx.run("DELETE FROM payloads WHERE id = ?", payload)
